"""Nights rebuilt in parallel, and a live stream, with packets of the same objects and orbits: nobody is rolled back."""

from __future__ import annotations

import logging
import os
import random
import threading
from types import ModuleType
from typing import Any

import pytest

from broker_assets.settings import DrainSettings
from broker_assets.stream.reprocess import reprocess_night

pytestmark = [pytest.mark.database, pytest.mark.slow]

SURVEYS = {"alerts": "rubin"}
FULL = bool(os.environ.get("BROKER_TEST_FULL"))
NIGHTS = 8 if FULL else 7
"""The last arrives by the stream while the others are rebuilt."""
ROUNDS = 10 if FULL else 2
TABLES = ("diasources", "diaforcedsources", "objects", "sssources", "ssobjects", "mpc_orbits")
NOT_COMPARED = ("ingestid", "archivefileid", "archiveposition", "archivelength", "timestamp")


def asteroid(packets: ModuleType, number: int, visit: int, mjd: float) -> bytes:
    """An alert of a solar-system object, with its orbit; most have another identifier from night to night."""
    designation, number = f"2025 A{number}", number + (1000 * int(mjd - 61000.0) if number > 10 else 0)
    record = packets.alert(0, [(visit, mjd)], history=False, cutout_bytes=8)
    source = number * 100_000 + visit
    record["diaObject"] = None
    record["diaSourceId"] = source
    record["diaSource"] |= {"diaSourceId": source, "diaObjectId": None, "ssObjectId": number}
    record["ssSource"] = packets.blank("ssSource") | {
        "diaSourceId": source,
        "ssObjectId": number,
        "designation": designation,
    }
    record["mpc_orbits"] = packets.blank("mpc_orbits") | {"designation": designation, "e": mjd % 1}
    return bytes(packets.encode(record))


def survey(packets: ModuleType, generator: random.Random) -> list[tuple[int, bytes]]:
    """Packets with their nights; in each night all objects are seen, in another order."""
    found = []
    for night in range(NIGHTS):
        visits = [(2 * past + half, 61000.2 + past + 0.01 * half) for past in range(night + 1) for half in (0, 1)]
        # Some objects are seen in all nights, most in one.
        objects = [*range(1, 4), *range(100 * night + 100, 100 * night + 120)]
        listed = [
            packets.encode(packets.alert(number, visits[: len(visits) - half], cutout_bytes=8))
            for number in (objects if night % 2 else objects[3:])
            for half in (0, 1)
        ]
        listed += [asteroid(packets, number, *visits[-1 - half]) for number in range(1, 40) for half in (0, 1)]
        generator.shuffle(listed)
        found += [(night, value) for value in listed]
    return found


def test_nights_rebuilt_in_parallel_beside_the_stream(
    broker: Any, packets: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    generator = random.Random(5)
    values = survey(packets, generator)
    # Small batches, so that a night is many files, whose objects are in no order from one file to the next.
    settings = DrainSettings(batch_max=25, batch_seconds=0.02, idle_seconds=0.01)
    before = [value for night, value in values if night < NIGHTS - 1]
    later = [value for night, value in values if night == NIGHTS - 1]
    source = packets.ListSource.of(before)
    broker.drain(source, settings=settings)
    nights = [row[0] for row in broker.query("SELECT DISTINCT night::text FROM archive_file ORDER BY 1")]
    assert len(nights) == NIGHTS - 1
    failures: list[BaseException] = []

    def attempt(work: Any, *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as error:  # noqa: BLE001 (reported below)
            failures.append(error)

    def rebuild(night: str) -> None:
        reprocess_night(broker.database_url, night, surveys=SURVEYS, plan=broker.plan)

    with caplog.at_level(logging.WARNING):
        for number in range(ROUNDS):
            share = later[number::ROUNDS]
            for value in share:
                source.append(0, value)
            threads = [threading.Thread(target=attempt, args=(rebuild, night)) for night in nights]
            threads.append(threading.Thread(target=attempt, args=(lambda: broker.drain(source, settings=settings),)))
            generator.shuffle(threads)
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert failures == []
    assert "deadlock" not in caplog.text
    found = {table: broker.rows(table, without=NOT_COMPARED) for table in TABLES}
    for night in [
        *nights,
        *{row[0] for row in broker.query("SELECT DISTINCT night::text FROM archive_file")} - {*nights},
    ]:
        rebuild(night)
    assert {table: broker.rows(table, without=NOT_COMPARED) for table in TABLES} == found
    broker.assert_closed_ledger()
