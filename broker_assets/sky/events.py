"""Notices of gravitational-wave events: new maps, newer versions, retractions.

The format is that of the IGWN Public Alerts sent by GCN over Kafka (topic `igwn.gwalert`): JSON, or Avro with the
same fields, one record per notice, including the sky map.
"""

from __future__ import annotations

import base64
import datetime
import json
import math
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import psycopg
from pydantic import AfterValidator, BaseModel, BeforeValidator, ValidationError

from broker_assets.database.turns import in_turn
from broker_assets.provenance.revisions import next_revision
from broker_assets.settings.limits import LIMITS, InputLimits
from broker_assets.sky.lists import SQUARE_DEGREES, expect_rematch
from broker_assets.sky.notice_fields import BadNotice, Instant, Name, Number, Text, first_problem, mjd_tai
from broker_assets.sky.notice_records import read_record
from broker_assets.sky.skymaps import SkyMap, read_sky_map

NAMESPACE = "LVK"
ACTIVE_DAYS = 21.0
"""Days after its event during which a map is matched."""
LARGEST_AREA = 300.0
"""deg²; a map whose 90 per cent region is larger is matched only if the event may have a counterpart (`BRIGHT`)."""
BRIGHT = ("BNS", "NSBH")
"""Classes of mergers with a neutron star, which may have a counterpart."""
_VERSION = "%Y-%m-%dT%H:%M:%S.%fZ"
"""Format of a version; sorted as text, versions are in chronological order."""


def _base64(value: Any) -> Any:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


class _Event(BaseModel):
    """Fields of an event that are used."""

    time: Instant
    far: Number | None = None
    classification: dict[Name, Number] | None = None
    skymap: Annotated[bytes | None, BeforeValidator(_base64)] = None


class _Record(BaseModel):
    """Fields of a notice that are used (IGWN Public Alerts User Guide, "Alert Contents")."""

    superevent_id: Name
    alert_type: Annotated[Name, AfterValidator(str.upper)]
    time_created: Instant
    urls: dict[str, Text | None] | None = None
    event: _Event | None = None


@dataclass(frozen=True)
class Notice:
    """One notice."""

    event: str
    """Name of the event, as S190425z."""
    kind: str
    """EARLYWARNING, PRELIMINARY, INITIAL, UPDATE or RETRACTION."""
    version: str
    """Creation time of the notice, ISO 8601 UTC; increases with each."""
    event_time: datetime.datetime | None = None
    """Time of the event, UTC; None for a retraction."""
    false_alarm_rate: float | None = None
    """Hz."""
    classification: dict[str, float] = field(default_factory=dict)
    """Probability of each class of source."""
    url: str | None = None
    """Page of the event."""
    sky_map: bytes | None = None
    """Multi-order map as FITS."""

    @property
    def retracts(self) -> bool:
        """Whether it retracts the event."""
        return self.kind == "RETRACTION"


@dataclass(frozen=True)
class Applied:
    """Effect of a notice."""

    identifier: int | None
    """`mw_id` of the version; None for a retraction."""
    effect: str
    """Description for the log."""
    active: bool
    """Whether the map is matched."""


def read_notice(content: bytes, *, limits: InputLimits = LIMITS) -> Notice:
    """Read a notice.

    Parameters
    ----------
    content : bytes
        JSON, or an Avro object container with one record.
    limits : InputLimits
        `notice_bytes` limits an unpacked block.

    Raises
    ------
    BadNotice
        If it is neither, or fields are missing or invalid: numbers that are not finite, times without a date or
        outside 1990 to 2100, texts with control characters.

    Examples
    --------
    >>> notice = b'{"superevent_id": "S1", "alert_type": "RETRACTION", "time_created": "2026-11-20T10:00:00Z"}'
    >>> read_notice(notice).retracts
    True
    """
    try:
        fields = read_record(content, largest=limits.notice_bytes)
        if isinstance(fields, dict) and str(fields.get("alert_type")).upper() == "RETRACTION":
            fields = {**fields, "event": None}  # damage there must not keep it from taking effect
        record = _Record.model_validate(fields)
    except ValidationError as error:
        raise BadNotice(first_problem(error)) from error
    except ValueError as error:
        raise BadNotice(str(error)) from error
    event, kind, version = record.superevent_id, record.alert_type, record.time_created.strftime(_VERSION)
    details = record.event
    if kind == "RETRACTION":
        return Notice(event, kind, version)
    if details is None:
        raise BadNotice(f"notice {kind} of {event} has no information on the event")
    urls = record.urls or {}
    return Notice(
        event, kind, version, details.time, details.far, details.classification or {}, urls.get("gracedb"),
        details.skymap,
    )  # fmt: skip


def apply_notice(
    connection: psycopg.Connection[Any], notice: Notice, ingestid: int | None = None, *, limits: InputLimits = LIMITS
) -> Applied:
    """Store the map of a notice, or apply a retraction; the latest version of an event is the current one.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection on which a transaction is opened.
    notice : Notice
        Notices may arrive twice and in any order.
    ingestid : int, optional
        Batch that received it.
    limits : InputLimits
        Largest maps.

    Raises
    ------
    NotASkyMap
        If its map cannot be used.
    """
    with connection.transaction():
        in_turn(connection, f"{NAMESPACE} {notice.event}")
        if notice.retracts:
            return _retract(connection, notice, ingestid)
        if notice.sky_map is None or notice.event_time is None:
            return Applied(None, f"{notice.event} {notice.kind} has no sky map", False)
        sky_map = read_sky_map(notice.sky_map, limits=limits)
        sizes = {level: _square_degrees(sky_map, level) for level in (10, 50, 90)}
        refusal = _not_matched(notice, sizes[90])
        until = notice.event_time + datetime.timedelta(days=ACTIVE_DAYS)
        row = connection.execute(
            "INSERT INTO mma_areas (event_tai, event_date, namespace, otherid, version, more_info, area10, area50,"
            " area90, params, sky_map, sky_map_version, active, active_until, ingestid) VALUES (%s, %s, %s, %s, %s, %s,"
            " %s, %s, %s, %s, %s, %s, false, %s, %s) ON CONFLICT (namespace, otherid, version) DO NOTHING"
            " RETURNING mw_id",
            (
                mjd_tai(notice.event_time), notice.event_time, NAMESPACE, notice.event, notice.version,
                refusal or notice.url, sizes[10], sizes[50], sizes[90], json.dumps(_parameters(notice, sky_map)),
                notice.sky_map, sky_map.version, until, ingestid,
            ),
        ).fetchone()  # fmt: skip
        if row is None:
            return Applied(None, f"{notice.event} {notice.version} is already known", False)
        active = refusal is None and _put_in_force(connection, notice, int(row[0]))
    return Applied(int(row[0]), f"{notice.event} {notice.kind} stored" + (f": {refusal}" if refusal else ""), active)


def _retract(connection: psycopg.Connection[Any], notice: Notice, ingestid: int | None) -> Applied:
    connection.execute(
        "INSERT INTO mma_retractions (namespace, otherid, version, ingestid) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (namespace, otherid) DO UPDATE SET version = EXCLUDED.version, received_at = now(),"
        " ingestid = EXCLUDED.ingestid WHERE mma_retractions.version < EXCLUDED.version",
        (NAMESPACE, notice.event, notice.version, ingestid),
    )
    rows = connection.execute(
        "UPDATE mma_areas SET active = false, retracted_at = now() WHERE namespace = %s AND otherid = %s"
        " AND version <= %s AND retracted_at IS NULL",
        (NAMESPACE, notice.event, notice.version),
    ).rowcount
    _end_inactive(connection)
    return Applied(None, f"{notice.event} retracted: {rows} version(s) void", False)


def _put_in_force(connection: psycopg.Connection[Any], notice: Notice, identifier: int) -> bool:
    """Match this version instead of older ones, unless it arrived late or is retracted."""
    event = (NAMESPACE, notice.event)
    retracted = connection.execute(
        "UPDATE mma_areas SET retracted_at = now() WHERE mw_id = %s AND EXISTS (SELECT FROM mma_retractions"
        " WHERE namespace = %s AND otherid = %s AND version >= %s)",
        (identifier, *event, notice.version),
    ).rowcount
    newest = connection.execute(
        "SELECT max(version) FROM mma_areas WHERE namespace = %s AND otherid = %s", event
    ).fetchone()
    if retracted or newest is None or newest[0] != notice.version:
        return False
    connection.execute("UPDATE mma_areas SET active = false WHERE namespace = %s AND otherid = %s AND active", event)
    begun = connection.execute(
        "UPDATE mma_areas SET active = true WHERE mw_id = %s AND active_until > now()", (identifier,)
    ).rowcount
    _end_inactive(connection)
    if begun:
        connection.execute(
            "UPDATE mma_areas SET revision_from = %s, revision_to = NULL WHERE mw_id = %s",
            (next_revision(connection), identifier),
        )
    return bool(begun)


def _end_inactive(connection: psycopg.Connection[Any]) -> None:
    """End the period in force of maps that were set inactive; if there are any, they get a new number of change."""
    ended = [
        row[0]
        for row in connection.execute(
            "SELECT mw_id FROM mma_areas WHERE NOT active AND revision_from IS NOT NULL AND revision_to IS NULL"
            " ORDER BY mw_id FOR UPDATE"
        )
    ]
    if ended:
        connection.execute(
            "UPDATE mma_areas SET revision_to = %s WHERE mw_id = ANY(%s)", (next_revision(connection), ended)
        )
        expect_rematch(connection, "sky_map", ended)


def expire_sky_maps(connection: psycopg.Connection[Any]) -> list[int]:
    """Deactivate expired maps; return which ones."""
    with connection.transaction():
        rows = connection.execute(
            "UPDATE mma_areas SET active = false WHERE active AND active_until <= now() RETURNING mw_id"
        ).fetchall()
        _end_inactive(connection)
    return [row[0] for row in rows]


def _not_matched(notice: Notice, area: float) -> str | None:
    """Why a map is kept but not matched; None if it is matched."""
    likely = max(notice.classification, key=lambda name: notice.classification[name], default="unknown")
    if likely in BRIGHT or area <= LARGEST_AREA:
        return None
    return f"not matched: most likely {likely}, and the 90 per cent region of {area:.0f} deg2 exceeds {LARGEST_AREA:g}"


def _square_degrees(sky_map: SkyMap, level: float) -> float:
    """Area of the smallest set of cells, densest first, that contains the probability of a level."""
    order = np.argsort(-sky_map.probability_density, kind="stable")
    cumulated = np.cumsum((sky_map.probability_density * sky_map.area)[order])
    needed = int(np.searchsorted(cumulated, level / 100.0)) + 1
    return float(sky_map.area[order[:needed]].sum() / (4 * math.pi) * SQUARE_DEGREES)


def _parameters(notice: Notice, sky_map: SkyMap) -> dict[str, Any]:
    ra, dec = sky_map.most_probable()
    mean, sigma = (value if math.isfinite(value) else None for value in sky_map.overall_distance)
    return {
        "alert_type": notice.kind,
        "classification": notice.classification,
        "far": notice.false_alarm_rate,
        "location": {"RA": ra, "Dec": dec, "distmean": mean, "diststd": sigma},
    }
