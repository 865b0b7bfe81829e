"""Watermarks of batches on their way are what they will be after the commits."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.stream.watermarks import NewestTimes, Overlay

points = st.lists(st.tuples(st.integers(1, 6), st.floats(50_000, 70_000)), max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(points, points), max_size=4), st.integers(0, 4))
def test_equals_waiting_for_the_commits(batches: list[tuple[list, list]], committed: int) -> None:
    """However many of the batches ahead are committed already when the database is read."""
    everything: tuple[dict[int, float], dict[int, float]] = ({}, {})
    database: tuple[dict[int, float], dict[int, float]] = ({}, {})
    overlay = Overlay(len(batches) or 1)
    for number, batch in enumerate(batches):
        for kind, rows in enumerate(batch):
            for object_id, time in rows:
                for known in (everything, database) if number < committed else (everything,):
                    known[kind][object_id] = max(time, known[kind].get(object_id, -np.inf))
        arrays: list[Any] = [
            np.array([row[column] for row in rows], kind)
            for rows in batch
            for column, kind in ((0, np.int64), (1, np.float64))
        ]
        overlay.add(NewestTimes.of(*arrays))
    wanted = np.array([3, 1, 2, 3, 9])
    read = [np.array([known.get(int(n), -np.inf) for n in wanted]) for known in database]
    source, forced = overlay.raise_watermarks(wanted, *read)
    assert source.tolist() == [everything[0].get(int(n), -np.inf) for n in wanted]
    assert forced.tolist() == [everything[1].get(int(n), -np.inf) for n in wanted]


def test_sources_without_object_set_no_watermark() -> None:
    """0 stands for none: solar-system sources must not hide one another."""
    newest = NewestTimes.of(np.array([0, 5]), np.array([60_000.0, 60_001.0]), np.zeros(0, np.int64), np.zeros(0))
    assert newest.objects.tolist() == [5]
