"""What is stored for the meanings of a text: objects, sources, minor planets, product files and nights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from broker_assets.database.border_sql import ask
from broker_assets.database.tables import diasources
from broker_assets.lightcurves.solar_system import UnknownObjectError
from broker_assets.lightcurves.solar_system import find as solar_system_object
from broker_assets.packets.identifiers import is_ztf_object_id, ztf_object_name
from broker_assets.search.reading import Kind, Reading, position
from broker_assets.sky.cone_search import objects_near

MOST: Final = 200
"""Hits of each kind, at most."""
AROUND: Final = 60.0
"""Arcsec: if nothing is within the radius of a search, the nearest object within this distance is given."""
OF_A_NAME: Final = 3.0
"""Arcsec: objects within this distance of an entry of the Transient Name Server count as that entry."""
_FILES: Final = sql.SQL(
    "SELECT name, min(level), min(kind), max(day)::text, count(*) OVER () FROM product_file WHERE {}"
    " GROUP BY name ORDER BY max(day) DESC, name LIMIT %s"
)


@dataclass(frozen=True)
class Hit:
    """Something that is stored."""

    kind: Kind
    name: str
    """Identifier, in the form used in URLs."""
    title: str
    detail: str = ""
    arcsec: float | None = None
    """Distance from the position of the search."""


@dataclass(frozen=True)
class Found:
    """The result of a search."""

    hits: Sequence[Hit]
    total: int
    """Number of hits, including those that are not listed."""
    tried: Sequence[str]
    """Meanings of the text in words."""
    nearest: Hit | None = None
    """The nearest object, if nothing was found at a position."""
    place: Reading | None = None
    """The position of which this is the result, if there is one."""

    def of(self, kind: Kind) -> list[Hit]:
        """The hits of a kind."""
        return [hit for hit in self.hits if hit.kind == kind]


def object_title(diaobjectid: int) -> str:
    """Name of an object: that of ZTF, or its number.

    Examples
    --------
    >>> object_title(3137)
    '3137'
    >>> object_title(4611686163012821968)
    'ZTF18abcdefg'
    """
    return str(ztf_object_name([diaobjectid])[0]) if is_ztf_object_id([diaobjectid])[0] else str(diaobjectid)


def find(connection: psycopg.Connection[Any], readings: Sequence[Reading]) -> Found:
    """Look for every meaning of a text.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    readings : sequence of Reading
        Of `reading.read`.
    """
    hits: dict[tuple[str, str], Hit] = {}
    total, nearest, place = 0, None, None
    readings = [_located(connection, reading) for reading in readings]
    for reading in readings:
        if reading.kind == "source" and ("object", str(reading.number)) in hits:
            continue  # surveys name an object after its first source
        if reading.kind == "TNS name":
            continue  # it is not stored: otherwise it would have become a position
        found, count = _FINDERS[reading.kind](connection, reading)
        new = [hit for hit in found if (hit.kind, hit.name) not in hits]
        total += count - (len(found) - len(new))
        hits |= {(hit.kind, hit.name): hit for hit in new}
        if reading.kind == "position":
            place = reading
            if not found:
                near, _ = _at(connection, reading.ra, reading.dec, max(AROUND, reading.radius))
                nearest = near[0] if near else None
    return Found(list(hits.values()), total, [reading.said for reading in readings], nearest, place)


def _located(connection: psycopg.Connection[Any], reading: Reading) -> Reading:
    """A name of the Transient Name Server as the position that is stored for it; any other reading as it is."""
    if reading.kind != "TNS name":
        return reading
    row = connection.execute(
        "SELECT ra, decl, tns_prefix, tns_name FROM crossmatch_tns WHERE tns_name = %s", (reading.name,)
    ).fetchone()
    if row is None:
        return reading
    return position(" ".join(part for part in row[2:] if part), row[0], row[1], OF_A_NAME)


def _object(connection: psycopg.Connection[Any], reading: Reading) -> tuple[list[Hit], int]:
    row = connection.execute("SELECT ndiasources FROM objects WHERE diaobjectid = %s", (reading.number,)).fetchone()
    return ([_object_hit(reading.number, row[0])], 1) if row is not None else ([], 0)


def _object_hit(diaobjectid: int, detections: int | None, arcsec: float | None = None) -> Hit:
    detail = f"{detections:,} detections" if detections is not None else ""
    return Hit("object", str(diaobjectid), object_title(diaobjectid), detail, arcsec)


def _source(connection: psycopg.Connection[Any], reading: Reading) -> tuple[list[Hit], int]:
    row = ask(
        connection,
        "SELECT diaobjectid FROM diasources WHERE diasourceid = %s AND reduction = 0"
        " ORDER BY midpointmjdtai DESC LIMIT 1",
        {diasources: [[("diasourceid", "=", reading.number)]]},
        (reading.number,),
    ).fetchone()
    if row is None:
        return [], 0
    if row[0]:
        return [Hit("source", str(reading.number), f"source {reading.number}", f"of object {row[0]}")], 1
    return [Hit("source", str(reading.number), f"source {reading.number}", "without an object")], 1


def object_of_source(connection: psycopg.Connection[Any], diasourceid: int) -> int | None:
    """The object of a source; None if it has none."""
    row = ask(
        connection,
        "SELECT diaobjectid FROM diasources WHERE diasourceid = %s AND reduction = 0 AND diaobjectid <> 0 LIMIT 1",
        {diasources: [[("diasourceid", "=", diasourceid)]]},
        (diasourceid,),
    ).fetchone()
    return int(row[0]) if row is not None else None


def _position(connection: psycopg.Connection[Any], reading: Reading) -> tuple[list[Hit], int]:
    return _at(connection, reading.ra, reading.dec, reading.radius)


def _at(connection: psycopg.Connection[Any], ra: float, dec: float, radius: float) -> tuple[list[Hit], int]:
    near = objects_near(connection, ra, dec, radius)
    wanted = near.diaobjectid[:MOST].tolist()
    counts = dict(
        connection.execute(
            "SELECT diaobjectid, ndiasources FROM objects WHERE diaobjectid = ANY(%s::bigint[])", (wanted,)
        ).fetchall()
    )
    pairs = zip(wanted, near.arcsec[:MOST].tolist(), strict=True)
    return [_object_hit(number, counts.get(number), arcsec) for number, arcsec in pairs], len(near)


def _solar_system(connection: psycopg.Connection[Any], reading: Reading) -> tuple[list[Hit], int]:
    try:
        found = solar_system_object(connection, reading.name)
    except UnknownObjectError:
        return [], 0
    names = list(found.designations)
    name = reading.name if reading.name in names or not names else names[0]
    return [Hit("solar system", name, name, ", ".join(other for other in names if other != name))], 1


def _file(connection: psycopg.Connection[Any], reading: Reading) -> tuple[list[Hit], int]:
    """Product files with a name; if none has exactly this name, or with `*`, all names are searched in any case."""
    pattern = reading.name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")
    rows = connection.execute(_FILES.format(sql.SQL("name = %s")), (reading.name, MOST)).fetchall()
    rows = rows or connection.execute(_FILES.format(sql.SQL("name ILIKE %s")), (pattern, MOST)).fetchall()
    hits = [Hit("file", row[0], row[0], ", ".join(part for part in row[1:4] if part)) for row in rows]
    return hits, rows[0][4] if rows else 0


def _night(connection: psycopg.Connection[Any], reading: Reading) -> tuple[list[Hit], int]:
    row = connection.execute(
        "SELECT sum(entry.stored) FROM ingest_batch_night AS entry JOIN ingest_batch USING (ingestid)"
        " WHERE night = %s AND kind <> 'reprocess'",
        (reading.name,),
    ).fetchone()
    if row is None or row[0] is None:
        return [], 0
    return [Hit("night", reading.name, reading.name, f"{row[0]:,} alerts")], 1


_FINDERS: Final = {
    "object": _object,
    "source": _source,
    "position": _position,
    "solar system": _solar_system,
    "file": _file,
    "night": _night,
}
