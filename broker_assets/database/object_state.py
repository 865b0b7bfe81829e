"""Writes columns of `objects` that enrichments compute when only facts are rebuilt.

When the rows of objects are written themselves, they already have these columns.
"""

from __future__ import annotations

from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql

from broker_assets.database import copy
from broker_assets.database.tables import objects


def restore_state(connection: psycopg.Connection[Any], rows: pa.Table) -> int:
    """Give objects whose stored row is that of some alerts the values that belong to these alerts.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction; the objects are locked in the order of their ids.
    rows : pyarrow.Table
        `diaobjectid`, `diasourceid` of the alert, and the columns of `objects` to write. Rows of alerts that are not
        the newest of their object change nothing.

    Returns
    -------
    int
        Number of objects that had other values.
    """
    if not rows.num_rows:
        return 0
    names = [name for name in rows.column_names if name not in {"diaobjectid", "diasourceid"}]
    staged = rows.select(["diaobjectid", *names]).append_column("broughtby", rows["diasourceid"])
    columns = sql.SQL(", ").join(map(sql.Identifier, staged.column_names))
    connection.execute("DROP TABLE IF EXISTS pg_temp.state_new")
    connection.execute(
        sql.SQL("CREATE TEMP TABLE state_new ON COMMIT DROP AS SELECT {} FROM objects WITH NO DATA").format(columns)
    )
    with connection.cursor() as cursor:
        copy.load(cursor, objects, staged, into="state_new")
    connection.execute(
        "SELECT FROM objects JOIN state_new AS new USING (diaobjectid, broughtby)"
        " ORDER BY diaobjectid FOR UPDATE OF objects"
    )
    return connection.execute(
        sql.SQL(
            "UPDATE objects SET {}, timestamp = now() FROM state_new AS new"
            " WHERE objects.diaobjectid = new.diaobjectid AND objects.broughtby = new.broughtby"
            " AND ({}) IS DISTINCT FROM ({})"
        ).format(
            sql.SQL(", ").join(sql.SQL("{0} = new.{0}").format(sql.Identifier(name)) for name in names),
            sql.SQL(", ").join(sql.SQL("objects.{}").format(sql.Identifier(name)) for name in names),
            sql.SQL(", ").join(sql.SQL("new.{}").format(sql.Identifier(name)) for name in names),
        )
    ).rowcount
