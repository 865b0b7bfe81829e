"""Random light curves, as points and as compiled input."""

from __future__ import annotations

import numpy as np
from feature_formulas import BANDS, Point

from broker_assets.lightcurves.curves import Points
from broker_assets.lightcurves.photometry import band_codes


def points_of(objects: list[list[Point]]) -> Points:
    """Light curves of some objects."""
    rows = [(number, point) for number, points in enumerate(objects) for point in points]
    return Points.of(
        len(objects),
        [number for number, _ in rows],
        [point.mjd for _, point in rows],
        [point.flux for _, point in rows],
        band_codes([point.band for _, point in rows]),
        [np.nan if point.reliability is None else point.reliability for _, point in rows],
    )


def random_objects(seed: int, count: int = 200) -> list[list[Point]]:
    """Light curves with gaps, pairs within minutes, negative fluxes, unknown bands and missing reliabilities."""
    random = np.random.default_rng(seed)
    objects = []
    for _ in range(count):
        number = int(random.integers(1, 40))
        nights = 61000.0 + np.sort(random.integers(0, 90, number))
        times = nights + np.round(random.uniform(0, 0.1, number), 3)
        fluxes = random.normal(random.choice([0, 2000]), 1500, number)
        if random.random() < 0.1:
            fluxes[:] = 700.0
        objects.append(
            sorted(
                (
                    Point(float(time), float(flux), "w" if random.random() < 0.02 else BANDS[random.integers(0, 6)],
                          None if random.random() < 0.1 else float(random.random()))
                    for time, flux in zip(times, fluxes, strict=True)
                ),
                key=lambda point: point.mjd,
            )
        )  # fmt: skip
    return objects
