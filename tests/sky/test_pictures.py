"""Footprints as pictures."""

from __future__ import annotations

import io

import matplotlib.image
import numpy as np
from matplotlib.colors import to_rgb
from mocpy import MOC

from broker_assets.sky.pictures import FOOTPRINT_COLOUR, footprint_png


def coloured(png: bytes) -> int:
    image = matplotlib.image.imread(io.BytesIO(png))[..., :3]
    return int((np.abs(image - np.array(to_rgb(FOOTPRINT_COLOUR))).max(axis=2) < 0.02).sum())


def test_area_is_filled_in_proportion() -> None:
    half = footprint_png(MOC.from_str("0/0-3 8-9"), title="half")
    quarter = footprint_png(MOC.from_str("0/0-2"))
    assert len(half) < 100_000
    assert 1.6 < coloured(half) / coloured(quarter) < 2.4


def test_a_tiny_area_is_seen() -> None:
    assert coloured(footprint_png(MOC.from_str("13/1000000"))) > 0


def test_cones_are_marked() -> None:
    assert coloured(footprint_png(ra=[10.0, 200.0], dec=[0.0, 45.0])) > 5
