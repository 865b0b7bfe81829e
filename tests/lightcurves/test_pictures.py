"""Plots of dust maps and features."""

from __future__ import annotations

import numpy as np

from broker_assets.lightcurves.dust import read_dust_map
from broker_assets.lightcurves.pictures import dust_png, histograms_png

LARGEST = 37_000
"""Bytes of a picture that fits into an event of Dagster's log once it is encoded."""


def test_pictures_are_small_enough_for_the_event_log() -> None:
    random = np.random.default_rng(1)
    many = {name: random.normal(size=20_000) for name in "abcde"}
    for picture in (dust_png(read_dust_map()), histograms_png(many)):
        assert picture.startswith(b"\x89PNG")
        assert len(picture) < LARGEST


def test_distributions_of_nothing_and_of_one_value() -> None:
    assert histograms_png({"none": np.full(5, np.nan), "one": np.ones(5)}).startswith(b"\x89PNG")
    assert histograms_png({}).startswith(b"\x89PNG")
