"""Sums of light curves: they follow the points, and survive the way through the database."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker_assets.database import engine, point_sums
from broker_assets.database.point_identity import PointKind, mix
from broker_assets.database.point_sums import MONTHS_KEPT, Changes, month_begins, months_of

POINTS = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from(list(PointKind)), st.integers(0, 30), st.integers(0, 20)),
    max_size=30,
    unique_by=lambda point: point[:3],
)
"""Object, kind, number, month."""


def changes(points: list[tuple[int, PointKind, int, int]], *, removed: bool = False) -> list[Changes]:
    found = []
    for kind in PointKind:
        rows = np.array([(o, n, m) for o, k, n, m in points if k is kind], np.int64).reshape(-1, 3)
        found.append(
            Changes(
                rows[:, 0], kind, np.asarray(60000.5 + 30.44 * rows[:, 2], np.float64),
                mix(rows[:, 1]), rows[:, 1] % 3 == 0,
                np.asarray(61000.0 + rows[:, 1], np.float64), rows[:, 1], removed,
            )
        )  # fmt: skip
    return found


def content(sums: point_sums.Sums) -> dict[tuple[int, int, int], tuple[int, int]]:
    return {
        (int(sums.objects[owner]), int(entry["kind"]), int(entry["month"])): (
            int(entry["number"]),
            int(entry["checksum"]),
        )
        for owner, entry in zip(sums.owner, sums.entries, strict=True)
    }


@pytest.mark.database
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(POINTS, POINTS, st.data())
def test_sums_follow_the_points(connection: psycopg.Connection[Any], first: Any, second: Any, data: Any) -> None:
    """Written in two batches, some removed again: the sums are those of what is left."""
    second = [point for point in second if point[:3] not in {known[:3] for known in first}]
    every = first + second
    removed = data.draw(st.lists(st.sampled_from(every), unique=True)) if every else []
    objects = np.array([1, 2, 3, 4])
    with connection.transaction(force_rollback=True):
        for points, is_removal in ((first, False), (second, False), (removed, True)):
            sums = point_sums.read(connection, objects, lock=True)
            point_sums.write(connection, sums.after(changes(points, removed=is_removal)), removal=is_removal)
        found = point_sums.read(connection, objects)
        left = [point for point in every if point not in removed]
        expected: dict[tuple[int, int, int], tuple[int, int]] = {}
        for one, kind, number, month in left:
            key = (one, int(kind), int(months_of([60000.5 + 30.44 * month])[0]))
            count, total = expected.get(key, (0, 0))
            expected[key] = (count + 1, (total + int(mix(np.array([number]))[0])) % 2**64)

        def counted(values: dict[tuple[int, int, int], tuple[int, int]]) -> dict[tuple[int, int, int], tuple[int, int]]:
            return {key: value for key, value in values.items() if key[2] >= found.since[key[0] - 1]}

        assert counted(content(found)) == counted(expected)
        # Of older months, at least those are kept that a packet since then provided points of.
        assert {
            (one, int(kind), int(months_of([60000.5 + 30.44 * month])[0]))
            for one, kind, number, month in left
            if number % 3 and months_of([61000.0 + number])[0] >= found.since[one - 1]
        } <= set(content(found))
        assert found.changes.tolist() == [2] * 4
        assert found.removals.tolist() == [1] * 4


@pytest.mark.database
def test_an_unknown_object_has_no_points_and_a_row_without_sums_is_not_believed(
    connection: psycopg.Connection[Any],
) -> None:
    connection.execute("INSERT INTO point_sums (diaobjectid) VALUES (7)")
    sums = point_sums.read(connection, np.array([9, 7, 9]))
    assert (sums.objects.tolist(), sums.known.tolist(), sums.changes.tolist()) == ([7, 9], [False, True], [0, -1])
    entry, known = sums.find(sums.place(np.array([7, 9])), np.array([0, 0]), np.array([660, 660]))
    assert (known.tolist(), entry["number"].tolist()) == ([False, True], [0, 0])


def test_old_months_are_dropped_and_not_taken_for_empty() -> None:
    nothing = point_sums.Sums(
        np.array([5]), np.array([0]), np.array([0]), np.array([True]), np.array([-(2**15)]),
        np.zeros(0, np.int64), np.zeros(0, point_sums.ENTRY),
    )  # fmt: skip
    ids = np.arange(3)
    times = month_begins(np.array([600, 600 + MONTHS_KEPT - 1, 600 + MONTHS_KEPT]))
    points = Changes(np.full(3, 5), PointKind.SOURCE, times, mix(ids), np.ones(3, bool), times, ids)
    sums = nothing.after([points])
    place, kind = np.zeros(2, np.int64), np.zeros(2, np.int64)
    entry, known = sums.find(place, kind, np.array([600, 600 + MONTHS_KEPT]))
    assert (known.tolist(), entry["number"].tolist()) == ([False, True], [0, 1])


@pytest.mark.database
def test_two_writers_of_a_new_object(database_url: str) -> None:
    """The second one fails, and sees the points of the first when it looks again."""
    points = changes([(3, PointKind.SOURCE, 8, 1)])
    with engine.connect(database_url) as one, engine.connect(database_url) as other:
        stale = point_sums.read(other, np.array([3]), lock=True)
        point_sums.write(one, point_sums.read(one, np.array([3]), lock=True).after(points))
        one.commit()
        with pytest.raises(psycopg.errors.UniqueViolation), other.transaction():
            point_sums.write(other, stale.after(points))
        assert point_sums.read(other, np.array([3]), lock=True).entries["number"].tolist() == [1]


def test_removed_points_are_noticed_unless_they_came_back() -> None:
    def sums(removals: int, numbers: list[int]) -> point_sums.Sums:
        start = point_sums.Sums(
            np.array([5]), np.array([1]), np.array([removals]), np.array([True]), np.array([-(2**15)]),
            np.zeros(0, np.int64), np.zeros(0, point_sums.ENTRY),
        )  # fmt: skip
        return start.after(changes([(5, PointKind.FORCED, number, 2) for number in numbers]))

    before = sums(0, [1, 2])
    assert sums(0, [1, 2, 3]).removed_since(before).tolist() == [False]
    assert sums(1, [2, 1]).removed_since(before).tolist() == [False]
    assert sums(1, [1]).removed_since(before).tolist() == [True]
    assert sums(1, []).removed_since(before).tolist() == [True]
