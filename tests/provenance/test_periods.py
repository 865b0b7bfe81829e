"""Histories of tables: at every number they are what the table was."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from broker_assets.database import engine
from broker_assets.database.tables import object_link, object_link_history
from broker_assets.provenance.periods import record_changes
from broker_assets.provenance.revisions import current_revision

pytestmark = pytest.mark.database
KEY = ["diaobjectid", "linkedid"]
LINKS = st.dictionaries(
    st.tuples(st.integers(1, 4), st.integers(5, 7)), st.sampled_from([0.5, 1.0, float("nan")]), max_size=6
)


@pytest.fixture
def connection(database_url: str) -> Any:
    with engine.connect(database_url) as connection:
        yield connection


def replace(connection: psycopg.Connection[Any], links: dict[tuple[int, int], float], one: int | None) -> None:
    """Make the table hold these links; of one object only, if one is given."""
    connection.execute("DELETE FROM object_link WHERE %(one)s::bigint IS NULL OR diaobjectid = %(one)s", {"one": one})
    for (diaobjectid, linkedid), arcsec in links.items():
        if one is None or diaobjectid == one:
            connection.execute(
                "INSERT INTO object_link (diaobjectid, linkedid, arcsec, night, survey, linkedsurvey)"
                " VALUES (%s, %s, %s, '2025-11-20', 1, 2)",
                (diaobjectid, linkedid, arcsec),
            )


def rows(connection: psycopg.Connection[Any], query: str, *parameters: int) -> list[tuple[Any, ...]]:
    # as text: NaN is not equal to itself in Python
    return connection.execute(
        f"SELECT diaobjectid, linkedid, arcsec::text FROM {query} ORDER BY 1, 2",
        parameters,
    ).fetchall()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(LINKS, st.none() | st.integers(1, 4)), min_size=1, max_size=6))
def test_the_past_is_what_the_table_was(connection: Any, changes: list[tuple[Any, int | None]]) -> None:
    seen = {}
    for links, one in changes:
        with connection.transaction():
            before = rows(connection, "object_link")
            replace(connection, links, one)
            only = None if one is None else sql.SQL("diaobjectid = {}").format(sql.Literal(one))
            number = record_changes(connection, object_link, object_link_history, key=KEY, only=only)
            now = rows(connection, "object_link")
            assert (number is None) == (before == now)
        seen[current_revision(connection)] = now
    for number, then in seen.items():
        held = "object_link_history WHERE revision_from <= %s AND (revision_to IS NULL OR revision_to > %s)"
        assert rows(connection, held, number, number) == then


def test_nothing_that_was_rolled_back_is_kept(connection: Any) -> None:
    before = current_revision(connection)

    with connection.transaction():
        replace(connection, {(1, 5): 0.5}, None)
        assert record_changes(connection, object_link, object_link_history, key=KEY) == before + 1
        raise psycopg.Rollback
    assert current_revision(connection) == before
    assert rows(connection, "object_link_history") == []
