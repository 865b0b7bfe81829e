"""Steps of a telemetry file through the register, each of which says where to go on."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.telemetry.reception import steps
from broker_assets.telemetry.reception.folders import Listed
from broker_assets.telemetry.reception.register import RegisteredFile, due, observe

pytestmark = pytest.mark.database

FOLDER = "file:///incoming"
NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
LATER = NOON + datetime.timedelta(days=1)
DAY = datetime.date(2026, 11, 20)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(database_url, autocommit=True) as opened:
        yield opened


def listed(name: str, size: int = 10) -> Listed:
    return Listed(f"{FOLDER}/{name}", name, f"/incoming/{name}", size, NOON)


def arrived(connection: psycopg.Connection[Any], *names: str) -> list[RegisteredFile]:
    observe(connection, FOLDER, [listed(name) for name in names], NOON)
    found = due(connection, LATER, 60.0, folders=[FOLDER], most=99)
    return sorted(found, key=lambda file: file.name)


def row(connection: psycopg.Connection[Any], file: RegisteredFile, *columns: str) -> tuple[Any, ...]:
    found = connection.execute(
        f"SELECT {', '.join(columns)} FROM telemetry_file WHERE telemetryfileid = %s",  # type: ignore[arg-type]
        (file.telemetryfileid,),
    ).fetchone()
    assert found is not None
    return found


def processed(connection: psycopg.Connection[Any], file: RegisteredFile, bad: list[steps.BadPiece]) -> None:
    days = {"quicklook": [DAY], "science": [DAY, DAY + datetime.timedelta(days=1)]}
    steps.set_processed(connection, file, packets=9, new=7, bad=bad, days=days, run_id="r", now=LATER)


def test_pauses_grow_with_failures() -> None:
    pauses = [steps.delay_after(number) for number in range(1, 12)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == datetime.timedelta(hours=6)


def test_copying(connection: psycopg.Connection[Any]) -> None:
    [file] = arrived(connection, "a")
    steps.set_staging(connection, file)
    assert row(connection, file, "state") == ("staging",)
    steps.set_waiting(connection, file, "the disk is full")
    assert row(connection, file, "state", "reason") == ("new", "the disk is full")
    steps.set_copy_failed(connection, file, "connection lost", NOON)
    assert row(connection, file, "state", "copies", "next_try") == ("failed", 1, NOON + steps.delay_after(1))
    steps.set_staged(connection, file, "abc", "1-a", NOON)
    assert row(connection, file, "state", "sha256", "copies", "next_try", "reason") == ("staged", "abc", 0, None, None)
    steps.set_lost(connection, file)
    assert row(connection, file, "state", "staged", "reason") == ("new", None, "our copy was lost")


def test_a_file_that_changed_while_it_was_copied(connection: psycopg.Connection[Any]) -> None:
    grown, gone = arrived(connection, "a", "b")
    steps.set_changed(connection, grown, listed("a", 20), "it grew", LATER)
    steps.set_changed(connection, gone, None, "it went", LATER)
    assert row(connection, grown, "state", "size", "unchanged_since", "reason") == ("new", 20, LATER, "it grew")
    assert row(connection, gone, "state", "size") == ("gone", 10)


def test_attempts(connection: psycopg.Connection[Any]) -> None:
    [file] = arrived(connection, "a")
    steps.set_tries(connection, file, 2)
    assert row(connection, file, "state", "tries") == ("staged", 2)
    steps.set_failed(connection, file, 2, "no memory", NOON)
    assert row(connection, file, "state", "next_try") == ("failed", NOON + steps.delay_after(2))
    steps.set_quarantined(connection, file, "five attempts failed")
    assert row(connection, file, "state", "next_try", "reason") == ("quarantined", None, "five attempts failed")


def test_a_processed_file_has_its_days_and_bad_packets_once(connection: psycopg.Connection[Any]) -> None:
    [file] = arrived(connection, "a")
    bad = [steps.BadPiece(0, 1, "cut", b"one"), steps.BadPiece(50, None, "not hexadecimal", b"\x00\xff")]
    for _ in range(2):  # a run that dies before the report does it again
        processed(connection, file, bad)
    assert row(connection, file, "state", "packets", "new_packets", "bad_packets") == ("processed", 9, 7, 2)
    days = connection.execute("SELECT family, day FROM telemetry_file_day ORDER BY 1, 2").fetchall()
    assert days == [("quicklook", DAY), ("science", DAY), ("science", DAY + datetime.timedelta(days=1))]
    kept = connection.execute("SELECT position, number, reason, data FROM telemetry_quarantine ORDER BY 1").fetchall()
    assert kept == [(piece.position, piece.number, piece.reason, piece.data) for piece in bad]


def test_known_content_takes_over_the_counts(connection: psycopg.Connection[Any]) -> None:
    first, second = arrived(connection, "a", "b")
    processed(connection, first, [])
    steps.set_known(connection, second, (first.telemetryfileid, "a"), "r", LATER)
    assert row(connection, second, "state", "same_as", "packets", "new_packets", "reason") == (
        "processed", first.telemetryfileid, 9, 0, "same content as a",
    )  # fmt: skip
    assert [row(connection, file, "reported_at") for file in (first, second)] == [(None,), (LATER,)]


def test_packets_that_newer_databases_know_leave_the_quarantine(connection: psycopg.Connection[Any]) -> None:
    first, other = arrived(connection, "a", "b")
    processed(connection, first, [steps.BadPiece(0, 1, "unknown", b"one"), steps.BadPiece(9, 2, "cut", b"two")])
    processed(connection, other, [steps.BadPiece(0, 1, "cut", b"three")])
    connection.execute("UPDATE telemetry_file SET reported_at = now()")
    steps.set_unreported(connection, ["a"])
    assert row(connection, first, "reported_at") == (None,)
    assert row(connection, other, "reported_at") != (None,)
    day = DAY + datetime.timedelta(days=9)
    steps.set_decoded(connection, ["a"], [b"one"], {"science": [day]})
    left = connection.execute("SELECT data FROM telemetry_quarantine ORDER BY data").fetchall()
    assert left == [(b"three",), (b"two",)]
    assert [row(connection, file, "bad_packets") for file in (first, other)] == [(1,), (1,)]
    given = connection.execute("SELECT telemetryfileid FROM telemetry_file_day WHERE day = %s", (day,)).fetchall()
    assert given == [(first.telemetryfileid,)]
