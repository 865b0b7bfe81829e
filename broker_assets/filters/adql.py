"""A small dialect of ADQL (IVOA ADQL 2.1): checked and translated to a statement of PostgreSQL.

One SELECT over the published tables, with TOP, joins, grouping, sub-queries, the numeric functions, and the geometry
POINT, CIRCLE, CONTAINS, INTERSECTS of a point and a circle, DISTANCE, COORD1 and COORD2. What is not listed is refused.
What the statement may see is decided by the server (`database.query_role`), not here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import sqlglot
from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType  # type: ignore[attr-defined]

from broker_assets.database.query_role import PUBLISHED
from broker_assets.sky.cone_search import cone_ranges

LONGEST: Final = 20_000
"""Characters of a query, at most."""
SCHEMA: Final = "broker"
"""Name of the schema of the published tables."""
TAP_SCHEMA: Final = ("schemas", "tables", "columns", "keys", "key_columns")
GEOMETRY: Final = frozenset({"POINT", "CIRCLE", "CONTAINS", "INTERSECTS", "DISTANCE", "COORD1", "COORD2"})
_UNKNOWN_GEOMETRY: Final = frozenset({"BOX", "POLYGON", "REGION", "AREA", "CENTROID", "COORDSYS"})
_FUNCTIONS: Final = frozenset(
    {
        *("abs", "acos", "asin", "atan", "atan2", "avg", "cast", "ceil", "ceiling", "coalesce", "cos", "cot", "count"),
        *("degrees", "exp", "floor", "greatest", "least", "ln", "log", "log10", "lower", "max", "min", "mod", "pi"),
        *(
            "power",
            "radians",
            "round",
            "sin",
            "sqrt",
            "sum",
            "tan",
            "trunc",
            "truncate",
            "upper",
            "case",
            "if",
            "exists",
        ),
        *("and", "or", "xor", "nullif"),
    }
)
_FORBIDDEN: Final = (exp.Into, exp.Lock, exp.Command, exp.Placeholder, exp.Parameter, exp.DML, exp.DDL, exp.Lateral,
                     exp.UDTF, exp.JSONExtract, exp.Window)  # fmt: skip
_TYPES: Final = frozenset(
    getattr(exp.DataType.Type, name)
    for name in ("TEXT", "VARCHAR", "CHAR", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN",
                 "TIMESTAMP", "TIMESTAMPTZ", "DATE")
)  # fmt: skip
"""Types of CAST."""
_MOST_RANGES: Final = 200


class AdqlError(ValueError):
    """A query that is not accepted; the message says why and what to write."""


class _Adql(Postgres):
    """The dialect as sqlglot reads it."""

    class Tokenizer(Postgres.Tokenizer):
        KEYWORDS = {**Postgres.Tokenizer.KEYWORDS, "TOP": TokenType.TOP}  # noqa: RUF012

    class Parser(Postgres.Parser):  # type: ignore[misc,valid-type]
        FUNCTIONS = {  # noqa: RUF012
            name: build
            for name, build in Postgres.Parser.FUNCTIONS.items()
            if name not in GEOMETRY and name not in _UNKNOWN_GEOMETRY
        }


@dataclass(frozen=True)
class Translated:
    """A query that can run."""

    statement: str
    """For PostgreSQL, with `%` doubled; `%(tap_tables)s` and so on where it reads TAP_SCHEMA."""
    tables: tuple[str, ...]
    """Published tables that it reads."""
    limit: int
    """Rows that are given, at most; the statement asks for one more."""


def translate(text: str, *, limit: int) -> Translated:
    """Check a query and translate it.

    Parameters
    ----------
    text : str
        ADQL.
    limit : int
        Rows, at most.

    Raises
    ------
    AdqlError
        If it is not accepted.

    Examples
    --------
    >>> translate("SELECT TOP 5 ra FROM objects WHERE ra > 3", limit=100).statement
    'SELECT ra FROM objects WHERE ra > 3 LIMIT 5'
    """
    if len(text) > LONGEST:
        raise AdqlError(f"the query has {len(text)} characters; at most {LONGEST} are read")
    try:
        statements = [one for one in sqlglot.parse(text, dialect=_Adql) if one is not None]
    except (SqlglotError, RecursionError) as error:
        raise AdqlError("the query cannot be read: " + str(error).partition("\n")[0].replace("\x1b[4m", "")) from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Select | exp.SetOperation):
        raise AdqlError("a query is one SELECT")
    root: Any = statements[0]
    if any(not select.expressions for select in root.find_all(exp.Select)):
        raise AdqlError("nothing is selected: name the columns after SELECT")
    for node in root.walk():
        if isinstance(node, _FORBIDDEN):
            raise AdqlError(f"{node.sql(dialect='postgres')[:60]} is not part of ADQL here")
    root = _with_geometry(root)
    _functions(root)
    tables = _tables(root)
    asked = _asked(root)
    most = limit if asked is None else min(asked, limit)
    root = root.limit(most + 1 if asked is None or asked > limit else most)
    statement = root.sql(dialect="postgres").replace("%", "%%")
    for name in TAP_SCHEMA:
        statement = statement.replace(f"'tap schema {name}'", f"%(tap_{name})s")
    return Translated(statement, tables, most)


def _asked(root: exp.Expression) -> int | None:
    given = root.args.get("limit")
    if given is None:
        return None
    value = given.expression
    if not isinstance(value, exp.Literal) or value.is_string or not str(value.this).isdigit():
        raise AdqlError("TOP takes a whole number")
    return int(value.this)


def _tables(root: exp.Expression) -> tuple[str, ...]:
    """Published tables of a query; those of TAP_SCHEMA become rows that are bound."""
    common = {one.alias_or_name.lower() for one in root.find_all(exp.CTE)}
    found: dict[str, None] = {}
    for table in list(root.find_all(exp.Table)):
        name, schema = table.name.lower(), table.db.lower()
        if table.catalog or not isinstance(table.this, exp.Identifier):
            raise AdqlError(f"there is no table {table.sql()[:60]}")
        if schema == "tap_schema" and name in TAP_SCHEMA:
            table.replace(_tap_schema(name, table.alias or name))
        elif not schema and name in common:
            continue
        elif schema in ("", SCHEMA) and name in PUBLISHED:
            found[name] = None
            table.set("db", None)
        else:
            raise AdqlError(f"there is no table {table.sql()[:60]}; tables are {', '.join(sorted(PUBLISHED))}")
    return tuple(found)


_TAP_COLUMNS: Final = {
    "schemas": "schema_name text, utype text, description text, schema_index integer",
    "tables": "schema_name text, table_name text, table_type text, utype text, description text, table_index integer",
    "columns": 'table_name text, column_name text, datatype text, arraysize text, xtype text, "size" integer,'
    " description text, utype text, unit text, ucd text, indexed integer, principal integer, std integer,"
    " column_index integer",
    "keys": "key_id text, from_table text, target_table text, description text, utype text",
    "key_columns": "key_id text, from_column text, target_column text",
}


def _tap_schema(name: str, alias: str) -> exp.Expression:
    text = f"SELECT * FROM jsonb_to_recordset(CAST('tap schema {name}' AS jsonb)) AS t({_TAP_COLUMNS[name]})"  # noqa: S608
    inner: Any = sqlglot.parse_one(text, dialect="postgres")
    return exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))


def _with_geometry(root: exp.Expression) -> exp.Expression:
    def change(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.EQ):
            for one, other in ((node.left, node.right), (node.right, node.left)):
                if _name(one) in ("CONTAINS", "INTERSECTS") and isinstance(other, exp.Literal):
                    inside = _inside(one)
                    if other.this == "1":
                        return exp.paren(inside)
                    if other.this == "0":
                        return exp.not_(exp.paren(inside))
        return node

    # From the outside: a comparison is seen before what is compared.
    root = root.transform(change)

    def rest(node: exp.Expression) -> exp.Expression:
        name = _name(node)
        if name in ("CONTAINS", "INTERSECTS"):
            return exp.Case(ifs=[exp.If(this=_inside(node), true=exp.Literal.number(1))], default=exp.Literal.number(0))
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
            return _point(node.expressions[0])[int(name[-1]) - 1].copy()
        return node

    return root.transform(rest)


def _name(node: Any) -> str:
    return str(node.name).upper() if isinstance(node, exp.Anonymous) else ""


def _point(node: Any) -> tuple[exp.Expression, exp.Expression]:
    if _name(node) != "POINT":
        raise AdqlError(f"{node.sql()[:60]} is not a point; write POINT(ra, decl)")
    arguments = list(node.expressions)
    if len(arguments) == 3:
        system = arguments.pop(0)
        if not isinstance(system, exp.Literal) or str(system.this).upper() not in ("ICRS", "ICRS GEOCENTER", ""):
            raise AdqlError("positions are ICRS: write POINT('ICRS', ra, decl)")
    if len(arguments) != 2:
        raise AdqlError("POINT takes right ascension and declination, degrees: POINT(ra, decl)")
    return arguments[0], arguments[1]


def _circle(node: Any) -> tuple[exp.Expression, exp.Expression, exp.Expression]:
    if _name(node) != "CIRCLE":
        raise AdqlError(f"{node.sql()[:60]} is not a circle; regions are CIRCLE(ra, decl, radius), degrees")
    arguments = list(node.expressions)
    if arguments and isinstance(arguments[0], exp.Literal) and arguments[0].is_string:
        arguments.pop(0)
    if len(arguments) == 2:
        return (*_point(arguments[0]), arguments[1])
    if len(arguments) != 3:
        raise AdqlError("CIRCLE takes right ascension, declination and radius, degrees: CIRCLE(150.1, 2.2, 0.1)")
    return arguments[0], arguments[1], arguments[2]


def _inside(node: Any) -> Any:
    if len(node.expressions) != 2:
        raise AdqlError("CONTAINS takes a point and a circle: CONTAINS(POINT(ra, decl), CIRCLE(150.1, 2.2, 0.1))")
    point, circle = node.expressions
    if _name(point) == "CIRCLE" and _name(circle) == "POINT" and _name(node) == "INTERSECTS":
        point, circle = circle, point
    ra, dec = _point(point)
    ra0, dec0, radius = _circle(circle)
    within: exp.Expression = exp.LTE(this=_distance(ra, dec, ra0, dec0), expression=radius.copy())
    cells = _cells(ra, dec, ra0, dec0, radius)
    both: Any = exp.and_(cells, within) if cells is not None else within
    return both


def _distance(ra: Any, dec: Any, ra0: Any, dec0: Any) -> exp.Expression:
    """Great-circle distance, degrees, by the haversine formula."""
    parts = {name: f"({node.sql(dialect='postgres')})" for name, node in
             (("ra", ra), ("dec", dec), ("ra0", ra0), ("dec0", dec0))}  # fmt: skip
    text = (
        "2 * DEGREES(ASIN(SQRT(LEAST(1.0, POWER(SIN(RADIANS({dec} - {dec0}) / 2), 2) + COS(RADIANS({dec}))"
        " * COS(RADIANS({dec0})) * POWER(SIN(RADIANS({ra} - {ra0}) / 2), 2)))))"
    ).format(**parts)
    found: Any = sqlglot.parse_one(text, dialect="postgres")
    return exp.paren(found)


def _cells(ra: Any, dec: Any, ra0: Any, dec0: Any, radius: Any) -> exp.Expression | None:
    """Cells of objects that a fixed circle covers, so that the index finds them; None if it is not about objects."""
    if not (isinstance(ra, exp.Column) and isinstance(dec, exp.Column)):
        return None
    if (ra.name.lower(), dec.name.lower()) != ("ra", "decl") or ra.table != dec.table:
        return None
    select = ra.find_ancestor(exp.Select)
    if select is None:
        return None
    tables = {one.alias_or_name.lower(): one.name.lower() for one in select.find_all(exp.Table)}
    about = tables.get(ra.table.lower()) if ra.table else next(iter(tables.values())) if len(tables) == 1 else None
    values = [_number(one) for one in (ra0, dec0, radius)]
    if about not in ("objects", "objects_ext") or any(value is None for value in values):
        return None
    centre, latitude, size = (float(value) for value in values if value is not None)
    if not (-90 <= latitude <= 90 and 0 <= size <= 10):
        return None
    low, high = cone_ranges(centre % 360.0, latitude, size * 3600.0)
    if len(low) > _MOST_RANGES:
        return None
    column = f"{ra.table}.healpix" if ra.table else "healpix"
    text = " OR ".join(
        f"({column} >= {first} AND {column} < {last})" for first, last in zip(low.tolist(), high.tolist(), strict=True)
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


def _functions(root: exp.Expression) -> None:
    """Refuse functions that are not listed; write those of ADQL as PostgreSQL has them."""
    for node in list(root.find_all(exp.Func)):
        name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
        if isinstance(node, exp.Anonymous) and name.upper() in GEOMETRY | _UNKNOWN_GEOMETRY:
            raise AdqlError(f"{name.upper()} cannot be used here; regions are CIRCLE in CONTAINS")
        if isinstance(node, exp.Cast) and node.to.this not in _TYPES:
            raise AdqlError(f"nothing can be cast to {node.to.sql()[:40]}")
        if isinstance(node, exp.Log):
            base = node.args.get("expression")
            new = exp.Anonymous(this="log10", expressions=[base]) if base is not None else exp.Ln(this=node.this)
            node.replace(new)
        elif isinstance(node, exp.Round | exp.Trunc) and (node.args.get("decimals") is not None):
            node.set("this", exp.cast(node.this, "numeric"))
            outer = exp.cast(node.copy(), "double precision")
            node.replace(outer)
        elif name not in _FUNCTIONS and not isinstance(node, exp.Connector):
            raise AdqlError(f"there is no function {name[:40]}; functions are {', '.join(sorted(_FUNCTIONS))}")
