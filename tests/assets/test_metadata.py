"""Pictures in metadata: small enough for the event log, and still what they were."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from broker_assets.assets.metadata import PLOT_BYTES, reduced_png

LINE = {(31, 119, 180): 40, (255, 127, 14): 60, (44, 160, 44): 80, (214, 39, 40): 100, (148, 103, 189): 120}
"""Colours of a legend, and the rows of their lines."""


def png(pixels: np.ndarray) -> bytes:
    """A picture of (height, width, 3) bytes."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="png")
    return stream.getvalue()


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
    content = base64.b64decode(text.split("base64,")[1].rstrip(")"))
    small = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    for colour, row in LINE.items():
        line = small[round((row + 0.5) * 0.6), 605:625].mean(axis=0)
        # The line is thinner than a pixel now: its colour mixed with white.
        tints = np.linspace(0.3, 1.0, 71)[:, None] * (np.array(colour) - 255) + 255
        assert np.abs(tints - line).max(axis=1).min() < 25, (colour, line)


def test_a_picture_that_is_too_large_is_left_out() -> None:
    """Noise cannot be made small."""
    pixels = np.random.default_rng(2).integers(0, 256, size=(800, 1600, 3), dtype=np.uint8)
    assert reduced_png(png(pixels)) is None
