"""Which files are due, and catching up."""

from __future__ import annotations

import datetime
from types import ModuleType
from typing import Any

import pytest

from broker_assets.database import engine
from broker_assets.tns.cadence import (
    AppliedFile,
    DueFile,
    applied_files,
    apply_content,
    catch_up,
    due_files,
)
from broker_assets.tns.client import Bot, TnsClient

UTC = datetime.UTC


def at(day: int, hour: int = 0, minute: int = 0) -> datetime.datetime:
    return datetime.datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def applied(files: list[DueFile], when: datetime.datetime) -> list[AppliedFile]:
    return [AppliedFile(file.name, file.kind, file.covers_until, when) for file in files]


def kinds(files: list[DueFile]) -> list[tuple[str, datetime.datetime]]:
    return [(file.kind, file.covers_until) for file in files]


def test_the_first_time_everything_is_fetched() -> None:
    assert kinds(due_files([], at(20, 2, 40))) == [("full", at(20)), ("hour", at(20, 1)), ("hour", at(20, 2))]


def test_nothing_is_due_twice() -> None:
    now = at(20, 2, 40)
    assert due_files(applied(due_files([], now), now), now) == []


def test_each_hour_and_each_day() -> None:
    known = applied(due_files([], at(20, 2, 40)), at(20, 2, 40))
    assert due_files(known, at(20, 3, 29)) == []
    [hour] = due_files(known, at(20, 3, 30))
    assert (hour.name, hour.covers_until) == ("tns_public_objects_02.csv.zip", at(20, 3))
    # the next day: the day's file at ten past eight, and the hours after midnight
    due = due_files(known, at(21, 8, 10))
    assert kinds(due)[0] == ("day", at(21))
    assert due[0].name == "tns_public_objects_20261120.csv.zip"
    assert kinds(due)[1:] == [("hour", at(21, hour)) for hour in range(1, 8)]
    # before that, the hours of the night before
    assert kinds(due_files(known, at(21, 1, 0)))[-1] == ("hour", at(21, 0))


def test_after_an_outage_every_day_is_fetched() -> None:
    known = applied(due_files([], at(10, 0, 10)), at(10, 0, 10))
    due = due_files(known, at(15, 9, 0))
    assert [file.name[19:27] for file in due if file.kind == "day"] == [f"202611{day}" for day in range(10, 15)]


def test_a_long_outage_and_the_timetable_bring_the_full_file() -> None:
    known = applied(due_files([], at(5, 0, 10)), at(5, 0, 10))
    assert due_files(known, at(25, 9, 0))[0].kind == "full"
    known = [AppliedFile("tns_public_objects.csv.zip", "full", at(2), at(2))]
    assert all(file.kind != "full" for file in due_files(known, at(4, 9, 14)))
    assert due_files(known, at(4, 9, 15))[0] == DueFile("tns_public_objects.csv.zip", "full", at(4))
    assert due_files(known, at(6))[0].kind == "full"


@pytest.mark.database
def test_a_full_file_covers_what_its_first_line_says(tns: ModuleType, database_url: str) -> None:
    """One that TNS made the day before must not delete what has come since, nor count as up to date."""
    rows = [tns.tns_row(n, f"2026{n}", n, 1.0, lastmodified="2026-11-18 01:00:00") for n in range(1, 6)]
    new = tns.tns_row(9, "2026z", 9, 1.0, lastmodified="2026-11-19 03:00:00")
    stale = tns.zipped(tns.bulk_csv(rows, banner="2026-11-18 00:00:00 - 23:59:59"))
    latest = tns.zipped(tns.bulk_csv([new], banner="2026-11-19 03:00:00 - 03:59:59"))
    with engine.connect(database_url, autocommit=True) as connection:
        hour = DueFile("tns_public_objects_03.csv.zip", "hour", at(19, 4))
        full = DueFile("tns_public_objects.csv.zip", "full", at(20))
        for _ in range(2):  # also where the file is known
            assert apply_content(connection, stale, full).deleted == 0
            apply_content(connection, latest, hour)
        assert apply_content(connection, stale, full).deleted == 0
        assert connection.execute("SELECT count(*) FROM crossmatch_tns").fetchone() == (6,)
        [applied_full] = [file for file in applied_files(connection) if file.kind == "full"]
        assert applied_full.covers_until == at(19)
        day = DueFile("tns_public_objects_20261119.csv.zip", "day", at(20))
        assert day in due_files([applied_full], at(20, 9, 0))


@pytest.mark.database
@pytest.mark.parametrize(
    ("kind", "until", "banner", "ready"),
    [
        ("hour", at(20, 4), "2026-11-19 03:00:00 - 03:59:59", False),
        ("hour", at(20, 4), "2026-11-20 03:00:00 - 03:59:59", True),
        ("hour", at(20, 4), "2026-11-20 02:00:00 - 02:59:59", False),
        ("hour", at(20, 4), "some words", True),
        ("hour", at(20, 4), None, True),
        ("day", at(20), "2026-11-18 00:00:00 - 23:59:59", False),
        ("day", at(20), "2026-11-19 00:00:00 - 23:59:59", True),
    ],
)
def test_the_file_of_another_time_under_the_same_name_stays_due(
    peer: Any, tns: ModuleType, database_url: str, kind: Any, until: datetime.datetime, banner: str | None, ready: bool
) -> None:
    due = DueFile("late.csv.zip", kind, until)
    peer.files[due.name] = tns.zipped(tns.bulk_csv([tns.tns_row(1, "2026a", 1, 1.0)], banner=banner))
    with (
        engine.connect(database_url) as connection,
        TnsClient(Bot(tns.KEY, tns.BOT_ID, tns.BOT_NAME), bulk_url=peer.bulk_url) as client,
    ):
        done = catch_up(connection, client, [due])
        assert (list(done.refreshes), done.missing) == (([due.name], ()) if ready else ([], (due.name,)))
        assert [file.name for file in applied_files(connection)] == list(done.refreshes)


@pytest.mark.database
def test_catching_up(peer: Any, tns: ModuleType, database_url: str) -> None:
    now = at(20, 3, 40)
    peer.put("tns_public_objects.csv.zip", [tns.tns_row(n, f"2026{n}", n, 1.0) for n in range(1, 6)])
    peer.put("tns_public_objects_00.csv.zip", [tns.tns_row(6, "2026f", 6, 1.0)])
    peer.files["tns_public_objects_01.csv.zip"] = b"<html>busy</html>"
    with (
        engine.connect(database_url) as connection,
        TnsClient(Bot(tns.KEY, tns.BOT_ID, tns.BOT_NAME), bulk_url=peer.bulk_url) as client,
    ):
        done = catch_up(connection, client, due_files(applied_files(connection), now))
        assert {name: refresh.new for name, refresh in done.refreshes.items()} == {
            "tns_public_objects.csv.zip": 5,
            "tns_public_objects_00.csv.zip": 1,
        }
        assert done.missing == ("tns_public_objects_02.csv.zip",)
        assert list(done.damaged) == ["tns_public_objects_01.csv.zip"]
        assert connection.execute("SELECT count(*) FROM crossmatch_tns").fetchone() == (6,)
        # what failed stays due
        assert [file.name for file in due_files(applied_files(connection), now)] == [
            "tns_public_objects_01.csv.zip",
            "tns_public_objects_02.csv.zip",
        ]
