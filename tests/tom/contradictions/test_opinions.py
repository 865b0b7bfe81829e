"""What kinds of sources say is kept for each object, and what one has and another has not is read from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.tom.contradictions.opinions import Opinion, count_only, keep_opinions, only_kept

pytestmark = pytest.mark.database


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(database_url, autocommit=True) as opened:
        yield opened


def say(connection: psycopg.Connection[Any], *statements: tuple[int, str, str, float | None]) -> int:
    """Let sources say this of objects, and nothing else."""
    with connection.transaction():
        connection.execute(
            "CREATE TEMPORARY TABLE statements (diaobjectid bigint, source text, said text, classid int,"
            " probability float8) ON COMMIT DROP"
        )
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO statements VALUES (%s, %s, %s, 1, %s)", statements)
        return keep_opinions(connection)


def test_what_is_kept_follows_what_is_said(connection: psycopg.Connection[Any]) -> None:
    first = (
        (1, "broker Fink a", "Ia", 0.6), (1, "broker Fink b", "II", 0.75), (1, "tns", "SN Ia", None),
        (2, "tns", "AGN", None),
    )  # fmt: skip
    assert say(connection, *first) == 3
    assert only_kept(connection, "tns", "broker") == [Opinion(2, "tns", "AGN", None, 1)]
    assert only_kept(connection, "broker", "context") == [Opinion(1, "broker Fink b", "II", 0.75, 2)]
    assert only_kept(connection, "broker", "tns") == []
    # The same again changes nothing; then one says otherwise, and one nothing any more.
    assert say(connection, *first) == 0
    assert say(connection, *first[1:3]) == 2
    assert only_kept(connection, "broker", "context") == [Opinion(1, "broker Fink b", "II", 0.75, 1)]
    assert count_only(connection, "tns", "broker") == 0


def test_pages_go_on_where_the_last_one_ended(connection: psycopg.Connection[Any]) -> None:
    say(connection, *((number, "tns", "AGN", None) for number in range(250)), (7, "broker x", "AGN", 0.9))
    assert count_only(connection, "tns", "broker") == 249
    found: list[int] = []
    after = -1
    while page := only_kept(connection, "tns", "broker", after=after):
        found += [one.diaobjectid for one in page]
        after = found[-1]
    assert found == [number for number in range(250) if number != 7]
    with pytest.raises(ValueError, match="no kind of source 'gossip'"):
        only_kept(connection, "tns", "gossip")
