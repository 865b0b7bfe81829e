"""Wanted spectra that no facility has planned or taken."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from broker_assets.database.border import Conditions
from broker_assets.database.border_sql import ask
from broker_assets.database.tables import diaforcedsources, diasources
from broker_assets.database.tables.tom import POINT_VIEWS

DAYS: Final = 14.0
"""Default number of days within which a spectrum was requested and its object detected."""
CLAIM_DAYS: Final = 7.0
"""Default number of days within which a plan or a spectrum counts."""
SIGNIFICANT: Final = 3.0
"""Signal-to-noise ratio above which a forced measurement has a magnitude."""
BANDS: Final = ("u", "g", "r", "i", "z", "y")
"""Bands, of which ELAsTiCC writes the last as Y."""
ZERO_POINT: Final = 31.4
"""AB zero point of fluxes in nJy."""

# For several requesters of an object, the one with the highest priority, and the earliest of equal ones.
_WANTED: Final = sql.SQL(
    "WITH asked AS (SELECT DISTINCT ON (diaobject_id) diaobject_id, requester, priority FROM elasticc2_wantedspectra"
    " WHERE wanttime >= %(since)s ORDER BY diaobject_id, priority DESC, wanttime, wantspec_id)"
    " SELECT asked.diaobject_id, object.ra, object.decl, asked.requester, asked.priority, newest.filtername,"
    " newest.midpointtai, %(zero)s - 2.5 * log(newest.psflux::double precision)"
    " FROM asked JOIN elasticc2_diaobject AS object USING (diaobject_id) CROSS JOIN LATERAL ("
    "SELECT DISTINCT ON (filtername) filtername, midpointtai, psflux FROM elasticc2_diaforcedsource AS point"
    " WHERE point.diaobject_id = asked.diaobject_id AND psflux > 0 AND psflux > %(significant)s * psfluxerr"
    " ORDER BY filtername, midpointtai DESC, diaforcedsource_id DESC) AS newest WHERE {conditions}"
    " ORDER BY asked.priority DESC, asked.diaobject_id, newest.filtername"
)
_DETECTED: Final = (
    "EXISTS (SELECT FROM elasticc2_diasource AS source WHERE source.diaobject_id = asked.diaobject_id"
    " AND source.midpointtai > %(detected)s)"
)
_UNCLAIMED: Final = (
    "NOT EXISTS (SELECT FROM elasticc2_plannedspectra AS plan WHERE plan.diaobject_id = asked.diaobject_id"
    " AND plan.created_at > %(claimed)s)"
)
_NOT_TAKEN: Final = (
    "NOT EXISTS (SELECT FROM elasticc2_spectruminfo AS taken WHERE taken.diaobject_id = asked.diaobject_id"
    " AND taken.mjd >= %(taken)s)"
)


@dataclass(frozen=True)
class Choice:
    """Which wanted spectra are listed; None: no condition."""

    since: datetime.datetime | None
    """Requested then or later."""
    claimed: datetime.datetime | None
    """No facility has made a plan after it."""
    taken: float | None
    """No spectrum was taken then or later, MJD TAI."""
    detected: float | None
    """Detected after this time, MJD TAI."""
    magnitude: float | None = None
    """Newest magnitude this bright or brighter."""
    band: str | None = None
    """Band of that magnitude, whatever its case; None: any band."""


@dataclass(frozen=True)
class Newest:
    """Newest significant measurement in a band."""

    mjd: float
    """MJD TAI."""
    magnitude: float
    """AB magnitude."""


@dataclass(frozen=True)
class Wanted:
    """An object of which a spectrum is wanted."""

    number: int
    ra: float
    """Degrees, ICRS."""
    dec: float
    requester: str
    priority: int
    latest: dict[str, Newest]
    """Newest measurements by band."""


def wanted_spectra(
    connection: psycopg.Connection[Any], choice: Choice, *, zero_point: float = ZERO_POINT
) -> list[Wanted]:
    """List objects of which spectra are wanted, the highest priority first.

    An object without any forced measurement above `SIGNIFICANT` is not listed: it would be too faint.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    choice : Choice
        Conditions.
    zero_point : float
        Zero point of magnitudes; fluxes are nJy.

    Returns
    -------
    list of Wanted
        Each object once, with the requester who gave it the highest priority.
    """
    conditions = {
        _DETECTED: choice.detected is not None,
        _UNCLAIMED: choice.claimed is not None,
        _NOT_TAKEN: choice.taken is not None,
    }
    clauses = [sql.SQL(text) for text, applies in conditions.items() if applies]  # type: ignore[arg-type]
    query = _WANTED.format(conditions=sql.SQL(" AND ").join(clauses) if clauses else sql.SQL("true"))
    since = choice.since or datetime.datetime.min.replace(tzinfo=datetime.UTC)
    asked = connection.execute(
        "SELECT DISTINCT diaobject_id FROM elasticc2_wantedspectra WHERE wanttime >= %s ORDER BY 1", (since,)
    ).fetchall()
    of_objects: Conditions = [[("diaobjectid", "in", [number for (number,) in asked])]]
    rows = ask(
        connection,
        query,
        {diasources: of_objects, diaforcedsources: of_objects},
        {
            "since": since, "zero": zero_point,
            "significant": SIGNIFICANT, "detected": choice.detected, "claimed": choice.claimed, "taken": choice.taken,
        },
        views=POINT_VIEWS,
    ).fetchall()  # fmt: skip
    found: dict[int, Wanted] = {}
    for number, ra, dec, requester, priority, band, mjd, magnitude in rows:
        one = found.setdefault(number, Wanted(number, ra, dec, requester, priority, {}))
        one.latest[band] = Newest(mjd, magnitude)
    return [one for one in found.values() if _bright(one, choice)]


def _bright(one: Wanted, choice: Choice) -> bool:
    limit = choice.magnitude
    if limit is None:
        return True
    return any(
        newest.magnitude <= limit
        for band, newest in one.latest.items()
        if choice.band is None or band.lower() == choice.band.lower()
    )
