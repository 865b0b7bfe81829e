"""Arrow types of SQL columns: one declaration of a column serves the tables and the batches."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

_TYPES: tuple[tuple[type[sa.types.TypeEngine[Any]], pa.DataType], ...] = (
    # Order matters: SmallInteger and BigInteger are Integers, DOUBLE_PRECISION and REAL are Floats.
    (sa.SmallInteger, pa.int16()),
    (sa.BigInteger, pa.int64()),
    (sa.Integer, pa.int32()),
    (sa.DOUBLE_PRECISION, pa.float64()),
    (sa.REAL, pa.float32()),
    (sa.Boolean, pa.bool_()),
    (sa.DateTime, pa.timestamp("us", tz="UTC")),
    (sa.Date, pa.date32()),
    (sa.LargeBinary, pa.binary()),
    (sa.String, pa.string()),
)


def arrow_type(kind: sa.types.TypeEngine[Any]) -> pa.DataType:
    """Return the Arrow type that represents the values of an SQL type exactly.

    Raises
    ------
    TypeError
        If the type is not one of those used in the tables.

    Examples
    --------
    >>> arrow_type(sa.REAL())
    DataType(float)
    """
    if isinstance(kind, sa.ARRAY) and isinstance(kind.item_type, sa.BigInteger | sa.SmallInteger | sa.REAL):
        return pa.list_(arrow_type(kind.item_type))
    if isinstance(kind, sa.Numeric) and not isinstance(kind, sa.Float) and kind.precision:
        return pa.decimal128(kind.precision, kind.scale or 0)
    for sql, arrow in _TYPES:
        if isinstance(kind, sql):
            return arrow
    raise TypeError(f"no Arrow type is defined for SQL type {kind!r}")


def arrow_schema(table: sa.Table, *, without: Collection[str] = ()) -> pa.Schema:
    """Return the Arrow schema of a table.

    Parameters
    ----------
    table : Table
        Table of `broker_assets.database.tables`.
    without : collection of str
        Columns to omit.

    Examples
    --------
    >>> from broker_assets.database.tables import stream_offset
    >>> arrow_schema(stream_offset, without={"ingestid", "updated_at"}).names
    ['topic', 'partition', 'next_offset']
    """
    return pa.schema(
        [
            pa.field(column.name, arrow_type(column.type), nullable=bool(column.nullable))
            for column in table.columns
            if column.name not in without
        ]
    )
