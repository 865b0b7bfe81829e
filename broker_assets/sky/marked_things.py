"""Maps of what is stored: an object with its context and neighbours, a cone, an area with its hits, a sky map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import psycopg

from broker_assets.sky.cone_search import objects_near
from broker_assets.sky.hit_tables import area_hits, ranking
from broker_assets.sky.map_overview import map_content
from broker_assets.sky.marked_field import Circle, MarkedField, Point, field_of, region_of
from broker_assets.sky.overview import area_moc

AROUND: Final = 60.0
"""Arcsec around an object within which others are marked."""
SMALLEST: Final = 30.0
"""Arcsec: the least width of the map of an object."""
MOST: Final = 300
"""Objects that are marked."""
LEVELS: Final = (90, 50, 10)
"""Credible regions of a sky map, per cent; the largest first."""


class NoPosition(LookupError):
    """An object is unknown, or has no position; the message says which."""


def object_field(connection: psycopg.Connection[Any], diaobjectid: int) -> MarkedField:
    """An object, the catalogue source that it is near to with their separation, and other objects within `AROUND`.

    Raises
    ------
    NoPosition
        If there is no object with this number, or it has no position.
    """
    row = connection.execute("SELECT ra, decl FROM objects WHERE diaobjectid = %s", (diaobjectid,)).fetchone()
    if row is None or row[0] is None or row[1] is None:
        raise NoPosition(f"object {diaobjectid} has no position here")
    ra, dec = float(row[0]) % 360.0, float(row[1])
    points = [Point(ra, dec, str(diaobjectid), "centre", f"/objects/{diaobjectid}/")]
    circles = []
    context = connection.execute(
        "SELECT raDeg, decDeg, separationArcsec, classification, catalogue_object_id FROM sherlock_classifications"
        " WHERE diaobjectid = %s AND raDeg IS NOT NULL AND decDeg IS NOT NULL",
        (diaobjectid,),
    ).fetchone()
    apart = float(context[2]) if context is not None and context[2] is not None else 0.0
    if context is not None:
        detail = f"{context[3]}, {apart:.2f}″"
        points.append(Point(float(context[0]), float(context[1]), str(context[4] or context[3]), "context", "", detail))
        if apart:
            circles.append(Circle(ra, dec, apart, f"separation of the context, {apart:.2f}″"))
    points += _near(connection, ra, dec, AROUND, without=diaobjectid)
    return MarkedField(ra, dec, max(SMALLEST, 3.2 * apart) / 3600, tuple(points), tuple(circles))


def cone_field(connection: psycopg.Connection[Any], ra: float, dec: float, arcsec: float) -> MarkedField:
    """A cone and the objects in it.

    Raises
    ------
    BadCone
        As of `cone_search.objects_near`.
    """
    points = (Point(ra, dec, "searched position", "centre"), *_near(connection, ra, dec, arcsec))
    circle = Circle(ra, dec, arcsec, f"radius {arcsec:g}″")
    return MarkedField(ra, dec, max(2.6 * arcsec, SMALLEST) / 3600, points, (circle,))


def area_field(connection: psycopg.Connection[Any], number: int, name: str) -> MarkedField:
    """An area and the objects in it, the one that was seen last first.

    Raises
    ------
    UnknownList
        If there is no such area.
    """
    moc = area_moc(connection, number)
    points = _points(area_hits(connection, number, limit=MOST))
    return MarkedField(*field_of(moc), points, (), (region_of(moc, name),))


def map_field(connection: psycopg.Connection[Any], number: int) -> MarkedField:
    """The credible regions of a sky map and the objects inside, the best candidate first.

    Raises
    ------
    UnknownMap
        If there is no such map.
    """
    content = map_content(connection, number)
    contours = {level: content.contour_moc(level) for level in LEVELS}
    points = _points(ranking(connection, number, limit=MOST))
    regions = tuple(region_of(moc, f"{level} %") for level, moc in contours.items())
    return MarkedField(*field_of(contours[LEVELS[0]]), points, (), regions)


def _near(
    connection: psycopg.Connection[Any], ra: float, dec: float, arcsec: float, *, without: int = 0
) -> tuple[Point, ...]:
    near = objects_near(connection, ra, dec, arcsec)
    distances = dict(zip(near.diaobjectid.tolist()[: MOST + 1], near.arcsec.tolist(), strict=False))
    distances.pop(without, None)
    rows = connection.execute(
        "SELECT diaobjectid, ra, decl FROM objects WHERE diaobjectid = ANY(%s)", (list(distances),)
    ).fetchall()
    found = {row[0]: row for row in rows}
    return tuple(
        Point(found[number][1], found[number][2], str(number), "object", f"/objects/{number}/", f"{away:.2f}″")
        for number, away in distances.items()
        if number in found
    )


def _points(rows: Sequence[dict[str, Any]]) -> tuple[Point, ...]:
    return tuple(
        Point(
            row["ra"], row["decl"], str(row["diaobjectid"]), "object", f"/objects/{row['diaobjectid']}/",
            row.get("classification") or "",
        )
        for row in rows
        if row["ra"] is not None and row["decl"] is not None
    )  # fmt: skip
