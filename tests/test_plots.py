"""Bar charts on the operators' pages."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from broker_assets.plots import Bars, bars_png, histogram

BLUE = (0x2F, 0x6F, 0xB0)


def pixels(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert("RGB"))


def blue_heights(content: bytes) -> np.ndarray:
    """Coloured pixels of each column."""
    difference = np.abs(pixels(content).astype(int) - BLUE).sum(axis=2)
    return (difference < 40).sum(axis=0)


def test_a_bar_is_as_high_as_its_number() -> None:
    chart = bars_png([Bars(heights=np.array([1.0, 2.0, 4.0]))], columns=1, size=(320, 240))
    heights = blue_heights(chart)
    low, middle, high = (heights[begin:end].max() for begin, end in ((8, 110), (110, 210), (210, 312)))
    assert high > 150
    assert low / high == pytest.approx(0.25, abs=0.02)
    assert middle / high == pytest.approx(0.5, abs=0.02)


def test_panels_stand_in_rows() -> None:
    panel = Bars(heights=np.array([1.0]), title="one", label="of [σ]", names=["n"], values=["1"])
    assert pixels(bars_png([panel] * 5, columns=2, size=(100, 120))).shape == (360, 200, 3)
    assert pixels(bars_png([], columns=2, size=(100, 120))).shape == (120, 200, 3)


@given(arrays(np.float64, st.integers(0, 30), elements=st.floats(width=64)), st.text())
def test_every_distribution_can_be_drawn(values: np.ndarray, text: str) -> None:
    bars = histogram(values, bins=10, title=text, label=f"first line\n{text}", limits=(-1.0, 1.0))
    assert bars.heights.sum() == ((values >= -1.0) & (values <= 1.0)).sum()
    assert bars_png([bars], columns=1, size=(120, 100)).startswith(b"\x89PNG")
    assert bars_png([histogram(values, bins=10, title=text)], columns=1, size=(120, 100)).startswith(b"\x89PNG")


def test_wild_values_do_not_widen_the_axis() -> None:
    values = np.concatenate([np.linspace(0.0, 1.0, 1000), [1e30]])
    edges = histogram(values, bins=10, title="")
    assert edges.edges is not None
    assert edges.edges[-1] < 1.1
