"""The register follows what a folder has, and says what a run has to do."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.telemetry.reception.folders import Listed
from broker_assets.telemetry.reception.register import (
    SEEN_AGAIN,
    due,
    folder_state,
    known_content,
    observe,
    retry,
    set_reported,
    staged_path,
    take_over,
    unreported,
    waiting,
)

pytestmark = pytest.mark.database

FOLDER = "file:///incoming"
NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(database_url, autocommit=True) as opened:
        yield opened


def listed(name: str, size: int = 10, minutes: int = 0) -> Listed:
    return Listed(f"{FOLDER}/{name}", name, f"/incoming/{name}", size, NOON + datetime.timedelta(minutes=minutes))


def after(seconds: float) -> datetime.datetime:
    return NOON + datetime.timedelta(seconds=seconds)


def states(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT name, version, state FROM telemetry_file ORDER BY name, version").fetchall()


def test_a_file_is_due_once_it_has_not_changed_for_a_while(connection: psycopg.Connection[Any]) -> None:
    assert observe(connection, FOLDER, [listed("a", 10)], NOON) == 1
    assert waiting(connection, after(59), 60.0).files == 0
    assert observe(connection, FOLDER, [listed("a", 20)], after(59)) == 1
    assert waiting(connection, after(100), 60.0).files == 0, "it has grown meanwhile"
    found = waiting(connection, after(120), 60.0)
    assert (found.files, found.bytes) == (1, 20)
    (file,) = due(connection, after(120), 60.0, folders=[FOLDER], most=9)
    assert (file.name, file.version, file.size, file.state) == ("a", 1, 20, "new")
    assert due(connection, after(120), 60.0, folders=["file:///elsewhere"], most=9) == []


def test_an_unchanged_folder_writes_nothing(connection: psycopg.Connection[Any]) -> None:
    files = [listed("a"), listed("b")]
    observe(connection, FOLDER, files, NOON)
    assert observe(connection, FOLDER, files, after(10)) == 0
    assert observe(connection, FOLDER, files, NOON + SEEN_AGAIN) == 0
    seen = connection.execute("SELECT DISTINCT last_seen FROM telemetry_file").fetchall()
    assert seen == [(NOON + SEEN_AGAIN,)], "now and then it is noted that they are still there"


def test_what_went_comes_back_and_what_was_processed_gets_a_version(connection: psycopg.Connection[Any]) -> None:
    observe(connection, FOLDER, [listed("a"), listed("b")], NOON)
    connection.execute("UPDATE telemetry_file SET state = 'processed', processed_at = now() WHERE name = 'b'")
    observe(connection, FOLDER, [], after(10))
    assert states(connection) == [("a", 1, "gone"), ("b", 1, "processed")]
    observe(connection, FOLDER, [listed("a"), listed("b", 11)], after(20))
    assert states(connection) == [("a", 1, "new"), ("b", 1, "processed"), ("b", 2, "new")]


def test_a_run_that_died_leaves_its_copies_to_the_next(connection: psycopg.Connection[Any], tmp_path: Path) -> None:
    observe(connection, FOLDER, [listed("a"), listed("b"), listed("c")], NOON)
    connection.execute("UPDATE telemetry_file SET state = 'staging' WHERE name = 'a'")
    connection.execute("UPDATE telemetry_file SET state = 'staged', staged = 'x/c', sha256 = 'c' WHERE name = 'c'")
    assert take_over(connection) == 1
    found = due(connection, after(1), 0.0, folders=[], most=9)
    assert [file.name for file in found] == ["c"], "without its folder only what has been copied"
    assert staged_path(tmp_path, found[0]) is None
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "c").touch()
    assert staged_path(tmp_path, found[0]) == tmp_path / "x" / "c"
    assert [file.name for file in due(connection, after(1), 0.0, folders=[FOLDER], most=2)] == ["c", "a"]


def test_known_content_has_the_first_name(connection: psycopg.Connection[Any]) -> None:
    observe(connection, FOLDER, [listed("b"), listed("c")], NOON)
    connection.execute("UPDATE telemetry_file SET state = 'processed', processed_at = now(), sha256 = 'same'")
    found = known_content(connection, "same", "d")
    assert found is not None
    assert found[1] == "b"
    assert known_content(connection, "same", "a") is None, "it would be the first itself"
    assert known_content(connection, "other", "d") is None


def test_days_are_reported_once(connection: psycopg.Connection[Any]) -> None:
    observe(connection, FOLDER, [listed("a"), listed("b")], NOON)
    connection.execute("UPDATE telemetry_file SET state = 'processed', processed_at = now()")
    day = datetime.date(2021, 1, 17)
    connection.execute(
        "INSERT INTO telemetry_file_day (telemetryfileid, family, day)"
        " SELECT telemetryfileid, 'quicklook', %s FROM telemetry_file WHERE name = 'a'",
        (day,),
    )
    files, days = unreported(connection)
    assert (len(files), days) == (2, {"quicklook": {day}})
    set_reported(connection, files, NOON)
    assert unreported(connection) == ([], {})


def test_what_was_given_up_is_tried_again_on_request(connection: psycopg.Connection[Any]) -> None:
    observe(connection, FOLDER, [listed("a"), listed("b")], NOON)
    connection.execute("UPDATE telemetry_file SET state = 'quarantined', tries = 6, reason = 'no telemetry'")
    before = folder_state(connection, FOLDER)
    assert before.states == {"quarantined": 2}
    assert waiting(connection, after(9), 0.0).files == 0
    row = connection.execute("SELECT telemetryfileid FROM telemetry_file WHERE name = 'b'").fetchone()
    assert row is not None
    assert retry(connection, [row[0]]) == 1
    now = folder_state(connection, FOLDER)
    assert now.states == {"new": 1, "quarantined": 1}
    assert now.version != before.version
    assert retry(connection) == 1
