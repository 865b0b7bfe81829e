"""Radii for other probabilities, and which circles can be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.sky.error_circles import ErrorCircle, EventNotice, contained_radius
from broker_assets.sky.notice_fields import BadNotice

PROBABILITY = st.floats(0.01, 0.999)


def test_the_radius_is_that_of_a_gaussian_in_two_dimensions() -> None:
    """Against positions drawn from one: the shares within the radii are the probabilities."""
    random = np.random.default_rng(7)
    distance = np.hypot(*random.normal(0.0, 1.0, (2, 400_000)))
    for probability in (0.393469, 0.5, 0.68, 0.9, 0.99):
        radius = contained_radius(1.0, 1 - math.exp(-0.5), probability)
        assert np.mean(distance <= radius) == pytest.approx(probability, abs=3e-3)


@given(given=PROBABILITY, wanted=PROBABILITY)
def test_there_and_back(given: float, wanted: float) -> None:
    assert contained_radius(contained_radius(3.0, given, wanted), wanted, given) == pytest.approx(3.0)


@pytest.mark.parametrize(
    "values",
    [(0, 91, 1, 0.9), (math.nan, 0, 1, 0.9), (800, 0, 1, 0.9), (0, 0, 0, 0.9), (0, 0, -1, 0.9), (0, 0, 181, 0.9),
     (0, 0, 1, 0.0), (0, 0, 1, 1.0), (0, 0, math.inf, 0.9)],
)  # fmt: skip
def test_what_cannot_be_is_refused(values: tuple[float, float, float, float]) -> None:
    with pytest.raises(BadNotice):
        ErrorCircle.checked(*values)


def test_right_ascension_is_within_one_turn() -> None:
    assert ErrorCircle.checked(-10.0, 0.0, 1.0, 0.9).ra == 350.0
    assert ErrorCircle.checked(360.0, 0.0, 1.0, 0.9).ra == 0.0


def test_the_digest_is_of_all_that_is_said() -> None:
    circle = ErrorCircle(1.0, 2.0, 0.1, 0.9)
    notices = [
        EventNotice("1", "initial", "a"),
        EventNotice("1", "update", "a"),
        EventNotice("1", "initial", "a", number=2),
        EventNotice("1", "initial", "a", circles=(circle,)),
        EventNotice("1", "initial", "a", circles=(ErrorCircle(1.0, 2.0, 0.1, 0.68),)),
    ]
    assert len({notice.digest for notice in notices}) == len(notices)
    assert EventNotice("1", "initial", "a", circles=(ErrorCircle(1.0, 2.0, 0.1, 0.9),)).digest == notices[3].digest
