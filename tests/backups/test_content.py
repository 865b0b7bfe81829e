"""Numbers that describe what tables hold."""

from __future__ import annotations

import psycopg
import pytest

from broker_assets.backups import content
from broker_assets.database.engine import connect
from broker_assets.database.migrations import head

pytestmark = pytest.mark.database


def test_contents_do_not_depend_on_order_or_settings(database_url: str) -> None:
    with connect(database_url) as connection:
        for name, order in (("one", "a"), ("two", "a DESC")):
            connection.execute(
                f"CREATE TEMP TABLE {name} AS SELECT a, a / 3.0::float8 AS b, '\\x01'::bytea AS c,"  # type: ignore[arg-type]
                f" '2026-01-01T00:00:00Z'::timestamptz AS d FROM generate_series(1, 100) a ORDER BY {order}"
            )
        content.same_text(connection)
        one = content.table_content(connection, "one")
        connection.execute("SET LOCAL timezone = 'America/Santiago'")
        connection.execute("SET LOCAL extra_float_digits = 0")
        assert content.table_content(connection, "two") != one
        content.same_text(connection)
        assert content.table_content(connection, "two") == one
        assert one.rows == 100
        connection.execute("UPDATE two SET b = b + 1e-12 WHERE a = 7")
        assert content.table_content(connection, "two").checksum != one.checksum


def test_ledger_up_to_a_batch(database_url: str) -> None:
    with connect(database_url) as connection:
        assert content.ledger_state(connection).batches == 0
        for number in (3, 5):
            connection.execute(
                "INSERT INTO ingest_batch (topic, kind, code_version, started_at, received, stored)"
                " VALUES ('t', 'stream', '1', now(), %s, %s)",
                (number, number),
            )
        both = content.ledger_state(connection)
        assert (both.batches, both.received) == (2, 8)
        assert content.ledger_state(connection, up_to=both.ingestid - 1).received == 3
        assert content.revision(connection) == head()
        assert content.server_version(connection) // 10000 >= 15


def test_a_database_without_tables_has_no_revision(postgres: object, new_database: object) -> None:
    with new_database() as name, psycopg.connect(postgres.dsn(name)) as connection:  # type: ignore[attr-defined,operator]
        assert content.revision(connection) is None
