"""Points are compared with the stored ones: what is new, what an earlier packet brings, what need not be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest

from broker_assets.database.alerts import AlertRows, write
from broker_assets.database.point_identity import PointKind, mix, unmix
from broker_assets.database.point_selection import Listed, Triggers
from broker_assets.database.point_sums import months_of
from broker_assets.database.stored_points import StoredPoints, compare, prevails, stored_in

pytestmark = pytest.mark.database

Make = Callable[..., pa.Table]


def forced(*points: tuple[int, float], trigger: int = 0) -> Listed:
    """Forced points of object 7: number and time."""
    return Listed(
        np.full(len(points), trigger),
        np.full(len(points), PointKind.FORCED, np.int8),
        np.full(len(points), 7),
        mix(np.array([number for number, _ in points], np.int64)),
        np.array([time for _, time in points]),
        np.zeros(len(points), bool),
    )


def packet(time: float, source: int = 1) -> Triggers:
    return Triggers(np.array([7]), np.array([source]), np.array([time]))


@pytest.fixture
def stored(connection: psycopg.Connection[Any], make_sources: Make, make_forced: Make) -> psycopg.Connection[Any]:
    """Object 7 with three forced points in two months, brought by a packet of 61042."""
    rows = make_forced(
        [7, 7, 7], [61000.0, 61001.0, 61030.0], diaforcedsourceid=[1, 2, 3], broughtbymjdtai=61042.0, broughtby=9
    )
    write(connection, AlertRows(sources=make_sources([7], 61042.0, diasourceid=9), forced_sources=rows), ingestid=1)
    return connection


def test_only_what_is_not_stored_is_kept(stored: psycopg.Connection[Any]) -> None:
    keep, found = compare(stored, packet(61043.0), forced((1, 61000.0), (2, 61001.0), (3, 61030.0), (4, 61031.0)))
    assert keep.tolist() == [False, False, False, True]
    assert found.stored[PointKind.FORCED].identity.size == 0


def test_a_point_that_came_late_is_kept(stored: psycopg.Connection[Any]) -> None:
    """The points of its month are compared one by one, whatever their times are in the last digit."""
    points = forced((1, np.nextafter(61000.0, 0)), (8, 61000.5), (2, np.nextafter(61001.0, 1e9)))
    assert compare(stored, packet(61043.0), points)[0].tolist() == [False, True, False]


def test_an_earlier_packet_brings_its_points_again(stored: psycopg.Connection[Any]) -> None:
    keep, found = compare(stored, packet(61041.0), forced((1, 61000.0), (2, 61001.0)))
    assert keep.tolist() == [True, True]
    assert sorted(found.stored[PointKind.FORCED].midpointmjdtai) == [61000.0, 61001.0]


def test_a_source_that_is_stored_is_found(stored: psycopg.Connection[Any]) -> None:
    none = forced()
    assert compare(stored, packet(61042.0, 9), none)[1].stored[PointKind.SOURCE].own.tolist() == [True]
    assert compare(stored, packet(61042.0, 8), none)[1].stored[PointKind.SOURCE].own.tolist() == []


def test_a_source_without_object_is_found_among_all_of_its_month(
    connection: psycopg.Connection[Any], make_sources: Make
) -> None:
    """There are as many as asteroids that the survey detects in the month: only those asked for are read."""
    numbers = np.arange(1, 501)
    rows = make_sources(np.zeros(500, int), 61042.0, diasourceid=numbers)
    write(connection, AlertRows(sources=rows), ingestid=1)
    connection.execute("ANALYZE diasources")
    connection.execute("SET LOCAL enable_seqscan = off")  # a table of the size of a survey is not read whole
    read = (
        "SELECT sum(coalesce(idx_tup_fetch, 0) + coalesce(seq_tup_read, 0)) FROM pg_stat_xact_user_tables"
        " WHERE relname LIKE 'diasources%'"
    )
    before = connection.execute(read).fetchone()
    triggers = Triggers(np.zeros(3, np.int64), np.array([7, 400, 900]), np.array([61042.0, 61043.0, 61080.0]))
    found = compare(connection, triggers, forced())[1]
    after = connection.execute(read).fetchone()
    assert before is not None
    assert after is not None
    assert sorted(unmix(found.stored[PointKind.SOURCE].identity).tolist()) == [7, 400]
    assert after[0] - before[0] <= 3


def test_points_of_a_month_or_of_all_times(stored: psycopg.Connection[Any]) -> None:
    month = months_of([61000.0])
    assert sorted(stored_in(stored, PointKind.FORCED, np.array([7]), month).midpointmjdtai) == [61000.0, 61001.0]
    assert stored_in(stored, PointKind.FORCED, np.array([7, 7]), None).midpointmjdtai.size == 3
    assert stored_in(stored, PointKind.FORCED, np.array([8]), None).midpointmjdtai.size == 0


def test_the_own_packet_prevails_and_else_the_earliest() -> None:
    over = StoredPoints(
        diaobjectid=np.zeros(5, np.int64),
        identity=mix(np.arange(5)),
        midpointmjdtai=np.zeros(5),
        own=np.array([True, False, False, False, False]),
        broughtbymjdtai=np.array([5.0, 5.0, 5.0, 5.0, -np.inf]),
        broughtby=np.array([3, 3, 3, 3, 0]),
        withdrawn=np.full(5, np.nan),
    )
    assert prevails(np.ones(5, bool), np.full(5, 9.0), np.full(5, 9), over).tolist() == [False, True, True, True, True]
    listed = prevails(np.zeros(5, bool), np.array([1.0, 5.0, 5.0, 4.0, 1.0]), np.array([1, 3, 2, 9, 1]), over)
    assert listed.tolist() == [False, False, True, True, False]


def test_objects_with_the_number_of_their_first_source_are_different_points() -> None:
    """As Rubin numbers them."""
    numbers = np.arange(1, 1000, dtype=np.int64)
    none = StoredPoints.none()
    points = StoredPoints(
        numbers,
        mix(numbers),
        np.zeros(999),
        np.zeros(999, bool),
        np.zeros(999),
        np.zeros(999, np.int64),
        np.full(999, np.nan),
    ).joined(none)
    assert np.unique(points.key).size == 999


def test_new_objects_of_one_batch_are_all_stored(connection: psycopg.Connection[Any], make_sources: Make) -> None:
    numbers = [8, 9, 10]
    write(connection, AlertRows(sources=make_sources(numbers, 61042.0, diasourceid=numbers)), ingestid=1)
    row = connection.execute("SELECT array_agg(diasourceid ORDER BY 1) FROM diasources").fetchone()
    assert row == (numbers,)
