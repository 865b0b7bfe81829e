"""Detections and forced photometry in one light curve."""

from __future__ import annotations

import joined_specimens
import numpy as np
import pytest

from broker_assets.lightcurves.joined_curves import SAME_EXPOSURE, Columns, JoinedCurves


def test_forced_points_of_an_image_with_a_detection_are_left_out() -> None:
    detections = Columns([0, 0, 1], [10.0, 20.0, 10.0], [1.0, 2.0, 3.0], [0.1, 0.1, 0.1], [1, 2, 1])
    forced = Columns(
        [0, 0, 0, 0, 1], [10.0, 10.0, 20.0 + SAME_EXPOSURE / 2, 20.0 + 2 * SAME_EXPOSURE, 20.0],
        [9.0, 8.0, 7.0, 6.0, 5.0], [0.1] * 5, [1, 2, 2, 2, 2],
    )  # fmt: skip
    found = JoinedCurves.of(3, detections, forced)
    assert found.offsets.tolist() == [0, 4, 6, 6]
    assert sorted(found.flux[:4]) == [1.0, 2.0, 6.0, 8.0], "another band, and later by more than an exposure"
    assert found.flux[4:].tolist() == [3.0, 5.0]
    assert found.detected.tolist().count(False) == 3
    assert len(found) == 3


@pytest.mark.parametrize("seed", range(5))
def test_as_one_object_at_a_time(seed: int) -> None:
    random = np.random.default_rng(seed)
    detections = joined_specimens.columns(random, 20, each=8, unknown=0.2)
    forced = joined_specimens.columns(random, 20, each=8)
    some = random.integers(0, len(np.asarray(detections.owner)), 40)
    again = Columns(*(np.asarray(part)[some] for part in detections))
    forced = Columns(*(np.concatenate(pair) for pair in zip(map(np.asarray, forced), again, strict=True)))
    found = JoinedCurves.of(20, detections, forced)
    taken = {(int(o), t, int(b)) for o, t, b in zip(detections.owner, detections.mjd, detections.band, strict=True)}
    expected = len(np.asarray(detections.owner)) + sum(
        (int(o), t, int(b)) not in taken for o, t, b in zip(forced.owner, forced.mjd, forced.band, strict=True)
    )
    assert len(found.mjd) == expected == found.offsets[-1]
    for number in range(20):
        assert (np.diff(found.mjd[found.offsets[number] : found.offsets[number + 1]]) >= 0).all()


def test_what_is_no_point_is_left_out() -> None:
    found = JoinedCurves.of(
        1, Columns([0] * 4, [1.0, np.nan, 3.0, 4.0], [1.0, 2.0, np.inf, 4.0], [0.0, 1.0, 1.0, -1.0], [0] * 4)
    )
    assert found.mjd.tolist() == [1.0, 4.0]
    assert np.isnan(found.error).all()
    assert len(JoinedCurves.of(0, Columns.none()).mjd) == 0


def test_a_point_without_an_object_is_refused() -> None:
    with pytest.raises(ValueError, match="there are 1"):
        JoinedCurves.of(1, Columns([1], [1.0], [1.0], [1.0], [0]))
