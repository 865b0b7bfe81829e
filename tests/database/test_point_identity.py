"""What makes two points the same."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.database.point_identity import PointKind, exposures, identities, mix

IDS = st.integers(-(2**63), 2**63 - 1)


@given(st.sets(IDS, max_size=50))
def test_different_numbers_have_different_hashes(numbers: set[int]) -> None:
    assert len(set(mix(np.array(sorted(numbers), np.int64)).tolist())) == len(numbers)


def test_hashes_are_those_of_splitmix64() -> None:
    """The first values of the generator with seed 0, as published with it: stored sums depend on them."""
    golden = np.uint64(0x9E3779B97F4A7C15)
    states = (np.arange(3, dtype=np.uint64) * golden).view(np.int64)
    assert [hex(value) for value in mix(states).tolist()] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


@given(st.lists(st.tuples(IDS, st.sampled_from([None, "g", "r", "y"])), max_size=20))
def test_limits_are_identified_by_exposure_and_band(limits: list[tuple[int, str | None]]) -> None:
    numbers, bands = [number for number, _ in limits], [band for _, band in limits]
    half = len(limits) // 2
    columns = pa.table(
        {
            "exposure": pa.array(numbers, pa.int64()),
            # In two pieces, whose dictionaries differ.
            "band": pa.chunked_array([pa.array(bands[:half], pa.string()), pa.array(bands[half:], pa.string())]),
        }
    )
    found = identities(PointKind.LIMIT, columns).tolist()
    assert len(set(found)) == len(set(limits))
    assert dict(zip(limits, found, strict=True)) == {limits[place]: found[place] for place in range(len(limits))}


def test_sources_and_forced_points_are_identified_by_their_number() -> None:
    numbers = np.array([5, 7])
    assert identities(PointKind.SOURCE, {"diasourceid": numbers}).tolist() == mix(numbers).tolist()
    assert identities(PointKind.FORCED, {"diaforcedsourceid": pa.array([5, 7])}).tolist() == mix(numbers).tolist()


def test_exposures_are_numbered_as_well_as_the_survey_does() -> None:
    columns = {
        "midpointmjdtai": np.array([60000.0, 60000.5, 60001.0, np.nan]),
        "ccdvisitid": pa.array([9, None, 0, None], pa.int64()),
        "visit": pa.array([1, 2, None, None], pa.int64()),
        "detector": pa.array([3, 4, None, None], pa.int32()),
    }
    assert exposures(columns, numbered=True).tolist() == [9, 2004, -60001 * 864000, 0]
    assert exposures(columns, numbered=False).tolist()[:2] == [-60000 * 864000, -60000.5 * 864000]
    assert exposures({"midpointmjdtai": columns["midpointmjdtai"]}, numbered=True)[0] == -60000 * 864000


@pytest.mark.parametrize("time", [60123.456, 60123.4567891])
def test_a_time_that_differs_in_the_last_digit_is_the_same_exposure(time: float) -> None:
    near = {"midpointmjdtai": np.array([np.nextafter(time, 0), time, np.nextafter(time, 1e9)])}
    assert len(set(exposures(near, numbered=False).tolist())) == 1
