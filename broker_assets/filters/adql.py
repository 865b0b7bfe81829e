"""A small dialect of ADQL (IVOA ADQL 2.1): checked and translated to a statement of PostgreSQL.

One SELECT over the published tables, TAP_SCHEMA and uploaded tables, with TOP, joins, grouping, sub-queries, the
numeric functions, and the geometry of `adql_geometry`. What is not listed is refused. What the statement may see is
decided by the server (`database.query_role`), not here.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Final

import sqlglot
from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType  # type: ignore[attr-defined]

from broker_assets.database.query_role import OBSERVATIONS, PUBLISHED
from broker_assets.filters.adql_geometry import GEOMETRY, UNKNOWN_GEOMETRY, Near, Shape, shown, with_geometry
from broker_assets.filters.adql_polygons import AdqlError
from broker_assets.filters.tap_schema import NAMES, OBSCORE, SCHEMA, row_type, whole_columns
from broker_assets.filters.tap_uploads import Upload

LONGEST: Final = 20_000
"""Longest query, characters."""
_FUNCTIONS: Final = frozenset(
    {
        *("abs", "acos", "asin", "atan", "atan2", "avg", "cast", "ceil", "ceiling", "coalesce", "cos", "cot", "count"),
        *("degrees", "exp", "floor", "greatest", "least", "ln", "log", "log10", "lower", "max", "min", "mod", "pi"),
        *(
            "power",
            "radians",
            "rand",
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
_WHOLE: Final = frozenset({"SMALLINT", "INT", "BIGINT"})
"""Types of uploaded columns of whole numbers."""


class _Adql(Postgres):
    """The dialect as sqlglot reads it."""

    class Tokenizer(Postgres.Tokenizer):
        KEYWORDS = {**Postgres.Tokenizer.KEYWORDS, "TOP": TokenType.TOP}  # noqa: RUF012

    class Parser(Postgres.Parser):  # type: ignore[misc,valid-type]
        FUNCTIONS = {  # noqa: RUF012
            name: build
            for name, build in Postgres.Parser.FUNCTIONS.items()
            if name not in GEOMETRY and name not in UNKNOWN_GEOMETRY
        }


@dataclass(frozen=True)
class Translated:
    """A query that can run."""

    statement: str
    """For PostgreSQL, with `%` doubled; `%(tap_tables)s` and so on where it reads TAP_SCHEMA, `%(upload_0_1)s` where it
    reads a column of an uploaded table."""
    tables: tuple[str, ...]
    """Tables that it reads, by the names of TAP_SCHEMA."""
    limit: int
    """Most rows of the result; the statement asks for one more."""
    uploads: tuple[str, ...] = ()
    """Uploaded tables that it reads; their index is in the names of their parameters."""
    near: tuple[Near, ...] = ()
    """Circles around uploaded positions, bound as `%(near_0_1)s`."""
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    """Columns of the answer that are points or regions."""


@dataclass
class _Tokens:
    """Placeholders for bound values in a statement while it is translated: texts that no query can contain."""

    uploads: Mapping[str, Upload]
    secret: str = field(default_factory=lambda: secrets.token_hex(16))
    read: list[str] = field(default_factory=list)
    near: list[Near] = field(default_factory=list)

    def schema(self, name: str) -> str:
        return f"{self.secret} tap {name}"

    def column(self, table: str, number: int) -> str:
        if table not in self.read:
            self.read.append(table)
        return f"{self.secret} upload {self.read.index(table)} {number}."

    def circle(self, table: str, ra: str, dec: str, radius: float) -> str | None:
        columns = self.uploads[table].numeric()
        if ra.lower() not in columns or dec.lower() not in columns:
            return None
        token = f"{self.secret} near {len(self.near)}."
        self.near.append(Near(table, ra.lower(), dec.lower(), radius, token))
        return token

    def bound(self, statement: str) -> str:
        for name in NAMES:
            statement = statement.replace(f"'{self.schema(name)}'", f"%(tap_{name})s")
        for number, table in enumerate(self.read):
            for place in range(len(self.uploads[table].columns)):
                token = f"'{self.secret} upload {number} {place}.'"
                statement = statement.replace(token, f"%(upload_{number}_{place})s")
        for number, near in enumerate(self.near):
            statement = statement.replace(f"'{near.token}'", near.pairs(f"near_{number}"))
        return statement


def translate(text: str, *, limit: int, uploads: Mapping[str, Upload] | None = None) -> Translated:
    """Check a query and translate it.

    Parameters
    ----------
    text : str
        ADQL.
    limit : int
        Maximum number of rows.
    uploads : mapping, optional
        Tables uploaded with it, by name in lower case.

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
        raise _unreadable(error) from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Select | exp.SetOperation):
        raise AdqlError("a query is one SELECT")
    root: Any = statements[0]
    if any(not select.expressions for select in root.find_all(exp.Select)):
        raise AdqlError("nothing is selected: name the columns after SELECT")
    for node in root.walk():
        if isinstance(node, _FORBIDDEN):
            raise AdqlError(f"{node.sql(dialect='postgres')[:60]} is not part of ADQL here")
    tokens = _Tokens(uploads or {})
    _functions(root)
    _remainders(root, tokens.uploads)
    root = with_geometry(root, tokens.uploads, tokens.circle)
    shapes = shown(root)
    _no_other_geometry(root)
    tables = _tables(root, tokens)
    asked = _asked(root)
    most = limit if asked is None else min(asked, limit)
    root = root.limit(most + 1 if asked is None or asked > limit else most)
    statement = tokens.bound(root.sql(dialect="postgres").replace("%", "%%"))
    return Translated(statement, tables, most, tuple(tokens.read), tuple(tokens.near), shapes)


def _unreadable(error: Exception) -> AdqlError:
    """The error of the parser, without the names of its classes."""
    found: dict[str, Any] = next(iter(getattr(error, "errors", [])), {})
    description = str(found.get("description") or str(error).partition("\n")[0].replace("\x1b[4m", ""))
    said = re.sub(r"Required keyword: '\w+' missing for <class '[\w.]+'>", "something is missing here", description)
    line, end = int(found.get("line") or 0), int(found.get("col") or 0)
    column = max(end - len(str(found.get("highlight") or "")) + 1, 1) if line else 0
    place = f" at line {line}, column {column}" if line else ""
    return AdqlError(f"the query cannot be read{place}: {said.rstrip('.')}", line, column)


def _asked(root: exp.Expression) -> int | None:
    given = root.args.get("limit")
    if given is None:
        return None
    value = given.expression
    if not isinstance(value, exp.Literal) or value.is_string or not str(value.this).isdigit():
        raise AdqlError("TOP takes a whole number")
    return int(value.this)


def _tables(root: exp.Expression, tokens: _Tokens) -> tuple[str, ...]:
    """Tables of a query; TAP_SCHEMA and uploaded tables are replaced with bound rows."""
    common = {one.alias_or_name.lower() for one in root.find_all(exp.CTE)}
    found: dict[str, None] = {}
    for table in list(root.find_all(exp.Table)):
        name, schema = table.name.lower(), table.db.lower()
        if table.catalog or not isinstance(table.this, exp.Identifier):
            raise AdqlError(f"there is no table {table.sql()[:60]}")
        if schema == "tap_schema" and name in NAMES:
            found[f"tap_schema.{name}"] = None
            rows = f"JSONB_TO_RECORDSET(CAST('{tokens.schema(name)}' AS JSONB)) AS t({row_type(name)})"
            table.replace(_rows(rows, table, name))
        elif schema == "tap_upload" and name in tokens.uploads:
            columns = tokens.uploads[name].columns
            arrays = [f"CAST('{tokens.column(name, place)}' AS {one.sql}[])" for place, one in enumerate(columns)]
            names = ", ".join(exp.to_identifier(one.name, quoted=True).sql(dialect="postgres") for one in columns)
            table.replace(_rows(f"UNNEST({', '.join(arrays)}) AS t({names})", table, name))
        elif (schema, name) == ("ivoa", "obscore"):
            found[OBSCORE] = None
            table.set("db", None)
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier("obscore")))
            table.set("this", exp.to_identifier(OBSERVATIONS))
        elif not schema and name in common:
            continue
        elif schema in ("", SCHEMA) and name in PUBLISHED:
            found[name] = None
            table.set("db", None)
        else:
            known = [*sorted(PUBLISHED), OBSCORE, *(f"tap_upload.{one}" for one in tokens.uploads)]
            raise AdqlError(f"there is no table {table.sql()[:60]}; tables are {', '.join(known)}")
    for column in root.find_all(exp.Column):
        column.set("db", None)  # every table has a name of its own at this point
    return tuple(found)


def _rows(source: str, table: exp.Table, name: str) -> exp.Expression:
    """A sub-query in place of a table, under the name by which the rest of the query knows it."""
    inner: Any = sqlglot.parse_one(f"SELECT * FROM {source}", dialect="postgres")  # noqa: S608
    given = table.args.get("alias")
    known = given.this if given is not None and given.this is not None else exp.to_identifier(name)
    written = known.name if known.args.get("quoted") else known.name.lower()
    return exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier(written, quoted=True)))


def _functions(root: exp.Expression) -> None:
    """Refuse functions that are not listed; replace those of ADQL with those of PostgreSQL."""
    # Those within others first: what is replaced is a copy of what it has in it.
    for node in reversed(list(root.find_all(exp.Func))):
        name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
        if isinstance(node, exp.Anonymous) and name.upper() in GEOMETRY | UNKNOWN_GEOMETRY:
            continue
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
        elif isinstance(node, exp.Rand):
            node.set("this", None)  # PostgreSQL has no seed for a single call
        elif name not in _FUNCTIONS and not isinstance(node, exp.Connector):
            raise AdqlError(f"there is no function {name[:40]}; functions are {', '.join(sorted(_FUNCTIONS))}")


def _remainders(root: exp.Expression, uploads: Mapping[str, Upload]) -> None:
    """`MOD` of real numbers, which PostgreSQL has for exact ones only; of whole numbers it stays a whole number."""
    unknown = {one.alias.lower() for one in root.find_all(exp.Alias)}
    unknown |= {one.name for upload in uploads.values() for one in upload.columns if one.sql not in _WHOLE}
    for node in reversed(list(root.find_all(exp.Mod))):
        if not (_is_whole(node.this, unknown) and _is_whole(node.expression, unknown)):
            exact = exp.Mod(this=exp.cast(node.this, "numeric"), expression=exp.cast(node.expression, "numeric"))
            node.replace(exp.cast(exact, "double precision"))


def _is_whole(node: exp.Expression, unknown: Set[str]) -> bool:
    """Whether an expression is certainly of a type of whole numbers; `unknown` are names that may be anything."""
    if isinstance(node, exp.Literal):
        return not node.is_string and str(node.this).isdigit()
    if isinstance(node, exp.Column):
        return node.name.lower() in whole_columns() - unknown
    if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Mod):
        return _is_whole(node.this, unknown) and _is_whole(node.expression, unknown)
    if isinstance(node, exp.Count):
        return True
    return isinstance(node, exp.Paren | exp.Neg | exp.Abs | exp.Min | exp.Max) and _is_whole(node.this, unknown)


def _no_other_geometry(root: exp.Expression) -> None:
    """Refuse points and regions outside the functions that are translated."""
    for node in root.find_all(exp.Anonymous):
        if node.name.upper() in GEOMETRY | UNKNOWN_GEOMETRY:
            raise AdqlError(
                f"{node.name.upper()} cannot be used here: points and regions are what the query gives, or arguments of"
                " CONTAINS, INTERSECTS, DISTANCE, AREA, CENTROID, COORD1 and COORD2; REGION is not offered (write"
                " CIRCLE, POLYGON or BOX)"
            )
