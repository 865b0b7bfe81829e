"""Rows of alerts are written exactly once, and what is newer is never lost to what is older."""

from __future__ import annotations

import datetime
import random
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest

from broker_assets.database import engine
from broker_assets.database.alerts import AlertRows, NightCounts, delete_night, write

pytestmark = pytest.mark.database

Make = Callable[..., pa.Table]
NIGHT = datetime.date(2026, 1, 1)
NEXT = datetime.date(2026, 1, 2)


def _all(connection: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def test_a_batch_becomes_rows_and_is_counted(
    connection: psycopg.Connection[Any], make_sources: Make, make_forced: Make, make_objects: Make
) -> None:
    counts = write(
        connection,
        AlertRows(
            sources=make_sources([7, 3, 5], [61042.0, 61042.1, 61042.2], night=[NIGHT, NEXT, NIGHT]),
            history=make_sources([7, 7], [61030.0, 61031.0], archive=None),
            forced_sources=make_forced([7, 7, 5], [61040.0, 61041.0, 61041.0]),
            objects=make_objects([7, 3, 5], [61042.0, 61042.1, 61042.2], night=[NIGHT, NEXT, NIGHT]),
        ),
        ingestid=11,
    )
    assert (counts.stored, counts.duplicate, counts.sources, counts.forced_sources, counts.objects) == (3, 0, 5, 3, 3)
    assert counts.nights == {
        NIGHT: NightCounts(stored=2, sources=4, forced_sources=3, objects=2),
        NEXT: NightCounts(stored=1, sources=1, objects=1),
    }
    assert _all(
        connection, "SELECT diaobjectid, archiveposition, ingestid FROM diasources ORDER BY midpointmjdtai"
    ) == [
        (7, None, 11),
        (7, None, 11),
        (7, 0, 11),
        (3, 100, 11),
        (5, 200, 11),
    ]


def test_the_same_batch_again_changes_nothing(
    connection: psycopg.Connection[Any], make_sources: Make, make_forced: Make, make_objects: Make
) -> None:
    rows = AlertRows(
        sources=make_sources([7, 3], 61042.0),
        history=make_sources([7], 61030.0, archive=None),
        forced_sources=make_forced([7, 3], 61040.0),
        objects=make_objects([7, 3], 61042.0),
    )
    write(connection, rows, ingestid=1)
    before = _all(connection, "SELECT * FROM diasources, objects, diaforcedsources ORDER BY 1, 2, 3")
    again = write(connection, rows, ingestid=2)
    assert (again.stored, again.duplicate, again.sources, again.forced_sources, again.objects) == (0, 2, 0, 0, 0)
    assert again.nights == {NIGHT: NightCounts(duplicate=2)}
    assert _all(connection, "SELECT * FROM diasources, objects, diaforcedsources ORDER BY 1, 2, 3") == before


def test_a_source_twice_in_a_batch_is_stored_once_with_the_first_position(
    connection: psycopg.Connection[Any], make_sources: Make
) -> None:
    rows = make_sources([7, 7, 7], 61042.0)
    counts = write(connection, AlertRows(sources=rows, history=rows.drop_columns(["archiveposition"])), ingestid=1)
    assert (counts.stored, counts.duplicate, counts.sources) == (1, 2, 1)
    assert _all(connection, "SELECT archiveposition FROM diasources") == [(0,)]


def test_a_source_known_from_a_history_is_completed_by_its_packet(
    connection: psycopg.Connection[Any], make_sources: Make, make_objects: Make
) -> None:
    late = make_sources([7], 61030.0, night=NIGHT)
    write(
        connection,
        AlertRows(
            sources=make_sources([7], 61042.0, night=NEXT),
            history=make_sources([7], 61030.0, archive=None, night=NEXT),
            objects=make_objects([7], 61042.0),
        ),
        ingestid=1,
    )
    counts = write(connection, AlertRows(sources=late), ingestid=2)
    assert (counts.stored, counts.duplicate) == (1, 0)
    assert _all(connection, "SELECT night, ingestid, archiveposition FROM diasources WHERE midpointmjdtai = 61030") == [
        (NIGHT, 2, 0)
    ]
    assert write(connection, AlertRows(sources=late), ingestid=3).duplicate == 1


def test_an_older_alert_does_not_change_a_newer_object(
    connection: psycopg.Connection[Any], make_sources: Make, make_forced: Make, make_objects: Make
) -> None:
    def alert(mjd: float, forced: float, ra: float) -> AlertRows:
        return AlertRows(
            sources=make_sources([7], mjd),
            forced_sources=make_forced([7], forced),
            objects=make_objects([7], mjd, ra=ra),
        )

    stored = "SELECT ra, lastdiasourcemjdtai, lastforcedmjdtai FROM objects"
    write(connection, alert(61042.0, 61039.0, 1.0), ingestid=1)
    assert write(connection, alert(61041.0, 61040.0, 2.0), ingestid=2).objects == 0
    assert _all(connection, stored) == [(1.0, 61042.0, 61040.0)]
    assert write(connection, alert(61043.0, 61038.0, 3.0), ingestid=3).objects == 1
    assert _all(connection, stored) == [(3.0, 61043.0, 61040.0)]


def test_reprocessing_writes_an_object_of_the_same_age_again(
    connection: psycopg.Connection[Any], make_sources: Make, make_objects: Make
) -> None:
    first = AlertRows(sources=make_sources([7], 61042.0), objects=make_objects([7], 61042.0, ra=1.0))
    mended = AlertRows(sources=first.sources, objects=make_objects([7], 61042.0, ra=2.0))
    write(connection, first, ingestid=1)
    assert write(connection, mended, ingestid=2).objects == 0
    assert write(connection, mended, ingestid=3, replace=True).objects == 1
    assert _all(connection, "SELECT ra FROM objects") == [(2.0,)]


def test_the_newest_of_an_object_in_a_batch_counts_and_features_of_others_stay(
    connection: psycopg.Connection[Any], make_sources: Make, make_objects: Make
) -> None:
    write(connection, AlertRows(sources=make_sources([7], 61040.0), objects=make_objects([7], 61040.0)), ingestid=1)
    connection.execute("UPDATE objects SET tns_name = '2026abc', absmag = -19")
    objects = make_objects([7, 7, 7], [61041.0, 61043.0, 61042.0], ra=[1.0, 3.0, 2.0])
    counts = write(connection, AlertRows(sources=make_sources([7], 61043.0), objects=objects), ingestid=2)
    assert counts.objects == 1
    assert _all(connection, "SELECT ra, tns_name, absmag FROM objects") == [(3.0, "2026abc", -19.0)]


def test_a_time_that_is_no_number_keeps_nothing_out(
    connection: psycopg.Connection[Any], make_sources: Make, make_objects: Make
) -> None:
    for last in (np.nan, 61042.0, np.inf, 61043.0):
        write(connection, AlertRows(sources=make_sources([], []), objects=make_objects([7], last)), ingestid=1)
    assert _all(connection, "SELECT lastdiasourcemjdtai FROM objects") == [(61043.0,)]


@pytest.mark.parametrize("time", [np.nan, np.inf, 2461000.5, 1480360995.0, 0.0])
def test_a_point_with_a_damaged_time_is_never_a_row(
    connection: psycopg.Connection[Any], make_sources: Make, make_forced: Make, time: float
) -> None:
    good = make_sources([7], 61042.0)
    for rows in (
        AlertRows(sources=make_sources([7, 8], [61042.0, time], diasourceid=[1, 2])),
        AlertRows(sources=good, history=make_sources([7], time, diasourceid=3, archive=None)),
        AlertRows(sources=good, forced_sources=make_forced([7], time, diaforcedsourceid=4)),
    ):
        with pytest.raises(ValueError, match="midpointmjdtai"), connection.transaction():
            write(connection, rows, ingestid=1)
    assert _all(connection, "SELECT count(*) FROM diasources, diaforcedsources") == [(0,)]


def test_the_solar_system_has_no_object(connection: psycopg.Connection[Any], make_sources: Make) -> None:
    seen = make_sources([0, 0], [61042.0, 61042.0], diasourceid=[51, 52], ssobjectid=[8, 9])
    night = [NIGHT, NIGHT]
    rows = AlertRows(
        sources=seen,
        solar_system_sources=pa.table(
            {"ssobjectid": [8, 9], "diasourceid": [51, 52], "survey": [1, 1], "night": night, "packet": [0, 1]}
        ),
        solar_system_objects=pa.table(
            {"ssobjectid": [8, 9], "lastdiasourcemjdtai": [61042.0] * 2, "survey": [1, 1], "night": night}
        ),
        orbits=pa.table(
            {
                "designation": ["2026 AB", "2026 AA"],
                "lastdiasourcemjdtai": [61042.0] * 2,
                "survey": [1, 1],
                "night": night,
            }
        ),
    )
    counts = write(connection, rows, ingestid=1)
    assert (counts.stored, counts.objects, counts.solar_system_sources) == (2, 0, 2)
    assert (counts.solar_system_objects, counts.orbits) == (2, 2)
    again = write(connection, rows, ingestid=2)
    assert (again.stored, again.duplicate, again.solar_system_sources, again.orbits) == (0, 2, 0, 0)
    assert _all(connection, "SELECT count(*) FROM objects") == [(0,)]


def test_limits_are_written_once(connection: psycopg.Connection[Any], make_sources: Make) -> None:
    limits = pa.table(
        {
            "diaobjectid": [7, 7, 7],
            "midpointmjdtai": [61041.0, 61041.0, 61041.0],
            "exposure": [5, 5, 5],
            "broughtby": [7, 7, 7],
            "broughtbymjdtai": [61042.0, 61042.0, 61042.0],
            "band": ["g", "r", "g"],
            "dianoise": [1.0, 2.0, 1.0],
            "survey": [1, 1, 1],
            "night": [NIGHT] * 3,
        }
    )
    rows = AlertRows(sources=make_sources([7], 61042.0), nondetections=limits)
    assert write(connection, rows, ingestid=1).nondetections == 2
    assert write(connection, rows, ingestid=2).nondetections == 0


def test_a_batch_without_rows_and_a_packet_without_position(
    connection: psycopg.Connection[Any], make_sources: Make
) -> None:
    empty = write(connection, AlertRows(sources=make_sources([7], 61042.0).slice(1)), ingestid=1)
    assert (empty.stored, empty.duplicate, empty.nights) == (0, 0, {})
    with pytest.raises(ValueError, match="archivefileid"):
        write(connection, AlertRows(sources=make_sources([7], 61042.0, archive=None)), ingestid=1)


def test_rows_that_are_stored_although_the_sums_deny_it_are_found(
    connection: psycopg.Connection[Any], make_sources: Make, make_forced: Make
) -> None:
    first = AlertRows(sources=make_sources([7, 8], 61042.0), forced_sources=make_forced([7, 8], 61040.0))
    more = AlertRows(sources=make_sources([6, 7, 8], 61042.0), forced_sources=make_forced([6, 7, 8], 61040.0))
    write(connection, first, ingestid=1)
    for number, damage in enumerate(("DELETE FROM point_sums", "UPDATE point_sums SET months = NULL"), 2):
        connection.execute(damage)
        counts = write(connection, more, ingestid=number)
        assert (counts.stored + counts.duplicate, counts.sources, counts.forced_sources) == (
            3,
            *((1, 1) if number == 2 else (0, 0)),
        )
    assert _all(connection, "SELECT count(*) FROM point_sums WHERE months IS NULL") == [(0,)]


def test_writers_at_once_store_each_row_once_and_never_block_each_other_for_good(
    database_url: str, make_sources: Make, make_forced: Make, make_objects: Make
) -> None:
    writers, rounds, objects = 4, 6, 60
    stored: list[int] = []
    failures: list[BaseException] = []

    def work(number: int) -> None:
        shuffle = random.Random(number)
        try:
            with engine.connect(database_url, statement_timeout=60) as connection:
                for step in range(rounds):
                    ids = list(range(1, objects + 1))
                    shuffle.shuffle(ids)
                    rows = AlertRows(
                        sources=make_sources(ids, 61042.0 + step),
                        forced_sources=make_forced(ids, 61041.0 + step),
                        objects=make_objects(ids, 61042.0 + step),
                    )
                    with connection.transaction():
                        counts = write(connection, rows, ingestid=number)
                    stored.append(counts.stored)
        except BaseException as error:  # noqa: BLE001 - a failure of a thread is to fail the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(stored) == rounds * objects
    with engine.connect(database_url) as connection:
        assert _all(connection, "SELECT count(*) FROM diasources") == [(rounds * objects,)]
        assert _all(connection, "SELECT count(*) FROM diaforcedsources") == [(rounds * objects,)]
        assert _all(connection, "SELECT count(*), min(lastdiasourcemjdtai) FROM objects") == [
            (objects, 61042.0 + rounds - 1)
        ]


def test_a_night_is_deleted_for_one_survey(
    connection: psycopg.Connection[Any], make_sources: Make, make_forced: Make, make_objects: Make
) -> None:
    for survey, ids in ((1, [1, 2]), (2, [3])):
        for night, mjd in ((NIGHT, 61042.0), (NEXT, 61043.0)):
            rows = AlertRows(
                sources=make_sources(ids, mjd, night=night, survey=survey),
                forced_sources=make_forced(ids, mjd, night=night, survey=survey),
                objects=make_objects(ids, mjd, night=night, survey=survey),
            )
            write(connection, rows, ingestid=1)
    deleted = delete_night(connection, NIGHT, 1).counts
    assert (deleted["diasources"], deleted["diaforcedsources"], deleted["sssources"]) == (2, 2, 0)
    assert _all(connection, "SELECT survey, night, count(*) FROM diasources GROUP BY 1, 2 ORDER BY 1, 2") == [
        (1, NEXT, 2),
        (2, NIGHT, 1),
        (2, NEXT, 1),
    ]
