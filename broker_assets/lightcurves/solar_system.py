"""Known solar-system objects: found by any of their designations, and their tracks over the sky.

Detections with their geometry, objects and orbits are the tables `sssources`, `ssobjects` and `mpc_orbits`. A track is
made of the detections of an object in all surveys.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from psycopg import sql
from psycopg.rows import dict_row

from broker_assets.database import border
from broker_assets.database.arrow import arrow_type
from broker_assets.database.border_sql import MOST_BEYOND, across
from broker_assets.database.fetch import fetch
from broker_assets.database.tables import diasources, mpc_orbits, ssobjects, sssources
from broker_assets.lightcurves.photometry import ERROR_FACTOR, magnitude
from broker_assets.packets.designations import Designation, NotADesignation, designation, of_identifier

WITHIN: Final = 5.0
"""Default for the distance from the predicted position, arcseconds, within which a detection counts as the object.
Rubin reports identifications, which are closer; ZTF reports the nearest known object within 30″."""

_OF_SOURCES: Final = ("midpointmjdtai", "band", "ra", "decl", "psfflux", "psffluxerr")
_OF_GEOMETRY: Final = (
    "ssobjectid", "diasourceid", "survey", "night", "toporange", "heliorange", "phaseangle", "elongation", "ephra",
    "ephdec", "ephvmag", "ephrate", "ephoffset",
)  # fmt: skip
TRACK: Final = pa.schema(
    [
        pa.field("midpointmjdtai", pa.float64()),
        pa.field("diasourceid", pa.int64()),
        pa.field("survey", pa.int16()),
        pa.field("night", pa.date32()),
        pa.field("band", pa.string()),
        pa.field("ra", pa.float64()),
        pa.field("decl", pa.float64()),
        pa.field("mag", pa.float64()),
        pa.field("magerr", pa.float64()),
        pa.field("reducedmag", pa.float64()),
        *(pa.field(name, arrow_type(sssources.c[name].type)) for name in _OF_GEOMETRY[4:]),
    ]
)
"""Columns of a track: time (MJD TAI), source, survey, night, band, position (degrees, ICRS), AB magnitude with its
error, the same reduced to 1 au from Sun and observer, then those of `sssources`."""


@dataclass(frozen=True)
class KnownObject:
    """What is stored about an object."""

    identifiers: tuple[int, ...]
    """`ssObjectId` of its detections, ascending; several if surveys name it differently."""
    designations: tuple[str, ...]
    """All designations and names, as they are stored."""
    orbits: tuple[dict[str, Any], ...]
    """Rows of `mpc_orbits`, without the solution as JSON."""
    objects: tuple[dict[str, Any], ...]
    """Rows of `ssobjects`."""


class UnknownObjectError(LookupError):
    """Nothing is stored under a designation; the message says which."""


def find(connection: psycopg.Connection[Any], text: str) -> KnownObject:
    """Find an object.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    text : str
        Designation, packed or unpacked, number, name as the Minor Planet Center has it, or `ssObjectId`.

    Raises
    ------
    UnknownObjectError
        If nothing is stored about it.

    Notes
    -----
    Orbits connect designations: where one is known, its number and its name find what is stored under its provisional
    designation, and the other way round.
    """
    given = text.strip()
    names, identifiers = {given, given.capitalize()}, set[int]()
    parsed = _parsed(given)
    if parsed is not None:
        names |= {parsed.unpacked, parsed.packed}
        identifiers.add(parsed.identifier)
    if given.removeprefix("-").isdecimal() and given.isascii() and -(2**63) <= int(given) < 2**63:
        identifiers.add(int(given))
        names |= _names_of(int(given))
    orbits = _rows(
        connection,
        sql.SQL("SELECT {} FROM mpc_orbits WHERE designation = ANY(%(names)s) OR permid = ANY(%(names)s)"
                " OR iau_name = ANY(%(names)s) OR ssobjectid = ANY(%(identifiers)s) ORDER BY designation").format(
            sql.SQL(", ").join(sql.Identifier(name) for name in mpc_orbits.c.keys() if name != "mpc_orb_jsonb")  # noqa: SIM118
        ),
        names, identifiers,
    )  # fmt: skip
    for orbit in orbits:
        names |= {orbit[name] for name in _NAMES if orbit[name]}
        identifiers |= {orbit["ssobjectid"]} - {None}
    identifiers |= {item.identifier for item in map(_parsed, names) if item is not None}
    objects = _rows(
        connection,
        sql.SQL("SELECT {} FROM ssobjects WHERE ssobjectid = ANY(%(identifiers)s) OR designation = ANY(%(names)s)"
                " ORDER BY ssobjectid").format(sql.SQL(", ").join(map(sql.Identifier, ssobjects.c.keys()))),
        names, identifiers,
    )  # fmt: skip
    identifiers |= {row["ssobjectid"] for row in objects}
    detected = _rows(
        connection,
        sql.SQL("SELECT DISTINCT ssobjectid, designation FROM sssources WHERE ssobjectid = ANY(%(identifiers)s)"
                " OR designation = ANY(%(names)s)"),
        names, identifiers,
    )  # fmt: skip
    if not (orbits or objects or detected):
        raise UnknownObjectError(f"no solar-system object {given} is stored: no orbit, no object, no detection")
    stored = {row["ssobjectid"] for row in (*detected, *objects)} | {
        orbit["ssobjectid"] for orbit in orbits if orbit["ssobjectid"] is not None
    }
    said = {row["designation"] for row in (*detected, *objects) if row["designation"]}
    said |= {orbit[name] for orbit in orbits for name in _NAMES if orbit[name]}
    return KnownObject(tuple(sorted(stored)), tuple(sorted(said)), tuple(orbits), tuple(objects))


@dataclass(frozen=True)
class Detected:
    """An object as it was detected in a night."""

    designation: str
    """Or its `ssObjectId` if it has none."""
    detections: int
    ephvmag: float | None
    """Predicted V magnitude, of its brightest detection."""
    ephrate: float | None
    """Predicted rate on the sky, deg/d, of its fastest detection."""
    elongation: float | None
    """Solar elongation, degrees."""


def newest_night(
    connection: psycopg.Connection[Any], *, most: int = 50, within: float = WITHIN
) -> tuple[datetime.date | None, list[Detected], int]:
    """Objects of the newest night with detections of known objects, those with the most detections first.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    most : int
        Objects at most.
    within : float
        See `track`.

    Returns
    -------
    night : date or None
        None if there are no detections.
    objects : list of Detected
    total : int
        Objects of that night, also those that are not in the list.
    """
    night = connection.execute("SELECT max(night) FROM sssources").fetchone()
    if night is None or night[0] is None:
        return None, [], 0
    rows = connection.execute(
        "SELECT coalesce(max(designation), ssobjectid::text), count(*), min(ephvmag), max(ephrate), max(elongation),"
        " count(*) OVER () FROM sssources WHERE night = %s AND (ephoffset IS NULL OR ephoffset <= %s)"
        " GROUP BY ssobjectid ORDER BY 2 DESC, 3 NULLS LAST, 1 LIMIT %s",
        (night[0], within, most),
    ).fetchall()
    return night[0], [Detected(*row[:5]) for row in rows], rows[0][5] if rows else 0


def title(found: KnownObject) -> str:
    """What an object is called: number and name, else its designation.

    Examples
    --------
    >>> title(KnownObject((7,), ("2004 JQ12", "K04J12Q"), (), ()))
    '2004 JQ12'
    >>> title(KnownObject((), (), ({"permid": "433", "iau_name": "Eros", "designation": "1898 DQ"},), ()))
    '(433) Eros'
    """
    for orbit in found.orbits:
        number, name = orbit["permid"], orbit["iau_name"]
        if number and number.isdecimal():
            return f"({number}) {name or orbit['designation']}"
        return str(name or orbit["designation"])
    for row in found.objects:
        if row["designation"]:
            return str(row["designation"])
    return found.designations[0] if found.designations else str(found.identifiers[0])


_NAMES: Final = (
    "designation", "packed_primary_provisional_designation", "unpacked_primary_provisional_designation", "permid",
    "iau_name",
)  # fmt: skip
"""Columns of `mpc_orbits` that name the object."""


def track(connection: psycopg.Connection[Any], identifiers: Iterable[int], *, within: float = WITHIN) -> pa.Table:
    """Detections of an object in order of time.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    identifiers : iterable of int
        See `KnownObject.identifiers`.
    within : float
        Arcseconds from the predicted position within which a detection counts; detections without one count, too.

    Returns
    -------
    pyarrow.Table
        `TRACK`; magnitudes are null where the flux is not positive, reduced ones also where a distance is not known.

    Notes
    -----
    m_red = m − 5·log₁₀(r·Δ), r and Δ the distances from Sun and observer in au (Bowell et al. 1989, Asteroids II, 524).
    """
    names = [*(f"source.{name}" for name in _OF_SOURCES), *(f"this.{name}" for name in _OF_GEOMETRY)]
    query = sql.SQL(
        "SELECT {} FROM sssources AS this JOIN LATERAL (SELECT {} FROM diasources WHERE diasourceid = this.diasourceid"
        " AND survey = this.survey"
        " ORDER BY archivefileid IS NULL, midpointmjdtai DESC LIMIT 1) AS source ON true"
        " WHERE this.ssobjectid = ANY({}::bigint[]) AND (this.ephoffset IS NULL OR this.ephoffset <= {}::float8)"
        " ORDER BY source.midpointmjdtai, this.diasourceid"
    ).format(
        sql.SQL(", ").join(sql.SQL(name) for name in names),  # type: ignore[arg-type]
        sql.SQL(", ").join(map(sql.Identifier, _OF_SOURCES)),
        sql.Literal(sorted(identifiers)),
        sql.Literal(within),
    )
    schema = pa.schema(
        [
            *((name, arrow_type(diasources.c[name].type)) for name in _OF_SOURCES),
            *((name, arrow_type(sssources.c[name].type)) for name in _OF_GEOMETRY),
        ]
    )
    numbers = connection.execute(
        "SELECT diasourceid FROM sssources WHERE ssobjectid = ANY(%s::bigint[])", (sorted(identifiers),)
    ).fetchall()
    wanted: border.Conditions = [[("diasourceid", "in", sorted(number for (number,) in numbers))]]
    whole = across(connection, query, {diasources: wanted}, most=MOST_BEYOND)
    rows = fetch(connection, whole, schema)  # type: ignore[arg-type]
    flux, error = _floats(rows["psfflux"]), _floats(rows["psffluxerr"])
    mag = magnitude(flux)
    with np.errstate(divide="ignore", invalid="ignore"):
        reduced = mag - 5.0 * np.log10(_floats(rows["heliorange"]) * _floats(rows["toporange"]))
        of_flux = ERROR_FACTOR * error / flux
    computed = {"mag": mag, "magerr": np.where(np.isfinite(mag), of_flux, np.nan), "reducedmag": reduced}
    columns = [
        pa.array(computed[item.name], mask=~np.isfinite(computed[item.name]))
        if item.name in computed
        else rows[item.name]
        for item in TRACK
    ]
    return pa.Table.from_arrays(columns, schema=TRACK)


def _parsed(text: str) -> Designation | None:
    try:
        return designation(text)
    except NotADesignation:
        return None


def _names_of(identifier: int) -> set[str]:
    """Forms of the designation that an `ssObjectId` is made from; none if it is made otherwise."""
    try:
        found = of_identifier(identifier)
    except NotADesignation:
        return set()
    return {found.unpacked, found.packed}


def _rows(
    connection: psycopg.Connection[Any], query: sql.Composed | sql.SQL, names: set[str], identifiers: set[int]
) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(query, {"names": sorted(names), "identifiers": sorted(identifiers)})
        return cursor.fetchall()


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(), np.float64)
