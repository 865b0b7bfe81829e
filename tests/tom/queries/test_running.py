"""Users' SQL runs in one transaction that changes nothing, and within its limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from broker_assets.tom.queries import running
from broker_assets.tom.queries.json_rows import rows_as_json
from broker_assets.tom.queries.running import PIECE, Piece, QueryError, QueryStoppedError, QueryTimeoutError, text_of
from broker_assets.tom.queries.statements import statements_of

pytestmark = pytest.mark.database

Run = Callable[..., list[Piece]]


def rows(found: list[Piece]) -> list[tuple[Any, ...]]:
    return [row for piece in found for row in piece.rows]


def test_the_rows_of_the_last_statement(run: Run) -> None:
    assert rows(run("select 1; select 2 as b")) == [(2,)]
    assert rows(run(["select 1", "select %(a)s"], [{}, {"a": 3}])) == [(3,)]
    staged = [
        "CREATE TEMP TABLE mine AS SELECT * FROM elasticc2_brokerclassifier WHERE classifiername IN %(names)s",
        "SELECT classifiername FROM pg_temp.mine ORDER BY 1",
    ]
    assert rows(run(staged, [{"names": ["1", "3"]}, {}])) == [("1",), ("3",)]


def test_large_results_come_in_pieces(run: Run) -> None:
    found = run("SELECT * FROM generate_series(1, %(n)s)", {"n": 2 * PIECE + 1})
    assert [len(piece.rows) for piece in found] == [PIECE, PIECE, 1]


def test_wide_rows_come_a_few_at_a_time(sql_addresses: dict[bool, str]) -> None:
    # With as many rows as usual in a piece, these would be two gigabytes before their size is known.
    query = (
        "SELECT repeat('x', 1000000) AS a, CASE WHEN n > 70 THEN pg_sleep(300)::text END"
        " FROM generate_series(1, 2000) AS n"
    )
    with running.session(sql_addresses[False], 60, who="anna") as (connection, _):
        first = next(running.pieces(connection, statements_of(query, None)))
        assert len(first.rows) == 9


def test_an_empty_result_has_columns(run: Run) -> None:
    (found,) = run("CREATE TEMP TABLE a AS SELECT 1::int8 AS x; SELECT x, 'y' AS y FROM a WHERE false")
    assert [(column.name, column.oid) for column in found.columns] == [("x", 20), ("y", 25)]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("CREATE TEMP TABLE a (b int)", "no results to fetch"),
        ("SELECT nothing", 'column "nothing" does not exist\nLINE 1: SELECT nothing\n               ^\n'),
        ("DROP TABLE elasticc2_ppdbdiaobject", "must be owner of table elasticc2_ppdbdiaobject\n"),
        ("DROP TABLE elasticc2_gentypeofclassid", "must be owner of table elasticc2_gentypeofclassid\n"),
        ("COPY objects TO STDOUT", "COPY is not possible here: write a SELECT"),
        ("COPY objects FROM STDIN", "permission denied for table objects\n"),
        ("SELECT 1; COMMIT", "COMMIT is not possible: every request is one transaction, which is rolled back in the "
                             "end"),
        ("SELECT * FROM access.users", "permission denied for schema access\nLINE 1: SELECT * FROM access.users\n"
                                       "                      ^\n"),
    ],
)  # fmt: skip
def test_errors_say_what_clients_know(run: Run, query: str, text: str) -> None:
    with pytest.raises(QueryError) as caught:
        run(query)
    assert str(caught.value) == text


def test_nothing_outlives_the_request(run: Run) -> None:
    run("ALTER ROLE CURRENT_USER SET search_path = pg_temp; SELECT 1")
    run("DO $$ BEGIN EXECUTE 'ALTER ROLE CURRENT_USER SET work_mem = ''1MB'''; END $$; SELECT 1")
    with pytest.raises(QueryError, match="invalid transaction termination"):
        run("DO $$ BEGIN COMMIT; END $$; SELECT 1")
    assert rows(run("SHOW search_path")) == [('"$user", public',)]
    assert rows(run("SHOW work_mem")) == [("64MB",)]


def test_truth_is_for_administrators_of_the_campaign(run: Run) -> None:
    assert rows(run("SELECT count(*) FROM elasticc2_diaobjecttruth")) == [(0,)]
    with pytest.raises(QueryError, match="permission denied"):
        run("SELECT count(*) FROM elasticc2_diaobjecttruth", admin=False)
    assert rows(run("SELECT count(*) FROM elasticc2_brokerclassifier", admin=False)) == [(3,)]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT pg_sleep(30)",
        "SET LOCAL statement_timeout = 0; SELECT pg_sleep(30)",
        "SELECT count(*) FROM generate_series(1, 100000000000)",
        # It ignores the first attempts.
        "SET LOCAL statement_timeout = 0; DO $$ BEGIN FOR n IN 1..2 LOOP BEGIN PERFORM pg_sleep(30);"
        " EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$; SELECT pg_sleep(30)",
    ],
)
def test_what_takes_too_long_is_cancelled(run: Run, query: str) -> None:
    began = time.monotonic()
    with pytest.raises(QueryTimeoutError, match=r"longer than 0\.2 s"):
        run(query, seconds=0.2)
    assert time.monotonic() - began < 15


def test_what_is_stopped_ends(sql_addresses: dict[bool, str]) -> None:
    def work() -> None:
        with running.session(sql_addresses[True], 60, who="anna") as (connection, watch):
            threading.Timer(0.1, watch.stop).start()
            list(running.pieces(connection, statements_of("SELECT pg_sleep(30)", None)))

    with pytest.raises(QueryStoppedError):
        work()


def test_what_nobody_waits_for_ends(sql_addresses: dict[bool, str]) -> None:
    began = time.monotonic()

    def work() -> None:
        gone = iter([False, True]).__next__
        with running.session(sql_addresses[True], 60, who="anna", unwanted=gone) as (connection, _):
            list(running.pieces(connection, statements_of("SELECT pg_sleep(30)", None)))

    with pytest.raises(QueryStoppedError):
        work()
    assert time.monotonic() - began < 15


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "query", ["SELECT generate_series(1, 1000000)", "SELECT '\\x00'::bytea, generate_series(1, 9000)"]
)
def test_an_error_of_the_reader_ends_what_has_rows_left(sql_addresses: dict[bool, str], query: str) -> None:
    def work() -> None:
        with running.session(sql_addresses[True], 60, who="anna") as (connection, _):
            rows_as_json(running.pieces(connection, statements_of(query, None)), most_rows=3000, most_bytes=10**9)

    with pytest.raises(QueryError, match=r"more than 3000 rows|not JSON serializable"):
        work()


def test_errors_of_the_driver_have_no_line() -> None:
    assert text_of(psycopg.ProgrammingError("what")) == "what"
