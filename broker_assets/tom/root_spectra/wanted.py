"""Wanted spectra of root objects or hosts that no facility has planned or taken, by processing version."""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from broker_assets.tom.light_curves import DETECTIONS, FORCED
from broker_assets.tom.versions.curves import RootCurves, find_roots, root_curves
from broker_assets.tom.versions.definitions import Version

ZERO_POINT: Final = 31.4
"""AB zero point of fluxes in nJy."""
NOT_SEEN: Final = 99.0
"""Magnitude of a flux that is not positive."""

_WANTED: Final = (
    "SELECT want.root_diaobject_id, want.requester, want.priority, coalesce(want.is_host, false),"
    " coalesce(want.ra, root.ra), coalesce(want.dec, root.dec) FROM wantedspectra AS want JOIN root_diaobject AS root"
    " ON root.id = want.root_diaobject_id WHERE want.wanttime <= %(now)s"
    " AND (%(since)s::timestamptz IS NULL OR want.wanttime >= %(since)s)"
    " AND (%(requester)s::text IS NULL OR want.requester = %(requester)s)"
    " AND (%(is_host)s::bool IS NULL OR coalesce(want.is_host, false) = %(is_host)s)"
    " AND (%(claimed)s::timestamptz IS NULL OR NOT EXISTS (SELECT FROM plannedspectra AS plan"
    " WHERE plan.root_diaobject_id = want.root_diaobject_id AND coalesce(plan.is_host, false) ="
    " coalesce(want.is_host, false) AND coalesce(plan.plantime, plan.created_at) > %(claimed)s))"
    " AND (%(taken)s::float8 IS NULL OR NOT EXISTS (SELECT FROM spectruminfo AS taken"
    " WHERE taken.root_diaobject_id = want.root_diaobject_id AND coalesce(taken.is_host, false) ="
    " coalesce(want.is_host, false) AND taken.mjd >= %(taken)s AND taken.mjd <= %(now_mjd)s))"
    " ORDER BY want.priority DESC, want.root_diaobject_id, want.requester, 4"
)


@dataclass(frozen=True)
class RootChoice:
    """Which wanted spectra are listed; None: no condition."""

    now: datetime.datetime
    """Only requests up to this time."""
    now_mjd: float
    """The same, MJD TAI."""
    until: float | None = None
    """Points up to this time, MJD TAI."""
    since: datetime.datetime | None = None
    """Requested then or later."""
    requester: str | None = None
    claimed: datetime.datetime | None = None
    """No plan to take it later than this."""
    taken: float | None = None
    """No spectrum taken then or later, MJD TAI."""
    detected: float | None = None
    """Detected then or later, MJD TAI."""
    magnitude: float | None = None
    """Newest magnitude this bright or brighter."""
    band: str | None = None
    """Band of that magnitude; None: any band."""
    is_host: bool | None = None


@dataclass(frozen=True)
class Newest:
    """Newest measurement of some kind."""

    mjd: float
    band: str
    magnitude: float
    object: int
    """Object that was measured."""


@dataclass(frozen=True)
class RootWanted:
    """A spectrum that is wanted."""

    root: uuid.UUID
    requester: str
    priority: int
    is_host: bool
    ra: float
    """Degrees, ICRS, as in the request."""
    dec: float
    detection: Newest
    forced: Newest | None


def wanted_root_spectra(connection: psycopg.Connection[Any], version: Version, choice: RootChoice) -> list[RootWanted]:
    """List wanted spectra, one entry for each root object, requester and kind, the highest priority first.

    Root objects without a detection in the version are left out.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    version : Version
        Version whose points are used.
    choice : RootChoice
        Conditions.
    """
    rows = connection.execute(_WANTED, {**vars(choice)}).fetchall()
    if not rows:
        return []
    roots = find_roots(connection, list({row[0] for row in rows}))
    detected, forced = (
        root_curves(connection, version, roots, which=which, until=choice.until) for which in (DETECTIONS, FORCED)
    )
    newest = {kind: _newest(curves, None) for kind, curves in ((DETECTIONS, detected), (FORCED, forced))}
    limiting = newest if choice.band is None else {
        kind: _newest(curves, "Y" if choice.band.lower() == "y" else choice.band.lower())
        for kind, curves in ((DETECTIONS, detected), (FORCED, forced))
    }  # fmt: skip
    found = []
    for root, requester, priority, is_host, ra, dec in rows:
        detection = newest[DETECTIONS].get(root)
        if detection is None or (choice.detected is not None and detection.mjd < choice.detected):
            continue
        if choice.magnitude is not None:
            known = [limiting[kind][root] for kind in (FORCED, DETECTIONS) if root in limiting[kind]]
            # Of two points at the same time the detection counts, as in the original.
            if not known or max(known, key=lambda one: (one.mjd, one is known[-1])).magnitude > choice.magnitude:
                continue
        found.append(RootWanted(root, requester, priority, is_host, ra, dec, detection, newest[FORCED].get(root)))
    return found


def _newest(curves: RootCurves, band: str | None) -> dict[uuid.UUID, Newest]:
    """The newest point of each root object, in all bands or in one."""
    found: dict[uuid.UUID, Newest] = {}
    columns = curves.columns
    rows = np.arange(len(columns["mjd"]))
    wanted = rows if band is None else np.flatnonzero(columns["band"] == band)
    ends: NDArray[np.int64] = np.searchsorted(wanted, curves.begins[1:]) - 1
    owners = columns["source_diaobjectid" if "forced_diaobjectid" not in columns else "forced_diaobjectid"]
    for identifier, begin, end in zip(curves.identifiers, curves.begins[:-1].tolist(), ends.tolist(), strict=True):
        if end < 0 or wanted[end] < begin:
            continue
        row = int(wanted[end])
        flux = float(columns["flux"][row])
        magnitude = ZERO_POINT - 2.5 * float(np.log10(flux)) if flux > 0 else NOT_SEEN
        found[identifier] = Newest(float(columns["mjd"][row]), str(columns["band"][row]), magnitude, int(owners[row]))
    return found
