"""Moving lists: notices of events with an error circle, as cones of a watchlist of the platform that hold for a while.

Each stream of notices has one watchlist, which belongs to the platform. All notices of an event are kept; its cones are
derived from all of them together (`settled`), so that it does not matter in which order they arrive, or how often. A
cone never changes: if the circle, the name, the time or the kind of notice changes, another cone replaces it. What was
matched stays known, as with every list (`lists`).
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
from astropy.time import Time

from broker_assets.database.turns import in_turn
from broker_assets.settings import MovingListSettings
from broker_assets.sky.error_circles import ErrorCircle, EventNotice, circles_of_json
from broker_assets.sky.lists import change, create_watchlist, remove_cones
from broker_assets.sky.notice_fields import mjd_tai
from broker_assets.sky.overview import PLATFORM_OWNER
from broker_assets.sky.watchlists import LARGEST_RADIUS, Cones

Connection = psycopg.Connection[Any]
ARCSEC_PER_DEGREE = 3600.0
_KINDS = {"test": 0, "initial": 1, "update": 2, "retraction": 3}


@dataclass(frozen=True)
class StoredNotice:
    """A notice that was received."""

    noticeid: int
    """Its identifier in `event_notices`."""
    notice: EventNotice
    """What it says."""
    digest: str
    """Its hash."""

    @property
    def rank(self) -> tuple[float, int, int, str]:
        """Place among the notices of its event, oldest first; never the same for two.

        The time of issue decides, then the number, then the kind. A notice without time of issue counts as issued with
        the event, but a retraction without one counts as the last word.
        """
        moment = self.notice.issued or (None if self.notice.retracts else self.notice.trigger)
        at = moment.timestamp() if moment is not None else (np.inf if self.notice.retracts else -np.inf)
        return at, self.notice.number, _KINDS[self.notice.kind], self.digest


@dataclass(frozen=True)
class EventCone:
    """A cone that an event should have."""

    name: str
    """Name of the event, and of the part of it."""
    circle: ErrorCircle
    """As given."""
    radius: float
    """Radius for the containment probability that the list asks for, arcsec."""
    trigger_tai: float
    """Time of the event, MJD TAI."""
    since: float
    """MJD TAI from which alerts count."""
    until: float
    """MJD TAI up to which alerts count."""
    source: StoredNotice
    """Notice that gave the circle."""

    @property
    def columns(self) -> dict[str, Any]:
        """Its columns in `notice_events`; if any of them changes, another cone replaces it."""
        return {
            "name": self.name,
            "notice_type": self.source.notice.kind,
            "trigger_tai": self.trigger_tai,
            "mjd_since": self.since,
            "mjd_until": self.until,
            "ra": self.circle.ra,
            "decl": self.circle.dec,
            "radius": self.radius,
            "error_radius": self.circle.error * ARCSEC_PER_DEGREE,
            "containment": self.circle.containment,
            "url": self.source.notice.url,
        }


@dataclass(frozen=True)
class Settled:
    """The result of all notices of an event."""

    cones: tuple[EventCone, ...]
    """The cones that it should have now."""
    ended: str | None
    """Why a cone that the event had ends: retracted, expired or replaced."""
    remark: str | None = None
    """Why the event has no cone."""


@dataclass(frozen=True)
class AppliedNotice:
    """Effect of a notice."""

    stored: bool
    """Whether it is new."""
    effect: str
    """Description for the log."""
    added: int = 0
    """Cones that were added."""
    removed: int = 0
    """Cones that were removed."""


def settled(notices: Sequence[StoredNotice], wanted: MovingListSettings, now: datetime.datetime) -> Settled:
    """The cones of an event, from all of its notices.

    Parameters
    ----------
    notices : sequence of StoredNotice
        All notices of the event that were received, in any order.
    wanted : MovingListSettings
        Time window and radius of the cones of the list.
    now : datetime
        A cone whose window has passed is not made.

    Notes
    -----
    Notices up to the newest retraction are void. Of the others, the newest one with a circle gives the position; a
    newer one without a circle does not change it. A circle that is too large leaves the event without a cone, since it
    replaces the earlier circles. Tests and simulated events never count.
    """
    real = sorted((item for item in notices if item.notice.kind != "test"), key=lambda item: item.rank)
    void = max((number for number, item in enumerate(real, 1) if item.notice.retracts), default=0)
    valid = real[void:]
    source = next((item for item in reversed(valid) if item.notice.circles), None)
    if source is None or source.notice.trigger is None:
        remark = next((item.notice.remark for item in [*valid, *notices] if item.notice.remark), None)
        return Settled((), "retracted", "it was retracted") if void else Settled((), None, remark)
    trigger = mjd_tai(source.notice.trigger)
    since, until = trigger - wanted.days_before, trigger + wanted.days_after
    if until <= mjd_tai(now):
        return Settled((), "expired", f"its {wanted.days_after:g} days have passed")
    name = next((item.notice.name for item in reversed(valid) if item.notice.name != item.notice.event), None)
    cones, largest = [], 0.0
    for circle in source.notice.circles:
        given = dataclasses.replace(circle, containment=wanted.containment_given or circle.containment)
        radius = given.radius(wanted.containment)
        largest = max(largest, radius)
        if radius <= wanted.largest_radius:
            arcsec = max(radius * ARCSEC_PER_DEGREE, wanted.smallest_radius)
            full_name = " ".join(part for part in (name or source.notice.event, circle.part) if part)
            cones.append(EventCone(full_name, given, arcsec, trigger, since, until, source))
    too_large = f"a radius of {largest:.3g} deg exceeds {wanted.largest_radius:g} deg, the largest of the list"
    return Settled(tuple(cones), "replaced", too_large if len(cones) < len(source.notice.circles) else None)


def apply_event_notice(
    connection: Connection,
    notice: EventNotice,
    wanted: MovingListSettings,
    *,
    topic: str,
    ingestid: int | None = None,
    now: datetime.datetime | None = None,
) -> AppliedNotice:
    """Store a notice, and give its event the cones that follow from all of its notices.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    notice : EventNotice
        Notices may arrive twice and in any order.
    wanted : MovingListSettings
        The list that it belongs to; its watchlist is created if it is missing.
    topic : str
        Where it came from.
    ingestid : int, optional
        Batch that received it.
    now : datetime, optional
        UTC; default: the current time.
    """
    moment = now or datetime.datetime.now(datetime.UTC)
    with connection.transaction():
        watchlist = moving_watchlist(connection, wanted)
        # One event of a list at a time, in the order in which every list is changed.
        connection.execute("SELECT FROM watchlists WHERE wl_id = %s FOR UPDATE", (watchlist,))
        if not _store(connection, notice, wanted.name, topic, ingestid):
            return AppliedNotice(False, f"{wanted.name}: {notice.name} {notice.kind} is already known")
        found = settled(_notices(connection, wanted.name, notice.event), wanted, moment)
        added, removed = _settle(connection, watchlist, wanted.name, notice.event, found)
    counts = ((removed, "removed"), (added, "added"))
    effects = [f"{count} cone{'s' if count > 1 else ''} {what}" for count, what in counts if count]
    said = [*effects, *([found.remark] if found.remark else [])]
    return AppliedNotice(
        True, f"{wanted.name}: {notice.name} {notice.kind}: {'; '.join(said) or 'no change'}", added, removed
    )


def moving_watchlist(connection: Connection, wanted: MovingListSettings) -> int:
    """Id of the watchlist of a stream of notices; it is created if it is missing."""
    find = "SELECT wl_id FROM watchlists WHERE owner = %s AND lower(name) = lower(%s)"
    found = connection.execute(find, (PLATFORM_OWNER, wanted.name)).fetchone()
    if found is None:
        # Two processes may want it at once.
        in_turn(connection, f"broker_assets.sky moving list {wanted.name}")
        found = connection.execute(find, (PLATFORM_OWNER, wanted.name)).fetchone()
    if found is not None:
        return int(found[0])
    nothing = Cones(np.empty(0), np.empty(0), np.empty(0), pa.array([], pa.string()), np.empty(0, np.int64), ())
    description = "Events of notices with an error circle: " + ", ".join(wanted.topics)
    return create_watchlist(
        connection, PLATFORM_OWNER, wanted.name, nothing, radius=LARGEST_RADIUS, description=description, public=True
    )


def expire_event_cones(connection: Connection, now: datetime.datetime | None = None) -> int:
    """End the cones whose time window has passed; return how many. Like expired lists, they are matched until then."""
    moment = Time(now or datetime.datetime.now(datetime.UTC), scale="utc").tai.mjd
    ended = 0
    with connection.transaction():
        lists = connection.execute(
            "SELECT wl_id FROM watchlists WHERE wl_id IN (SELECT wl_id FROM notice_events WHERE revision_to IS NULL"
            " AND mjd_until <= %s) ORDER BY wl_id FOR UPDATE",
            (moment,),
        ).fetchall()
        for (watchlist,) in lists:
            cones = connection.execute(
                "SELECT cone_id FROM notice_events WHERE wl_id = %s AND revision_to IS NULL AND mjd_until <= %s",
                (watchlist, moment),
            ).fetchall()
            _end(
                connection, watchlist, [row[0] for row in cones], "expired", change(connection, "watchlist", watchlist)
            )
            ended += len(cones)
    return ended


def _store(connection: Connection, notice: EventNotice, stream: str, topic: str, ingestid: int | None) -> bool:
    """Store a notice; return whether it was new."""
    circles = json.dumps([dataclasses.asdict(circle) for circle in notice.circles])
    done = connection.execute(
        "INSERT INTO event_notices (stream, event, digest, topic, kind, name, issued_at, number, trigger_time, circles,"
        " remark, url, ingestid) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (stream, event, digest) DO NOTHING",
        (
            stream, notice.event, notice.digest, topic, notice.kind, notice.name, notice.issued, notice.number,
            notice.trigger, circles, notice.remark, notice.url, ingestid,
        ),
    )  # fmt: skip
    return done.rowcount > 0


def _notices(connection: Connection, stream: str, event: str) -> list[StoredNotice]:
    rows = connection.execute(
        "SELECT noticeid, digest, kind, name, issued_at, number, trigger_time, circles, remark, url FROM event_notices"
        " WHERE stream = %s AND event = %s ORDER BY noticeid",
        (stream, event),
    ).fetchall()
    return [
        StoredNotice(
            noticeid, EventNotice(event, kind, name, issued, number, trigger, circles_of_json(circles), *rest), digest
        )
        for noticeid, digest, kind, name, issued, number, trigger, circles, *rest in rows
    ]


def _settle(connection: Connection, watchlist: int, stream: str, event: str, found: Settled) -> tuple[int, int]:
    """Give an event its cones; return how many were added and removed. A cone that stays keeps its number and hits."""
    rows = connection.execute(
        "SELECT cone_id, name, notice_type, trigger_tai, mjd_since, mjd_until, ra, decl, radius, error_radius,"
        " containment, url FROM notice_events WHERE wl_id = %s AND event = %s AND revision_to IS NULL",
        (watchlist, event),
    ).fetchall()
    present = {tuple(row[1:]): int(row[0]) for row in rows}
    wanted = {tuple(cone.columns.values()): cone for cone in found.cones}
    gone = [cone for content, cone in present.items() if content not in wanted]
    new = [cone for content, cone in wanted.items() if content not in present]
    for content, cone in wanted.items():
        if content in present:  # the newest notice with this content
            connection.execute(
                "UPDATE notice_events SET noticeid = %s WHERE cone_id = %s", (cone.source.noticeid, present[content])
            )
    if gone or new:
        revision = change(connection, "watchlist", watchlist)
        _end(connection, watchlist, gone, found.ended or "replaced", revision)
        for cone in new:  # one, or the few neutrinos near a merger
            _add(connection, watchlist, stream, event, cone, revision)
    return len(new), len(gone)


def _add(connection: Connection, watchlist: int, stream: str, event: str, cone: EventCone, revision: int) -> None:
    values = {
        **cone.columns, "wl_id": watchlist, "stream": stream, "event": event, "noticeid": cone.source.noticeid,
        "revision": revision,
    }  # fmt: skip
    connection.execute(
        "WITH cone AS (INSERT INTO watchlist_cones (wl_id, name, ra, decl, radius, mjd_since, mjd_until, revision_from)"
        " VALUES (%(wl_id)s, %(name)s, %(ra)s, %(decl)s, %(radius)s, %(mjd_since)s, %(mjd_until)s, %(revision)s)"
        " RETURNING cone_id)"
        " INSERT INTO notice_events (cone_id, wl_id, stream, event, name, notice_type, trigger_tai, mjd_since,"
        " mjd_until, ra, decl, radius, error_radius, containment, url, noticeid, revision_from)"
        " SELECT cone_id, %(wl_id)s, %(stream)s, %(event)s, %(name)s, %(notice_type)s, %(trigger_tai)s, %(mjd_since)s,"
        " %(mjd_until)s, %(ra)s, %(decl)s, %(radius)s, %(error_radius)s, %(containment)s, %(url)s, %(noticeid)s,"
        " %(revision)s FROM cone",
        values,
    )


def _end(connection: Connection, watchlist: int, cones: list[int], why: str, revision: int) -> None:
    connection.execute(
        "UPDATE notice_events SET revision_to = %s, ended = %s WHERE cone_id = ANY(%s)", (revision, why, cones)
    )
    remove_cones(connection, watchlist, cones, revision)
