"""Runs ADQL queries, and describes the published tables as TAP_SCHEMA does (IVOA TAP 1.1)."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import psycopg
import pyarrow as pa
import sqlalchemy as sa

from broker_assets.database.query_role import PUBLISHED, as_user
from broker_assets.database.table_formats import field, unit_of
from broker_assets.database.tables import VIEWS, metadata
from broker_assets.filters.adql import SCHEMA, TAP_SCHEMA, AdqlError, Translated, translate

_OIDS: Final[dict[int, pa.DataType]] = {
    16: pa.bool_(), 20: pa.int64(), 21: pa.int16(), 23: pa.int32(), 700: pa.float32(), 701: pa.float64(),
    1700: pa.float64(),
}  # fmt: skip
_UCDS: Final = {
    "diaobjectid": "meta.id;meta.main",
    "ra": "pos.eq.ra;meta.main",
    "decl": "pos.eq.dec;meta.main",
    "midpointmjdtai": "time.epoch",
    "psfflux": "phot.flux",
    "psffluxerr": "stat.error;phot.flux",
    "band": "instr.bandpass",
}
_RESERVED: Final = frozenset({"timestamp", "public", "date", "time", "section", "size", "class", "user", "position"})
"""Names of columns that ADQL reserves: they are written in quotes."""
_DATATYPES: Final[tuple[tuple[type[Any], str], ...]] = (
    (sa.SmallInteger, "short"), (sa.BigInteger, "long"), (sa.Integer, "int"), (sa.DOUBLE_PRECISION, "double"),
    (sa.REAL, "float"), (sa.Boolean, "boolean"),
)  # fmt: skip


class TookTooLong(TimeoutError):
    """The query was cancelled; the message names the limit."""


@dataclass(frozen=True)
class Result:
    """Rows of a query."""

    table: pa.Table
    overflows: bool
    """Whether there are more rows."""


def run(connection: psycopg.Connection[Any], text: str, *, limit: int, seconds: float, viewer: str = "") -> Result:
    """Run a query.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction; the server decides by `viewer` which rows it sees.
    text : str
        ADQL.
    limit : int
        Rows, at most.
    seconds : float
        Time, at most.
    viewer : str
        Account that asks; empty for a guest.

    Raises
    ------
    AdqlError
        If the query is not accepted, by us or by the server.
    TookTooLong
        If it takes longer.
    """
    query = translate(text, limit=limit)
    values = {f"tap_{name}": json.dumps(tap_schema(name)) for name in TAP_SCHEMA}
    try:
        with connection.transaction():
            connection.execute("SET LOCAL transaction_read_only = on")
            connection.execute(
                "SELECT set_config('statement_timeout', %s, true)", (f"{max(1, round(seconds * 1000))}ms",)
            )
            with as_user(connection, viewer):
                cursor = connection.execute(query.statement, values)  # type: ignore[call-overload]
                found = cursor.fetchall()
    except psycopg.errors.QueryCanceled as error:
        raise TookTooLong(f"the query took longer than {seconds:g} s and was cancelled") from error
    except (psycopg.ProgrammingError, psycopg.DataError) as error:
        raise AdqlError(f"the query cannot run: {error.diag.message_primary}") from error
    return _result(cursor.description or (), found, query)


def _result(description: Any, found: list[tuple[Any, ...]], query: Translated) -> Result:
    rows = found[: query.limit]
    known = _known(query.tables)
    names: list[str] = []
    arrays, fields = [], []
    for number, column in enumerate(description):
        kind = _OIDS.get(column.type_code, pa.string())
        name = column.name
        while name in names:
            name += "_"
        names.append(name)
        about = known.get(column.name, {})
        values = [_value(row[number], kind) for row in rows]
        arrays.append(pa.array(values, kind))
        fields.append(field(name, kind, **about))
    schema = pa.schema(fields)
    return Result(pa.Table.from_arrays(arrays, schema=schema), len(found) > query.limit)


def _value(value: Any, kind: pa.DataType) -> Any:
    if value is None or not pa.types.is_string(kind):
        return float(value) if value is not None and pa.types.is_float64(kind) else value
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).replace(tzinfo=None).isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value)
    return value.isoformat() if isinstance(value, datetime.date) else str(value)


def _known(tables: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Unit, meaning and UCD of columns by name, of some tables."""
    found: dict[str, dict[str, str]] = {}
    for row in tap_schema("columns"):
        if row["table_name"] in tables:
            name = row["column_name"].strip('"')
            found.setdefault(name, {"unit": row["unit"], "description": row["description"], "ucd": row["ucd"]})
    return found


@cache
def tap_schema(name: str) -> list[dict[str, Any]]:
    """Rows of a table of TAP_SCHEMA: schemas, tables, columns, keys or key_columns."""
    if name == "schemas":
        return [
            {"schema_name": SCHEMA, "description": "The published tables of the broker", "schema_index": 1},
            {"schema_name": "tap_schema", "description": "What there is", "schema_index": 2},
        ]
    if name == "tables":
        return _table_rows()
    return _column_rows() if name == "columns" else []


def _table_rows() -> list[dict[str, Any]]:
    rows = []
    for number, name in enumerate(sorted(PUBLISHED)):
        comment = VIEWS[name][1] if name in VIEWS else metadata.tables[name].comment
        kind = "view" if name in VIEWS else "table"
        rows.append({"schema_name": SCHEMA, "table_name": name, "table_type": kind, "description": comment or "",
                     "table_index": number + 1})  # fmt: skip
    for name in TAP_SCHEMA:
        rows.append({"schema_name": "tap_schema", "table_name": f"tap_schema.{name}", "table_type": "table",
                     "description": f"What there is: {name}", "table_index": len(rows) + 1})  # fmt: skip
    return rows


_TEXTS: Final = {
    "schemas": ("schema_name", "utype", "description"),
    "tables": ("schema_name", "table_name", "table_type", "utype", "description"),
    "columns": ("table_name", "column_name", "datatype", "arraysize", "xtype", "description", "utype", "unit", "ucd"),
    "keys": ("key_id", "from_table", "target_table", "description", "utype"),
    "key_columns": ("key_id", "from_column", "target_column"),
}
_NUMBERS: Final = {
    "schemas": ("schema_index",), "tables": ("table_index",),
    "columns": ("size", "indexed", "principal", "std", "column_index"), "keys": (), "key_columns": (),
}  # fmt: skip


def _column_rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name in sorted(PUBLISHED):
        columns = list(VIEWS[name][0].selected_columns if name in VIEWS else metadata.tables[name].columns)
        for number, column in enumerate(columns):
            rows.append(_column_row(name, column, number + 1))
    for name in TAP_SCHEMA:
        for number, column_name in enumerate((*_TEXTS[name], *_NUMBERS[name])):
            text = column_name in _TEXTS[name]
            written = f'"{column_name}"' if column_name in _RESERVED else column_name
            rows.append({"table_name": f"tap_schema.{name}", "column_name": written,
                         "datatype": "char" if text else "int", "arraysize": "*" if text else None,
                         "description": column_name.replace("_", " "), "unit": "", "ucd": "", "indexed": 0,
                         "principal": 1, "std": 1, "column_index": number + 1})  # fmt: skip
    return rows


def _column_row(table: str, column: Any, number: int) -> dict[str, Any]:
    datatype = next((name for kind, name in _DATATYPES if isinstance(column.type, kind)), "char")
    info = getattr(column, "info", {})
    name = str(column.name)
    return {
        "table_name": table,
        "column_name": f'"{name}"' if name in _RESERVED else name,
        "datatype": datatype,
        "arraysize": "*" if datatype == "char" else None,
        "description": str(getattr(column, "comment", "") or ""),
        "unit": unit_of(str(info.get("unit", ""))),
        "ucd": _UCDS.get(name, ""),
        "indexed": int(bool(getattr(column, "primary_key", False)) or name in ("healpix", "lastdiasourcemjdtai")),
        "principal": int(name in _UCDS),
        "std": 0,
        "column_index": number,
    }
