"""What users send is checked, and separated as PostgreSQL separates it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.database import engine
from broker_assets.tom.queries.statements import BadStatementError, Statement, complete, separated, statements_of

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Any:
    with engine.connect(module_database_url) as opened:
        yield opened


@pytest.mark.parametrize(
    ("query", "values", "reason"),
    [
        ({"oops": 1}, None, "query must be either a list of strings or a string"),
        (["select 1", {"a": 1}], None, "queries must all be strings"),
        ("select 1", ["x"], "subdicts must all be dicts"),
        ("select 1", "x", "subdict must be either a list of dicts or a dict"),
        ("select 1", [{}, {}], "number of queries and subdicts must match"),
        (["select 1", "select 2"], {}, "number of queries and subdicts must match"),
        ([], None, "query must have at least one statement"),
    ],
)
def test_what_cannot_be_run_is_refused_as_clients_know_it(query: Any, values: Any, reason: str) -> None:
    with pytest.raises(BadStatementError) as caught:
        statements_of(query, values)
    assert str(caught.value) == reason


def test_values_are_put_in_place(connection: psycopg.Connection[Any]) -> None:
    statement = Statement(
        "SELECT %(a)s, %(b)s, %(c)s WHERE x IN %(l)s AND y IN %(none)s AND z LIKE '%%s'",
        {"a": 1, "b": "it's; \\", "c": None, "l": [1, "x", 2.5, None], "none": [], "unused": 3},
    )
    assert complete(connection, statement) == [
        "SELECT 1,  E'it''s; \\\\', NULL WHERE x IN (1, 'x', 2.5, NULL) AND y IN (NULL) AND z LIKE '%s'"
    ]


@pytest.mark.parametrize(
    ("text", "values", "reason"),
    [
        ("select 5 % 3", {}, "^dict is not a sequence$"),
        ("select %(a)s", {}, "a"),
        ("select %s", {}, "^dict is not a sequence$"),
        ("select %s", {"a": 1}, "^dict is not a sequence$"),
        ("select 1 \0 2", {}, "NUL character"),
        ("select %(a)s", {"a": {"b": 1}}, "plain values"),
        ("select %(a)s", {"a": [[1]]}, "plain values"),
        ("", {}, "can't execute an empty query"),
        (" -- nothing\n ; /* and /* nothing */ */", {}, "can't execute an empty query"),
        ("SELECT 1; /* x */ coMMit; SELECT 2", {}, "COMMIT is not possible"),
        ("rollback", {}, "ROLLBACK is not possible"),
        ("-- a\nBEGIN", {}, "BEGIN is not possible"),
        ("SAVEPOINT a", {}, "SAVEPOINT is not possible"),
    ],
)
def test_a_statement_that_cannot_be_run(
    connection: psycopg.Connection[Any], text: str, values: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BadStatementError, match=reason):
        complete(connection, Statement(text, values))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a;b", ["a", "b"]),
        (" ;; a ; ", ["a"]),
        ('a \';\' "x;""" b', ['a \';\' "x;""" b']),
        (r"a E'\';' ; b '\' ; c", [r"a E'\';'", r"b '\'", "c"]),
        ("DO $$ a; b $$; c", ["DO $$ a; b $$", "c"]),
        ("DO $x$ a; $$ b $x$; c", ["DO $x$ a; $$ b $x$", "c"]),
        ("a$$ ; b", ["a$$", "b"]),
        ("a -- ; '\n ; b", ["a -- ; '", "b"]),
        ("/* ; /* ; */ ; */ a; -- b;\n c", ["a", "c"]),
        ("a 'open ; b", ["a 'open", "b"]),
        ("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; END; b", ["CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; END; b"]),
    ],
)
def test_statements_are_separated(text: str, pieces: list[str]) -> None:
    assert separated(text) == pieces


@given(
    st.lists(st.sampled_from(["'", '"', ";", "$$", "$a$", "--", "\n", "/*", "*/", "x", " ", "E", "\\"]), max_size=12)
)
def test_nothing_is_lost(parts: list[str]) -> None:
    text = "".join(parts)
    assert sum(map(len, separated(text))) <= len(text)
