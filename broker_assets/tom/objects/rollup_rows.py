"""Replaces the rows of some objects in a roll-up with computed ones, writing only the differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray
from psycopg import sql

from broker_assets.database import copy
from broker_assets.database.number_arrays import distinct


def replace_rows(
    connection: psycopg.Connection[Any], table: sa.Table, second: str, rows: pa.Table, objects: NDArray[np.int64]
) -> int:
    """Replace the rows of some objects.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    table : sqlalchemy.Table
        A roll-up with the unique key `diaobject_id` and `second`.
    second : str
        The column that distinguishes the rows of an object.
    rows : pyarrow.Table
        All rows of the objects, as columns of the table.
    objects : (n,) int64 array
        The objects.

    Returns
    -------
    int
        Rows that were added or changed.
    """
    stage = f"stage_{table.name}"
    key = ("diaobject_id", second)
    values = [name for name in rows.column_names if name not in key]
    parts = {
        "table": sql.Identifier(table.name),
        "stage": sql.Identifier(stage),
        "second": sql.Identifier(second),
        "columns": sql.SQL(", ").join(map(sql.Identifier, rows.column_names)),
        "settings": sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in values),
        "known": sql.SQL(", ").join(sql.SQL("known.{}").format(sql.Identifier(name)) for name in values),
        "excluded": sql.SQL(", ").join(sql.SQL("excluded.{}").format(sql.Identifier(name)) for name in values),
        "given": sql.Literal(distinct(objects).tolist()),
    }
    connection.execute(sql.SQL("DROP TABLE IF EXISTS pg_temp.{stage}").format(**parts))
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE {stage} ON COMMIT DROP AS SELECT * FROM {table} WITH NO DATA").format(**parts)
    )
    with connection.cursor() as cursor:
        copy.load(cursor, table, rows.combine_chunks(), into=stage)
    connection.execute(
        sql.SQL(
            "DELETE FROM {table} AS known WHERE diaobject_id = ANY({given}::bigint[]) AND NOT EXISTS"
            " (SELECT FROM {stage} WHERE (diaobject_id, {second}) = (known.diaobject_id, known.{second}))"
        ).format(**parts)
    )
    return connection.execute(
        sql.SQL(
            "INSERT INTO {table} AS known ({columns}) SELECT {columns} FROM {stage} ORDER BY diaobject_id, {second}"
            " ON CONFLICT (diaobject_id, {second}) DO UPDATE SET {settings}"
            " WHERE ({known}) IS DISTINCT FROM ({excluded})"
        ).format(**parts)
    ).rowcount
