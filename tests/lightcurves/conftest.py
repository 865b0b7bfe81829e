"""Random light curves, as points and as compiled input."""

from __future__ import annotations

import numpy as np
import pytest
from feature_formulas import Point
from random_light_curves import points_of, random_objects

from broker_assets.lightcurves.curves import LightCurves


@pytest.fixture(params=range(3))
def objects(request: pytest.FixtureRequest) -> list[list[Point]]:
    """Random light curves, each in order of time."""
    return random_objects(request.param)


@pytest.fixture
def curves(objects: list[list[Point]]) -> LightCurves:
    """The same as input of the compiled passes, with reddening and distances."""
    random = np.random.default_rng(5)
    count = len(objects)
    return LightCurves.of(
        points_of(objects),
        ra=random.uniform(0, 360, count),
        dec=random.uniform(-90, 90, count),
        ebv=random.uniform(0, 1, count),
        explosive=random.random(count) < 0.8,
        distance=np.where(random.random(count) < 0.3, random.uniform(1, 100, count), np.nan),
        redshift=np.where(random.random(count) < 0.5, random.uniform(0, 2, count), np.nan),
        photometric_redshift=np.where(random.random(count) < 0.5, random.uniform(0, 2, count), np.nan),
    )
