"""Routes from rows to their origins; that they lead there is tested with `why`."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql

from broker_assets.database.tables import metadata
from broker_assets.database.tables.tom import tom_metadata
from broker_assets.provenance.origins import BOOKKEEPING, ROUTES, key_columns, origin_query


def test_every_table_has_a_route_or_a_reason() -> None:
    assert set(ROUTES).isdisjoint(BOOKKEEPING)
    assert set(ROUTES) | set(BOOKKEEPING) == set(metadata.tables) | set(tom_metadata.tables)


@pytest.mark.database
@pytest.mark.parametrize("table", sorted(ROUTES))
def test_the_key_of_a_table_is_unique_in_the_database(connection: psycopg.Connection[Any], table: str) -> None:
    """As PostgreSQL knows it: an index that is unique has exactly these columns."""
    indexes = connection.execute(
        "SELECT array_agg(attname::text ORDER BY place) FROM pg_index"
        " CROSS JOIN LATERAL unnest(indkey) WITH ORDINALITY AS key (number, place)"
        " JOIN pg_attribute ON attrelid = indrelid AND attnum = number"
        " WHERE indrelid = %s::regclass AND indisunique AND place <= indnkeyatts GROUP BY indexrelid",
        (table,),
    ).fetchall()
    assert [*key_columns(table)] in [columns for (columns,) in indexes]


@pytest.mark.database
@pytest.mark.parametrize("table", sorted(ROUTES))
def test_a_question_for_one_row_reads_no_table_as_a_whole(connection: psycopg.Connection[Any], table: str) -> None:
    """Every join goes through an index: with sequential scans made dear, none is left."""
    connection.execute("SET LOCAL enable_seqscan = off")
    key = key_columns(table)
    condition = sql.SQL(" AND ").join(
        sql.SQL("this.{} = ${}").format(sql.Identifier(name), sql.SQL(str(number)))  # type: ignore[arg-type]
        for number, name in enumerate(key, 1)
    )
    query = sql.SQL("EXPLAIN (GENERIC_PLAN) {} AND {}").format(
        sql.SQL(origin_query(table)),  # type: ignore[arg-type]
        condition,
    )
    plan = "\n".join(str(row[0]) for row in connection.execute(query).fetchall())
    assert "Index" in plan
    assert "Seq Scan" not in plan
