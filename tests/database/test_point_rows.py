"""Rows of points are written as the rule says, whatever happened since they were compared."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest

from broker_assets.database import point_sums
from broker_assets.database.alerts import AlertRows, write
from broker_assets.database.point_identity import PointKind, mix
from broker_assets.database.point_rows import PointsRemovedError, remove_points, write_points
from broker_assets.database.point_selection import Listed, Triggers
from broker_assets.database.point_sums import month_begins
from broker_assets.database.stored_points import MOST_MONTHS, Comparison, compare, stored_in

pytestmark = pytest.mark.database

Make = Callable[..., pa.Table]
NIGHT = datetime.date(2026, 1, 1)
FORCED = "SELECT diaforcedsourceid, midpointmjdtai, psfflux, broughtby, night FROM diaforcedsources ORDER BY 1"


def one(make: Make, time: float, flux: float, *, by: int, at: float, night: datetime.date = NIGHT) -> pa.Table:
    """Forced point 5 of object 7, as a packet brings it."""
    return make([7], time, diaforcedsourceid=5, psfflux=flux, broughtby=by, broughtbymjdtai=at, night=night)


def compared(connection: psycopg.Connection[Any], *, at: float, by: int) -> Comparison:
    """What a packet that lists point 5 finds out."""
    points = Listed(
        np.array([0]),
        np.array([PointKind.FORCED], np.int8),
        np.array([7]),
        mix(np.array([5])),
        np.array([61000.0]),
        np.array([False]),
    )
    return compare(connection, Triggers(np.array([7]), np.array([by]), np.array([at])), points)[1]


def sums_are_those_of_the_rows(connection: psycopg.Connection[Any]) -> bool:
    """Count the stored points anew."""
    objects = np.array([row[0] for row in connection.execute("SELECT diaobjectid FROM point_sums ORDER BY 1")])
    kept = point_sums.read(connection, objects)
    none = np.zeros(objects.size, np.int64)
    empty = point_sums.Sums(
        objects, none, none, np.zeros(objects.size, bool), none, none[:0], np.zeros(0, point_sums.ENTRY)
    )
    points = [stored_in(connection, kind, objects, None).changes(kind) for kind in PointKind]
    counted = empty.after(points, counted=np.ones(objects.size, bool))
    names = ["kind", "month", "number", "checksum"]
    return bool(kept.known.all()) and np.array_equal(kept.entries[names], counted.entries[names])


def test_sums_that_are_wrong_are_counted_anew(
    connection: psycopg.Connection[Any], make_sources: Make, make_forced: Make
) -> None:
    """Whatever somebody did to them: no point is stored twice, and they are right again."""
    rows = AlertRows(sources=make_sources([7, 8], 61010.0), forced_sources=make_forced([7, 8], [61000.0, 60960.0]))
    write(connection, rows, ingestid=1)
    assert sums_are_those_of_the_rows(connection)
    for damage in (
        "UPDATE point_sums SET months = NULL",
        "UPDATE point_sums AS one SET months = other.months FROM point_sums AS other"
        " WHERE one.diaobjectid <> other.diaobjectid",
        "DELETE FROM point_sums WHERE diaobjectid = 7",
    ):
        connection.execute(damage)
        before = compare(
            connection,
            Triggers(np.array([7, 8]), np.array([17010, 18010]), np.array([61012.0, 61012.0])),
            Listed(
                np.array([0, 1]), np.full(2, PointKind.FORCED, np.int8), np.array([7, 8]),
                mix(np.array([7 * 1000 + 61000, 8 * 1000 + 60960])), np.array([61000.0, 60960.0]), np.zeros(2, bool),
            ),
        )[1]  # fmt: skip
        assert write(connection, rows, ingestid=2, comparison=before).forced_sources == 0
        assert connection.execute("SELECT count(*) FROM diaforcedsources").fetchone() == (2,)
    write(connection, AlertRows(sources=make_sources([7, 8], 61011.0)), ingestid=3)
    assert sums_are_those_of_the_rows(connection)


def test_an_earlier_packet_replaces_the_row_with_its_time(
    connection: psycopg.Connection[Any], make_forced: Make
) -> None:
    later = NIGHT + datetime.timedelta(days=3)
    for rows in (
        one(make_forced, 61000.0, 1.0, by=30, at=61030.0, night=later),
        one(make_forced, np.nextafter(61000.0, 0), 2.0, by=20, at=61020.0),
        one(make_forced, 61000.0, 3.0, by=25, at=61025.0, night=later),
    ):
        write_points(connection, {PointKind.FORCED: rows})
    assert connection.execute(FORCED).fetchall() == [(5, np.nextafter(61000.0, 0), 2.0, 20, NIGHT)]


def test_a_time_in_another_month_is_found_by_the_packet_that_replaces_it(
    connection: psycopg.Connection[Any], make_forced: Make
) -> None:
    """The last instant of a month and the first of the next are the same point."""
    begin = 61041.0  # 1 January 2026
    write_points(connection, {PointKind.FORCED: one(make_forced, begin, 1.0, by=30, at=61050.0)})
    counts = write_points(
        connection, {PointKind.FORCED: one(make_forced, np.nextafter(begin, 0), 2.0, by=20, at=61049.0)}
    )
    assert counts[PointKind.FORCED].total == 1
    assert [row[2] for row in connection.execute(FORCED)] == [2.0]


@pytest.mark.parametrize("by_comparison", [False, True])
@pytest.mark.parametrize(
    "times", [(61000.0, 61045.0, 60800.0), (60800.0, 61000.0, 61000.0), (61300.0, 60700.0, 61000.0)]
)
def test_a_source_without_object_has_one_row_whatever_its_time(
    connection: psycopg.Connection[Any], make_sources: Make, times: tuple[float, ...], by_comparison: bool
) -> None:
    """It has no sums, and is found by its number in every month; that of another survey's asteroid is another one."""
    none = Listed(*(np.zeros(0, kind) for kind in (np.int64, np.int8, np.int64, np.uint64, np.float64, bool)))
    for time in times:
        rows = make_sources([0, 0], [time, 60999.0], diasourceid=[99, 98])
        triggers = Triggers(np.array([0, 0]), np.array([99, 98]), np.array([time, 60999.0]))
        comparison = compare(connection, triggers, none)[1] if by_comparison else None
        write(connection, AlertRows(sources=rows), ingestid=1, comparison=comparison)
    stored = "SELECT diasourceid, midpointmjdtai FROM diasources ORDER BY 1"
    assert connection.execute(stored).fetchall() == [(98, 60999.0), (99, times[0])]


def test_points_of_more_months_than_are_asked_for_one_by_one(
    connection: psycopg.Connection[Any], make_forced: Make
) -> None:
    """Months are those of the points, or all: never more or fewer points than are stored in them."""
    times = month_begins(np.arange(500, 500 + MOST_MONTHS + 5)) + 3.0
    write(connection, AlertRows(sources=pa.table({}), forced_sources=make_forced(7, times)), ingestid=1)
    for count in (1, 3, MOST_MONTHS, MOST_MONTHS + 1):
        months = np.arange(501, 501 + count)
        found = stored_in(connection, PointKind.FORCED, np.full(count, 7), months)
        assert np.isin(times[1 : count + 1], found.midpointmjdtai).all()
        if count <= MOST_MONTHS:
            assert np.sort(found.midpointmjdtai).tolist() == times[1 : count + 1].tolist()
    apart = stored_in(connection, PointKind.FORCED, np.array([7, 8, 7]), np.array([500, 501, 503]))
    assert np.sort(apart.midpointmjdtai).tolist() == times[[0, 3]].tolist()


@pytest.mark.parametrize("seed", range(4))
def test_of_the_same_point_in_a_batch_the_earliest_packet_counts(
    connection: psycopg.Connection[Any], make_forced: Make, seed: int
) -> None:
    """Whatever the order of the rows is, and however many points are there once or several times."""
    random = np.random.default_rng(seed)
    number = random.integers(0, 60, 100)
    by, at = random.integers(1, 5, 100), 61000.0 + random.integers(0, 4, 100)
    rows = make_forced(
        number % 7 + 1, 60999.0, diaforcedsourceid=number, psfflux=np.arange(100.0), broughtby=by, broughtbymjdtai=at
    )
    write_points(connection, {PointKind.FORCED: rows})
    best: dict[int, tuple[float, int, int]] = {}
    for point, *rank in zip(number.tolist(), at.tolist(), by.tolist(), range(100), strict=True):
        best[point] = min(best.get(point, (np.inf, 0, 0)), (rank[0], rank[1], rank[2]))
    found = connection.execute(
        "SELECT diaforcedsourceid, broughtbymjdtai, broughtby, psfflux FROM diaforcedsources"
    ).fetchall()
    assert {row[0]: row[1:] for row in found} == best, "of equal ones, the first row counts"
    assert len(found) == len(best)


def test_what_was_stored_since_the_comparison_is_compared_again(
    connection: psycopg.Connection[Any], make_forced: Make
) -> None:
    before = compared(connection, at=61020.0, by=20)
    write_points(connection, {PointKind.FORCED: one(make_forced, 61000.0, 1.0, by=10, at=61010.0)})
    counts = write_points(connection, {PointKind.FORCED: one(make_forced, 61000.0, 2.0, by=20, at=61020.0)}, before)
    assert counts[PointKind.FORCED].total == 0
    assert [row[2] for row in connection.execute(FORCED)] == [1.0]


def test_points_removed_since_the_comparison_are_not_taken_for_stored(
    connection: psycopg.Connection[Any], make_sources: Make, make_forced: Make
) -> None:
    rows = AlertRows(
        sources=make_sources([7], 61010.0, night=NIGHT),
        forced_sources=one(make_forced, 61000.0, 1.0, by=10, at=61010.0),
    )
    write(connection, rows, ingestid=1)
    before = compared(connection, at=61020.0, by=20)
    new = {PointKind.FORCED: make_forced([7], 61001.0, diaforcedsourceid=6, broughtby=20, broughtbymjdtai=61020.0)}
    assert remove_points(connection, NIGHT, 1).count == {PointKind.SOURCE: 1, PointKind.FORCED: 1, PointKind.LIMIT: 0}
    with pytest.raises(PointsRemovedError), connection.transaction():
        write_points(connection, new, before)
    # A night that is rebuilt brings the same points again: nothing has to be decoded again then.
    write(connection, rows, ingestid=2)
    assert write_points(connection, new, before)[PointKind.FORCED].total == 1
