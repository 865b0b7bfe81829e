"""Pictures in metadata: small enough for the event log, and still what they were."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from broker_assets.assets.metadata import PLOT_BYTES, rate_plot, reduced_png

LINE = {(31, 119, 180): 40, (255, 127, 14): 60, (44, 160, 44): 80, (214, 39, 40): 100, (148, 103, 189): 120}
"""Colours of a legend, and the rows of their lines."""


def png(pixels: np.ndarray) -> bytes:
    """A picture of (height, width, 3) bytes."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="png")
    return stream.getvalue()


def shown(value: Any) -> np.ndarray:
    """Pixels of a picture in metadata."""
    content = base64.b64decode(str(value.value).split("base64,")[1].rstrip(")"))
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


@pytest.mark.parametrize("rates", [[(3.0, 120.0)], [(3.0, 120.0), (5.0, 60.0)], [(0.5, 10.0), (9.0, 1000.0)]])
def test_the_plot_of_a_run_has_an_area_for_each_batch(rates: list[tuple[float, float]]) -> None:
    """As large as the messages: rate times time; also with a single batch."""
    pixels = shown(rate_plot(rates, {"p50": 1.5}))
    blue = pixels[..., 2] - pixels[..., 0] > 20
    messages = np.diff([0.0, *(end for end, _ in rates)]) @ np.array([rate for _, rate in rates])
    box = rates[-1][0] * max(rate for _, rate in rates)
    # The margins of the axes are a few per cent.
    columns, rows = np.flatnonzero(blue.any(axis=0)), np.flatnonzero(blue.any(axis=1))
    inside = blue[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert inside.size > 0.4 * blue.size
    assert abs(inside.mean() - messages / box) < 0.06


def test_a_run_without_batches_has_no_plot() -> None:
    assert rate_plot([], {}) is None


def test_a_legend_keeps_its_colours() -> None:
    """Thin lines have the colours of the curves, however few pixels they are."""
    pixels = np.full((600, 1200, 3), 255, dtype=np.uint8)
    noise = np.random.default_rng(1)
    for band, colour in enumerate(LINE):
        # Curves of different weight, the first a few pixels and the last a broad band.
        for column in range(0, 1200, 40 if band == 0 else 1):
            height = int(noise.integers(5, 10 + 30 * band))
            pixels[300 + 50 * band : 300 + 50 * band + height, column] = colour
        pixels[LINE[colour] : LINE[colour] + 2, 1000:1050] = colour
    value = reduced_png(png(pixels))
    assert value is not None
    text = str(value.value)
    assert len(text) < PLOT_BYTES + 100
    small = shown(value)
    for colour, row in LINE.items():
        line = small[round((row + 0.5) * 0.6), 605:625].mean(axis=0)
        # The line is thinner than a pixel now: its colour mixed with white.
        tints = np.linspace(0.3, 1.0, 71)[:, None] * (np.array(colour) - 255) + 255
        assert np.abs(tints - line).max(axis=1).min() < 25, (colour, line)


def test_a_picture_that_is_too_large_is_left_out() -> None:
    """Noise cannot be made small."""
    pixels = np.random.default_rng(2).integers(0, 256, size=(800, 1600, 3), dtype=np.uint8)
    assert reduced_png(png(pixels)) is None
