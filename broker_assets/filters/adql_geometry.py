"""Geometry of ADQL (IVOA ADQL 2.1, section 4.2) as arithmetic of PostgreSQL: what can be translated exactly.

Points, circles, boxes, and polygons with fixed vertices, in ICRS. A condition on positions of `objects` also names the
HEALPix cells in which it can be true, so that the index is used: for a fixed circle in the statement, for circles
around the rows of an uploaded table as bound cells. What ADQL 2.1 deprecates works (BOX, COORDSYS, names of coordinate
systems), except REGION, which is refused with advice on what to write instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import sqlglot
from numpy.typing import NDArray
from sqlglot import exp

from broker_assets.filters import adql_polygons
from broker_assets.filters.adql_polygons import AdqlError
from broker_assets.sky.cone_search import cone_ranges

GEOMETRY: Final = frozenset(
    {"POINT", "CIRCLE", "BOX", "POLYGON", "CONTAINS", "INTERSECTS", "DISTANCE", "COORD1", "COORD2", "COORDSYS", "AREA",
     "CENTROID"}
)  # fmt: skip
"""Functions that are translated."""
UNKNOWN_GEOMETRY: Final = frozenset({"REGION"})
"""Functions that are refused with a special reason."""
_MOST_RANGES: Final = 200
_LARGEST_NEAR: Final = 5.0
"""Radius up to which the cells around uploaded positions are looked up, degrees."""


@dataclass(frozen=True)
class Near:
    """Circles of one radius around the rows of an uploaded table, whose cells the statement asks for."""

    table: str
    ra: str
    dec: str
    """Columns of the uploaded table with the position, degrees."""
    radius: float
    """Degrees."""
    token: str
    """Placeholder, in quotes, for the query `pairs` in the statement."""

    def pairs(self, parameter: str) -> str:
        """The query for pairs of a position and an object in the cells around it; its parameters end in 0 to 3."""
        one, two, three, four = (f"%({parameter}_{place})s" for place in range(4))
        return (
            f"SELECT around.ra, around.decl, near.diaobjectid FROM unnest(CAST({one} AS double precision[]),"  # noqa: S608
            f" CAST({two} AS double precision[]), CAST({three} AS bigint[]), CAST({four} AS bigint[]))"
            " AS around (ra, decl, low, high) JOIN objects AS near ON near.healpix >= low AND near.healpix < high"
        )


@dataclass(frozen=True)
class Shape:
    """A point or a region as a column of a VOTable (DALI 1.1, section 3.3)."""

    xtype: str
    numbers: int | None
    """Number of values; None if it depends on the row."""

    @property
    def about(self) -> dict[str, str]:
        """Attributes of its FIELD."""
        return {
            "datatype": "double", "arraysize": "*" if self.numbers is None else str(self.numbers),
            "xtype": self.xtype, "unit": "deg",
        }  # fmt: skip


Cells = Callable[[str, str, str, float], str | None]
"""Registers circles around uploaded positions (table, columns and radius); returns a token, or None."""


def with_geometry(root: exp.Expression, uploads: Mapping[str, Any], cells: Cells) -> exp.Expression:
    """A query with its geometry written out.

    Parameters
    ----------
    root : Expression
        The query.
    uploads : mapping
        Uploaded tables, by name.
    cells : callable
        See `Cells`.

    Raises
    ------
    AdqlError
        If a region cannot be translated.
    """

    def change(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.EQ):
            for one, other in ((node.left, node.right), (node.right, node.left)):
                if _name(one) in ("CONTAINS", "INTERSECTS") and isinstance(other, exp.Literal):
                    inside = _holds(one, uploads, cells)
                    if other.this == "1":
                        return exp.paren(inside)
                    if other.this == "0":
                        return exp.not_(exp.paren(inside))
        return node

    # From the outside in, so that a comparison is visited before its operands.
    root = root.transform(change)

    def rest(node: exp.Expression) -> exp.Expression:
        name = _name(node)
        if name in ("CONTAINS", "INTERSECTS"):
            holds = _holds(node, uploads, cells)
            return exp.Case(ifs=[exp.If(this=holds, true=exp.Literal.number(1))], default=exp.Literal.number(0))
        if name == "DISTANCE":
            arguments = node.expressions
            if len(arguments) == 4:
                first, second = (arguments[0], arguments[1]), (arguments[2], arguments[3])
            elif len(arguments) == 2:
                first, second = _point(arguments[0]), _point(arguments[1])
            else:
                raise AdqlError("DISTANCE takes two points: DISTANCE(POINT(ra, decl), POINT(150.1, 2.2))")
            return _distance(*first, *second)
        if name in ("COORD1", "COORD2"):
            coordinate: exp.Expression = _point(_only(node))[int(name[-1]) - 1].copy()
            return coordinate
        if name == "COORDSYS":
            return exp.Literal.string("ICRS")
        if name == "AREA":
            size: exp.Expression = _area(_only(node))
            return size
        return node

    return root.transform(rest)


def shown(root: exp.Expression) -> dict[str, Shape]:
    """Write selected points and regions as in DALI: numbers in degrees, separated by spaces.

    Parameters
    ----------
    root : Expression
        The query; only columns of its first SELECT can be points or regions.

    Returns
    -------
    dict
        Columns that are points or regions.
    """
    found: dict[str, Shape] = {}
    for node in list(root.expressions) if isinstance(root, exp.Select) else []:
        inner = node.this if isinstance(node, exp.Alias) else node
        kind = _name(inner)
        if kind == "CIRCLE":
            values, shape = list(_circle(inner)), Shape("circle", 3)
        elif kind == "POLYGON":
            values, shape = _vertices(inner), Shape("polygon", None)
            if len(values) < 6 or len(values) % 2:
                _corners(inner)  # raises if something is wrong
        elif kind == "BOX":
            ra, dec = adql_polygons.degrees(_corners(inner))
            pairs = zip(ra.tolist(), dec.tolist(), strict=True)
            values, shape = [_literal(value) for pair in pairs for value in pair], Shape("polygon", None)
        elif kind in ("POINT", "CENTROID"):
            values, shape = list(_point(inner)), Shape("point", 2)
        else:
            continue
        texts = [f"CAST(CAST(({one.sql(dialect='postgres')}) AS DOUBLE PRECISION) AS TEXT)" for one in values]
        name = node.alias if isinstance(node, exp.Alias) else kind.lower()
        quoted = isinstance(node, exp.Alias) and bool(node.args["alias"].args.get("quoted"))
        alias = exp.to_identifier(name, quoted=quoted)
        node.replace(exp.Alias(this=_read(" || ' ' || ".join(texts)), alias=alias))
        found[name if quoted else name.lower()] = shape
    return found


def near_arrays(
    ra: NDArray[np.float64], dec: NDArray[np.float64], radius: float
) -> tuple[list[float], list[float], list[int], list[int]]:
    """Positions and ranges of the deepest cells that cover circles around them, for all rows at once.

    Parameters
    ----------
    ra, dec : (n,) float64 array
        Degrees; rows without a position are left out.
    radius : float
        Degrees.

    Returns
    -------
    tuple of lists
        Right ascension, declination, first cell, and the one after the last; at most nine ranges per position.
    """
    from broker_assets.sky.cells import DEEPEST, cells_at
    from broker_assets.sky.cones import REACH

    is_position = np.isfinite(ra) & np.isfinite(dec) & (np.abs(dec) <= 90)
    ra, dec = ra[is_position], dec[is_position]
    if not len(ra):
        return [], [], [], []
    import cdshealpix

    order = int(np.clip(np.floor(np.log2(np.degrees(REACH) / max(radius * 1.000001, 1e-7))), 0, DEEPEST))
    own = cells_at(np.mod(ra, 360.0), dec, order)
    around = np.asarray(cdshealpix.neighbours(own.astype(np.uint64), order, num_threads=1)).astype(np.int64)
    rows, places = np.nonzero(around >= 0)
    shift = 2 * (DEEPEST - order)
    low = around[rows, places] << shift
    high = low + (np.int64(1) << shift)
    return ra[rows].tolist(), dec[rows].tolist(), low.tolist(), high.tolist()


def _name(node: Any) -> str:
    return str(node.name).upper() if isinstance(node, exp.Anonymous) else ""


def _only(node: Any) -> Any:
    if len(node.expressions) != 1:
        raise AdqlError(f"{_name(node)} takes one argument")
    return node.expressions[0]


def _parsed(template: str, *nodes: Any) -> Any:
    return _read(template.format(*(f"({node.sql(dialect='postgres')})" for node in nodes)))


def _read(text: str) -> Any:
    found: Any = sqlglot.parse_one(text, dialect="postgres")
    return found


def _in_icrs(arguments: list[Any]) -> list[Any]:
    """Arguments without the coordinate system, which may come first."""
    if arguments and isinstance(arguments[0], exp.Literal) and arguments[0].is_string:
        if str(arguments[0].this).upper() not in ("ICRS", "ICRS GEOCENTER", ""):
            raise AdqlError("positions are ICRS: write POINT('ICRS', ra, decl)")
        return arguments[1:]
    return arguments


def _point(node: Any) -> tuple[Any, Any]:
    if _name(node) == "CENTROID":
        return _centroid(_only(node))
    if _name(node) != "POINT":
        raise AdqlError(f"{node.sql()[:60]} is not a point; write POINT(ra, decl)")
    arguments = _in_icrs(list(node.expressions))
    if len(arguments) != 2:
        raise AdqlError("POINT takes right ascension and declination, degrees: POINT(ra, decl)")
    return arguments[0], arguments[1]


def _centroid(node: Any) -> tuple[Any, Any]:
    if _name(node) == "POINT":
        return _point(node)
    if _name(node) == "CIRCLE":
        return _circle(node)[:2]
    if _name(node) == "BOX":
        return _box(node)[:2]
    ra, dec = adql_polygons.centroid(_corners(node))
    return _literal(ra), _literal(dec)


def _area(node: Any) -> Any:
    """Square degrees."""
    if _name(node) == "CIRCLE":
        return exp.paren(_parsed("2 * PI() * (1 - COS(RADIANS({0}))) * POWER(180 / PI(), 2)", _circle(node)[2]))
    if _name(node) == "BOX":
        template = "4 * ASIN(SIN(RADIANS({0}) / 2) * SIN(RADIANS({1}) / 2)) * POWER(180 / PI(), 2)"
        return exp.paren(_parsed(template, *_box(node)[2:]))
    return _literal(adql_polygons.area(_corners(node)))


def _circle(node: Any) -> tuple[Any, Any, Any]:
    _known(node, ("CIRCLE",))
    arguments = _in_icrs(list(node.expressions))
    if len(arguments) == 2:
        return (*_point(arguments[0]), arguments[1])
    if len(arguments) != 3:
        raise AdqlError("CIRCLE takes right ascension, declination and radius, degrees: CIRCLE(150.1, 2.2, 0.1)")
    return arguments[0], arguments[1], arguments[2]


def _box(node: Any) -> tuple[Any, Any, Any, Any]:
    arguments = _in_icrs(list(node.expressions))
    if len(arguments) == 3:
        return (*_point(arguments[0]), arguments[1], arguments[2])
    if len(arguments) != 4:
        raise AdqlError("BOX takes right ascension, declination, width and height, degrees: BOX(150.1, 2.2, 1, 0.5)")
    return arguments[0], arguments[1], arguments[2], arguments[3]


def _corners(node: Any) -> adql_polygons.Vectors:
    """Corners of a polygon, or of a box with a fixed centre."""
    _known(node, ("BOX", "POLYGON"))
    if _name(node) == "BOX":
        place = [_number(one) for one in _box(node)]
        if any(value is None for value in place):
            raise AdqlError("the place and the sides of this BOX must be numbers, degrees: BOX(150.1, 2.2, 1, 0.5)")
        return adql_polygons.box(*(value for value in place if value is not None))
    numbers = [_number(one) for one in _vertices(node)]
    if any(value is None for value in numbers):
        raise AdqlError("vertices of a POLYGON are numbers, degrees: POLYGON(10, 0, 11, 0, 11, 1)")
    return adql_polygons.polygon([value for value in numbers if value is not None])


def _vertices(node: Any) -> list[Any]:
    """Right ascension and declination of the vertices of a polygon, as written."""
    arguments = _in_icrs(list(node.expressions))
    if arguments and _name(arguments[0]) in ("POINT", "CENTROID"):
        return [value for one in arguments for value in _point(one)]
    return arguments


def _known(node: Any, names: tuple[str, ...]) -> None:
    if _name(node) == "REGION":
        raise AdqlError(
            "REGION is not offered (ADQL 2.1 deprecates it): write CIRCLE(ra, decl, radius), POLYGON(ra, decl, …) or"
            " BOX(ra, decl, width, height), degrees, ICRS"
        )
    if _name(node) not in names:
        raise AdqlError(
            f"{node.sql()[:60]} cannot be here; regions are CIRCLE(ra, decl, radius), POLYGON(ra, decl, …) and"
            " BOX(ra, decl, width, height), degrees"
        )


def _holds(node: Any, uploads: Mapping[str, Any], cells: Cells) -> Any:
    """CONTAINS or INTERSECTS as a condition."""
    if len(node.expressions) != 2:
        raise AdqlError("CONTAINS takes a point and a region: CONTAINS(POINT(ra, decl), CIRCLE(150.1, 2.2, 0.1))")
    inner, outer = node.expressions
    meets = _name(node) == "INTERSECTS"
    if meets and (_name(outer) in ("POINT", "CENTROID") or (_name(outer) == "CIRCLE" and _name(inner) != "POINT")):
        inner, outer = outer, inner
    if _name(inner) == "CIRCLE":
        return _circle_holds(inner, outer, meets=meets)
    if _name(inner) in ("BOX", "POLYGON") and _name(outer) in ("BOX", "POLYGON"):
        decide = adql_polygons.meets if meets else adql_polygons.within
        return exp.Boolean(this=decide(_corners(inner), _corners(outer)))
    if _name(inner) in ("BOX", "POLYGON"):  # a circle below 90 degrees holds them if it holds their corners
        ra0, dec0, radius = _circle(outer)
        corners = zip(*adql_polygons.degrees(_corners(inner)), strict=True)
        within = (_distance(_literal(a), _literal(d), ra0, dec0).sql(dialect="postgres") for a, d in corners)
        return _parsed(" AND ".join(f"{one} <= {{0}}" for one in within), radius)
    ra, dec = _point(inner)
    if _name(outer) in ("BOX", "POLYGON"):
        return _in_polygon(ra, dec, outer)
    ra0, dec0, radius = _circle(outer)
    around: exp.Expression = exp.LTE(this=_distance(ra, dec, ra0, dec0), expression=radius.copy())
    found = _cells(ra, dec, ra0, dec0, radius) or _near(ra, dec, ra0, dec0, radius, uploads, cells)
    both: Any = exp.and_(found, around) if found is not None else around
    return both


def _circle_holds(inner: Any, outer: Any, *, meets: bool) -> Any:
    """Whether a circle lies in a region, or intersects it."""
    ra, dec, size = _circle(inner)
    if _name(outer) == "CIRCLE":  # the sum or the difference of the radii decides
        ra0, dec0, radius = _circle(outer)
        limit = _parsed("{0} + {1}" if meets else "{0} - {1}", radius, size)
        return exp.LTE(this=_distance(ra, dec, ra0, dec0), expression=limit)
    corners = _corners(outer)
    at_ra, at_dec, radius = (f"({one.sql(dialect='postgres')})" for one in (ra, dec, size))
    inside = adql_polygons.holds(corners, at_ra, at_dec)
    near = adql_polygons.touches(corners, at_ra, at_dec, radius)
    return _read(f"({inside}) OR {near}" if meets else f"({inside}) AND NOT ({near})")


def _distance(ra: Any, dec: Any, ra0: Any, dec0: Any) -> exp.Expression:
    """Great-circle distance, degrees, by the haversine formula."""
    return exp.paren(
        _parsed(
            "2 * DEGREES(ASIN(SQRT(LEAST(1.0, POWER(SIN(RADIANS({1} - {3}) / 2), 2) + COS(RADIANS({1}))"
            " * COS(RADIANS({3})) * POWER(SIN(RADIANS({0} - {2}) / 2), 2)))))",
            ra, dec, ra0, dec0,
        )
    )  # fmt: skip


def _in_polygon(ra: Any, dec: Any, node: Any) -> exp.Expression:
    """Inside a polygon or a box."""
    if _name(node) == "BOX" and any(_number(one) is None for one in _box(node)):
        return _in_moving_box(ra, dec, *_box(node))
    corners = _corners(node)
    found = _read(adql_polygons.holds(corners, *(f"({one.sql(dialect='postgres')})" for one in (ra, dec))))
    column = _of_objects(ra, dec)
    ranges = adql_polygons.ranges(corners) if column is not None else None
    if column is None or ranges is None:
        return exp.paren(found)
    return exp.paren(exp.and_(_in_ranges(column, *ranges), found))


def _in_moving_box(ra: Any, dec: Any, ra0: Any, dec0: Any, width: Any, height: Any) -> exp.Expression:
    """Inside a box around a position in a row: between two pairs of parallel lines in its tangential plane."""
    ahead = "(SIN(RADIANS({1})) * SIN(RADIANS({3})) + COS(RADIANS({1})) * COS(RADIANS({3})) * COS(RADIANS({0} - {2})))"
    north = "(SIN(RADIANS({1})) * COS(RADIANS({3})) - COS(RADIANS({1})) * SIN(RADIANS({3})) * COS(RADIANS({0} - {2})))"
    east = "(COS(RADIANS({1})) * SIN(RADIANS({0} - {2})))"
    lines = f"ABS({east}) <= TAN(RADIANS({{4}}) / 2) * {ahead} AND ABS({north}) <= TAN(RADIANS({{5}}) / 2) * {ahead}"
    return exp.paren(_parsed(lines, ra, dec, ra0, dec0, width, height))


def _of_objects(ra: Any, dec: Any) -> str | None:
    """The column of cells, if a position is that of objects."""
    if not (isinstance(ra, exp.Column) and isinstance(dec, exp.Column)):
        return None
    if (ra.name.lower(), dec.name.lower()) != ("ra", "decl") or ra.table != dec.table:
        return None
    if _table_of(ra) not in ("objects", "objects_ext"):
        return None
    return f"{ra.table}.healpix" if ra.table else "healpix"


def _table_of(column: exp.Column) -> str | None:
    """Name of the table of a column, with the schema if that is TAP_UPLOAD."""
    select = column.find_ancestor(exp.Select)
    if select is None:
        return None
    tables = {one.alias_or_name.lower(): one for one in select.find_all(exp.Table)}
    if column.table:
        found = tables.get(column.table.lower())
    else:
        found = next(iter(tables.values())) if len(tables) == 1 else None
    if found is None:
        return None
    name = str(found.name).lower()
    return f"tap_upload.{name}" if found.db.lower() == "tap_upload" else name


def _cells(ra: Any, dec: Any, ra0: Any, dec0: Any, radius: Any) -> exp.Expression | None:
    """Cells of objects that a fixed circle covers; None if it is not about objects."""
    column = _of_objects(ra, dec)
    values = [_number(one) for one in (ra0, dec0, radius)]
    if column is None or any(value is None for value in values):
        return None
    centre, latitude, size = (float(value) for value in values if value is not None)
    if not (-90 <= latitude <= 90 and 0 <= size <= 10):
        return None
    low, high = cone_ranges(centre % 360.0, latitude, size * 3600.0)
    return _in_ranges(column, low.tolist(), high.tolist()) if len(low) <= _MOST_RANGES else None


def _in_ranges(column: str, low: list[int], high: list[int]) -> exp.Expression:
    text = " OR ".join(f"({column} >= {first} AND {column} < {last})" for first, last in zip(low, high, strict=True))
    found: Any = sqlglot.parse_one(text, dialect="postgres")
    return exp.paren(found)


def _near(
    ra: Any, dec: Any, ra0: Any, dec0: Any, radius: Any, uploads: Mapping[str, Any], cells: Cells
) -> exp.Expression | None:
    """Pairs of an uploaded position and an object in the cells around it; None if it is not about those."""
    column, size = _of_objects(ra, dec), _number(radius)
    if column is None or size is None or not 0 <= size <= _LARGEST_NEAR:
        return None
    if not (isinstance(ra0, exp.Column) and isinstance(dec0, exp.Column)) or not ra.table or not ra0.table:
        return None
    name = _table_of(ra0)
    if ra0.table != dec0.table or name is None or name.removeprefix("tap_upload.") not in uploads:
        return None
    token = cells(name.removeprefix("tap_upload."), ra0.name, dec0.name, size)
    if token is None:
        return None
    text = (
        f"(CAST({ra0.sql(dialect='postgres')} AS DOUBLE PRECISION), CAST({dec0.sql(dialect='postgres')} AS"
        f" DOUBLE PRECISION), {ra.table}.diaobjectid) IN ('{token}')"
    )
    found: Any = sqlglot.parse_one(text, dialect="postgres")
    return exp.paren(found)


def _number(node: Any) -> float | None:
    sign = 1.0
    while isinstance(node, exp.Neg | exp.Paren):
        sign = -sign if isinstance(node, exp.Neg) else sign
        node = node.this
    if not isinstance(node, exp.Literal) or node.is_string:
        return None
    value = sign * float(node.this)
    return value if math.isfinite(value) else None


def _literal(value: float) -> Any:
    return _read(repr(float(value)))
