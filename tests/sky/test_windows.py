"""Cones that hold for some time: alone, in an index that changes, and on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.sky.cones import build_cone_index, match_cones, update_cone_index
from broker_assets.sky.store import read_cone_index, write_cone_index
from broker_assets.sky.windows import NO_WINDOWS, TimeWindows


def bounds(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows of rows, many of which have none or one bound."""
    since = random.choice([np.nan, 61000.0, 61001.0, 61003.0], count)
    until = since + random.choice([np.nan, 0.0, 1.0, 5.0], count)
    return since, np.where(np.isnan(since), random.choice([np.nan, 61002.0], count), until)


def holds(since: float, until: float, mjd: float) -> bool:
    """The definition, written out."""
    if np.isnan(since) and np.isnan(until):
        return True
    return not np.isnan(mjd) and not mjd < since and not mjd > until


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_hits_are_those_within_the_window_also_after_changes(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 60))
    ra, dec, radius = random.uniform(0, 360, count), random.uniform(-80, 80, count), np.full(count, 9.0)
    since, until = bounds(random, count)
    part = int(random.integers(0, count + 1))
    old, new = slice(0, part), slice(part, count)
    removed = random.random(part) < random.choice([0.0, 0.4, 1.0])
    stays = np.concatenate([~removed, np.ones(count - part, bool)])
    ids = np.arange(count)
    index = update_cone_index(
        build_cone_index(ra[old], dec[old], radius[old], cone=ids[old], windows=TimeWindows.of(since[old], until[old])),
        removed=removed,
        added=build_cone_index(
            ra[new], dec[new], radius[new], cone=ids[new], windows=TimeWindows.of(since[new], until[new])
        ),
    )
    rebuilt = build_cone_index(
        ra[stays], dec[stays], radius[stays], cone=ids[stays], windows=TimeWindows.of(since[stays], until[stays])
    )
    assert index.version == rebuilt.version
    mjd = random.choice([60999.0, 61000.0, 61001.5, 61004.0, 61008.0, np.nan], count)
    hits = match_cones(index, ra, dec, mjd=mjd)
    found = set(zip(hits.position.tolist(), index.cone[hits.cone].tolist(), strict=True))
    geometry = match_cones(index, ra, dec)
    every = set(zip(geometry.position.tolist(), index.cone[geometry.cone].tolist(), strict=True))
    assert found == {(at, cone) for at, cone in every if holds(since[cone], until[cone], mjd[at])}


def test_windows_are_read_as_they_were_written(tmp_path: Path) -> None:
    windows = TimeWindows.of([np.nan, 61000.0, np.nan], [np.nan, 61001.0, 61002.0])
    index = build_cone_index([1.0, 2.0, 3.0], [0.0] * 3, [5.0] * 3, windows=windows)
    assert write_cone_index(tmp_path, index) == index.version
    back = read_cone_index(tmp_path)
    assert back.windows.row.tolist() == [1, 2]
    assert back.windows.since.tolist() == [61000.0, -np.inf]
    assert back.windows.until.tolist() == [61001.0, 61002.0]


def test_the_version_sees_windows_and_not_their_order() -> None:
    def version(order: list[int], since: list[float], until: list[float]) -> str:
        place = np.array(order)
        return build_cone_index(
            np.array([1.0, 2.0])[place], [0.0, 0.0], [5.0, 5.0], cone=np.array([7, 8])[place],
            windows=TimeWindows.of(np.array(since)[place], np.array(until)[place]),
        ).version  # fmt: skip

    usual = version([0, 1], [61000.0, np.nan], [61001.0, np.nan])
    assert usual == version([1, 0], [61000.0, np.nan], [61001.0, np.nan])
    others = [
        version([0, 1], [61000.5, np.nan], [61001.0, np.nan]),
        version([0, 1], [61000.0, np.nan], [61001.5, np.nan]),
        version([0, 1], [np.nan, 61000.0], [np.nan, 61001.0]),
        build_cone_index([1.0, 2.0], [0.0, 0.0], [5.0, 5.0], cone=[7, 8]).version,
    ]
    assert len({usual, *others}) == 5


def test_a_window_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="row 1"):
        TimeWindows.of([np.nan, 61001.0], [61000.0, 61000.0])


def test_rows_without_a_window_always_hold() -> None:
    assert NO_WINDOWS.hold(np.array([0, 5]), np.array([np.nan, 0.0])).tolist() == [True, True]
