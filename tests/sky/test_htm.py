"""HTM trixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.sky.htm import htm


def test_values_of_the_contract() -> None:
    found = htm([9.057050050707765, 53.090594], [-44.117973609689805, -29.651906])
    assert found.tolist() == [38173659759, 38585371763]


@given(st.floats(0, 360), st.floats(-90, 90), st.integers(1, 29))
def test_a_deeper_trixel_lies_in_the_one_above(ra: float, dec: float, level: int) -> None:
    assert htm([ra], [dec], level=level)[0] >> 2 == htm([ra], [dec], level=level - 1)[0]


def test_roots_share_the_sky_evenly() -> None:
    random = np.random.default_rng(0)
    roots = htm(random.uniform(0, 360, 80_000), np.degrees(np.arcsin(random.uniform(-1, 1, 80_000))), level=0)
    assert set(roots.tolist()) == set(range(8, 16))
    assert np.bincount(roots)[8:].min() > 9_500


def test_refuses() -> None:
    with pytest.raises(ValueError, match="level 30"):
        htm([0.0], [0.0], level=30)
    with pytest.raises(ValueError, match="declination"):
        htm([0.0], [95.0])
