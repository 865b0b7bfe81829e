"""Curves from counts are those of the probabilities themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from broker_assets.tom.metrics.curves import BINS, Scores, calibration, curves

COUNTS = st.lists(st.integers(0, 5), min_size=BINS, max_size=BINS)


@given(COUNTS, COUNTS, st.integers(0, 9), st.integers(0, 9))
def test_the_area_is_the_chance_that_the_right_one_is_more_probable(
    right: list[int], wrong: list[int], unlisted_right: int, unlisted_wrong: int
) -> None:
    """By ranks (Mann and Whitney), over every message alone."""
    scores = Scores.of(right, wrong, unlisted_right=unlisted_right, unlisted_wrong=unlisted_wrong)
    values = np.concatenate([np.repeat(np.arange(BINS), scores.right), np.repeat(np.arange(BINS), scores.wrong)])
    n, m = int(scores.right.sum()), int(scores.wrong.sum())
    found = curves(scores)
    if not n or not m:
        assert np.isnan(found.area)
        return
    expected = (rankdata(values)[:n].sum() - n * (n + 1) / 2) / (n * m)
    assert found.area == pytest.approx(expected)


@given(COUNTS, COUNTS)
def test_each_point_of_the_curves_is_what_its_threshold_gives(right: list[int], wrong: list[int]) -> None:
    scores = Scores.of(right, wrong)
    found = curves(scores)
    n, m = scores.right.sum(), scores.wrong.sum()
    for place in (0, 1, 30, 99, BINS):
        at = BINS - place
        above, other = scores.right[at:].sum(), scores.wrong[at:].sum()
        if place:
            assert found.threshold[place] == at / BINS
        for value, count, total in (
            (found.true_positive_rate[place], above, n),
            (found.false_positive_rate[place], other, m),
            (found.precision[place], above, above + other),
        ):
            assert value == pytest.approx(count / total) if total else np.isnan(value)


def test_average_precision_of_a_known_case() -> None:
    """Three messages from the most probable one on: right, wrong, right: 1/2 · 1 + 1/2 · 2/3."""
    right, wrong = np.zeros(BINS, int), np.zeros(BINS, int)
    right[90], wrong[50], right[10] = 1, 1, 1
    assert curves(Scores.of(right, wrong)).average_precision == pytest.approx(5 / 6)


@given(COUNTS, COUNTS, st.sampled_from([1, 2, 5, 20, 100]))
def test_calibration_keeps_every_message(right: list[int], wrong: list[int], ranges: int) -> None:
    found = calibration(Scores.of(right, wrong), ranges)
    assert found.messages.sum() == sum(right) + sum(wrong)
    some = found.messages > 0
    assert np.isnan(found.right[~some]).all()
    assert ((found.right[some] >= 0) & (found.right[some] <= 1)).all()
    assert np.nansum(found.right * found.messages) == pytest.approx(sum(right))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="not 100"):
        Scores.of([1, 2], [1, 2])
    with pytest.raises(ValueError, match="negative"):
        Scores.of([-1] * BINS, [0] * BINS)
    with pytest.raises(ValueError, match="does not divide"):
        calibration(Scores.of([0] * BINS, [0] * BINS), 7)
