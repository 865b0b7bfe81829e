"""What the published tables are, as TAP_SCHEMA has it (IVOA TAP 1.1, section 4)."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import sqlalchemy as sa

from broker_assets.database.query_role import OBSERVATIONS, PUBLISHED
from broker_assets.database.table_formats import unit_of
from broker_assets.database.tables import VIEWS, metadata
from broker_assets.database.tables.obscore import COLUMNS as OBSCORE_COLUMNS

SCHEMA: Final = "broker"
"""Name of the schema of the published tables."""
OBSCORE: Final = "ivoa.obscore"
"""Name of the table of observations, as ObsCore 1.1 wants it; in the database it is the view `OBSERVATIONS`."""
_UCDS: Final = {
    "diaobjectid": "meta.id;meta.main",
    "ra": "pos.eq.ra;meta.main",
    "decl": "pos.eq.dec;meta.main",
    "midpointmjdtai": "time.epoch",
    "psfflux": "phot.flux",
    "psffluxerr": "stat.error;phot.flux",
    "band": "instr.bandpass",
}
_RESERVED: Final = frozenset(
    {"class", "date", "distance", "position", "public", "schema", "section", "size", "time", "timestamp", "user"}
)
"""Names of columns that ADQL reserves: they are written in quotes."""
_DATATYPES: Final[tuple[tuple[type[Any], str], ...]] = (
    (sa.SmallInteger, "short"), (sa.BigInteger, "long"), (sa.Integer, "int"), (sa.DOUBLE_PRECISION, "double"),
    (sa.REAL, "float"), (sa.Boolean, "boolean"), (sa.DateTime, "char"), (sa.Date, "char"),
)  # fmt: skip
"""Datatypes of VOTable; every other column is text."""
NAMES: Final = ("schemas", "tables", "columns", "keys", "key_columns")
"""Tables of TAP_SCHEMA."""
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


_KEYS: Final = (
    ("tap_schema.tables", "tap_schema.schemas", "schema_name", "schema_name"),
    ("tap_schema.columns", "tap_schema.tables", "table_name", "table_name"),
    ("tap_schema.keys", "tap_schema.tables", "from_table", "table_name"),
    ("tap_schema.keys", "tap_schema.tables", "target_table", "table_name"),
    ("tap_schema.key_columns", "tap_schema.keys", "key_id", "key_id"),
)
"""Foreign keys: from and to which table, and columns."""


def row_type(name: str) -> str:
    """Columns of a table of TAP_SCHEMA with their types, in PostgreSQL.

    Examples
    --------
    >>> row_type("key_columns")
    '"key_id" TEXT, "from_column" TEXT, "target_column" TEXT'
    """
    columns = [(one, "TEXT") for one in _TEXTS[name]] + [(one, "INT") for one in _NUMBERS[name]]
    return ", ".join(f'"{one}" {kind}' for one, kind in columns)


@cache
def tap_schema(name: str) -> list[dict[str, Any]]:
    """Rows of a table of TAP_SCHEMA: schemas, tables, columns, keys or key_columns."""
    if name == "schemas":
        return [
            {"schema_name": SCHEMA, "description": "The published tables of the broker", "schema_index": 1},
            {"schema_name": "ivoa", "description": "Observations, in the data model ObsCore 1.1", "schema_index": 2},
            {"schema_name": "tap_schema", "description": "What there is", "schema_index": 3},
        ]
    if name == "tables":
        return _table_rows()
    if name == "columns":
        return _column_rows()
    key = ("from_table", "target_table") if name == "keys" else ("from_column", "target_column")
    return [
        {"key_id": str(number), **dict(zip(key, places[:2] if name == "keys" else places[2:], strict=True))}
        for number, places in enumerate(_KEYS, 1)
    ]


@cache
def whole_columns() -> frozenset[str]:
    """Names of columns that are whole numbers in every table that has them."""
    kinds: dict[str, set[str]] = {}
    for row in tap_schema("columns"):
        kinds.setdefault(row["column_name"].strip('"'), set()).add(row["datatype"])
    return frozenset(name for name, found in kinds.items() if found <= {"short", "int", "long"})


def _table_rows() -> list[dict[str, Any]]:
    rows = []
    for number, name in enumerate(sorted(PUBLISHED)):
        comment = VIEWS[name][1] if name in VIEWS else metadata.tables[name].comment
        kind = "view" if name in VIEWS else "table"
        rows.append({"schema_name": SCHEMA, "table_name": name, "table_type": kind, "description": comment or "",
                     "table_index": number + 1})  # fmt: skip
    rows.append({"schema_name": "ivoa", "table_name": OBSCORE, "table_type": "view",
                 "utype": "ivo://ivoa.net/std/ObsCore#table-1.1", "description": VIEWS[OBSERVATIONS][1],
                 "table_index": len(rows) + 1})  # fmt: skip
    for name in NAMES:
        rows.append({"schema_name": "tap_schema", "table_name": f"tap_schema.{name}", "table_type": "table",
                     "description": f"What there is: {name}", "table_index": len(rows) + 1})  # fmt: skip
    return rows


def _column_rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name in sorted(PUBLISHED):
        columns = list(VIEWS[name][0].selected_columns if name in VIEWS else metadata.tables[name].columns)
        for number, column in enumerate(columns):
            rows.append(_column_row(name, column, number + 1))
    for number, one in enumerate(OBSCORE_COLUMNS):
        text = one.datatype == "char"
        rows.append({"table_name": OBSCORE, "column_name": one.name, "datatype": one.datatype,
                     "arraysize": "*" if text else None, "xtype": one.xtype or None, "description": one.meaning,
                     "utype": f"obscore:{one.utype}" if one.utype else None, "unit": one.unit, "ucd": one.ucd,
                     "indexed": 0, "principal": 1, "std": int(bool(one.utype)),
                     "column_index": number + 1})  # fmt: skip
    for name in NAMES:
        for number, column_name in enumerate((*_TEXTS[name], *_NUMBERS[name])):
            text = column_name in _TEXTS[name]
            written = f'"{column_name}"' if column_name in _RESERVED else column_name
            rows.append({"table_name": f"tap_schema.{name}", "column_name": written,
                         "datatype": "unicodeChar" if text else "int", "arraysize": "*" if text else None,
                         "description": column_name.replace("_", " "), "unit": "", "ucd": "", "indexed": 0,
                         "principal": 1, "std": 1, "column_index": number + 1})  # fmt: skip
    return rows


def _column_row(table: str, column: Any, number: int) -> dict[str, Any]:
    datatype = next((name for kind, name in _DATATYPES if isinstance(column.type, kind)), "unicodeChar")
    info = getattr(column, "info", {})
    name = str(column.name)
    return {
        "table_name": table,
        "column_name": f'"{name}"' if name in _RESERVED else name,
        "datatype": datatype,
        "arraysize": "*" if datatype in ("char", "unicodeChar") else None,
        "xtype": "timestamp" if isinstance(column.type, sa.DateTime | sa.Date) else None,
        "description": str(getattr(column, "comment", "") or ""),
        "unit": unit_of(str(info.get("unit", ""))),
        "ucd": _UCDS.get(name, ""),
        "indexed": int(bool(getattr(column, "primary_key", False)) or name in ("healpix", "lastdiasourcemjdtai")),
        "principal": int(name in _UCDS),
        "std": 0,
        "column_index": number,
    }
