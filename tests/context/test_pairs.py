"""Pairs are those of a comparison of every position with every source."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.context.pairs import pairs, zones
from broker_assets.sky.separation import separation

AROUND = st.sampled_from([(0.0, 0.0), (0.0, 89.9), (359.99, -89.9), (120.0, 90.0), (40.0, -90.0), (180.0, 45.0)])
OFFSETS = st.lists(st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3)), min_size=0, max_size=12)


def points(centre: tuple[float, float], offsets: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    dec = np.clip(np.array([centre[1] + north for _, north in offsets], float), -90.0, 90.0)
    cosine = np.maximum(np.cos(np.radians(dec)), 1e-3)
    ra = np.mod(np.array([centre[0] + east for east, _ in offsets], float) / 1.0 / cosine, 360.0)
    return np.where(ra >= 360.0, 0.0, ra), dec


@given(AROUND, OFFSETS, OFFSETS, st.sampled_from([0.5, 3.0, 60.0, 1200.0, 14000.0]))
def test_pairs_are_those_of_brute_force(
    centre: tuple[float, float], positions: list[tuple[float, float]], others: list[tuple[float, float]], radius: float
) -> None:
    ra, dec = points(centre, positions)
    source_ra, source_dec = points(centre, others)
    found = pairs(zones(source_ra, source_dec, radius), ra, dec)
    expected = set()
    for place in range(len(ra)):
        for other in range(len(source_ra)):
            if float(separation(ra[place], dec[place], source_ra[other], source_dec[other])) <= radius:
                expected.add((place, other))
    got = list(zip(found.position.tolist(), found.source.tolist(), strict=True))
    # On the rim itself the last digit decides.
    rim = {
        pair
        for pair in expected.symmetric_difference(got)
        if abs(float(separation(ra[pair[0]], dec[pair[0]], source_ra[pair[1]], source_dec[pair[1]])) - radius)
        > 1e-6 * radius
    }
    assert not rim
    assert len(got) == len(set(got))
    order = np.lexsort((found.separation, found.position))
    assert order.tolist() == list(range(len(got)))


def test_many_pairs_are_all_kept() -> None:
    ra, dec = np.full(50, 359.9999), np.full(50, 0.0)
    found = pairs(zones(np.mod(ra + 0.0002, 360.0), dec, 10.0), ra, dec)
    assert len(found.position) == 2500
    np.testing.assert_allclose(found.separation, 0.72, rtol=1e-6)
