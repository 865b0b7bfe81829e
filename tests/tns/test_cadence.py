"""Which files are due, and catching up."""

from __future__ import annotations

import datetime
from types import ModuleType
from typing import Any

import pytest

from broker_assets.database import engine
from broker_assets.tns.cadence import AppliedFile, DueFile, applied_files, catch_up, due_files
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
