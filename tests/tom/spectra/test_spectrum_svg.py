"""Spectra are drawn: whole, with gaps, with lines at their redshift."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.tom.spectra.spectrum_svg import LINES, spectrum_svg

WAVE = np.linspace(4000.0, 9000.0, 11)


def test_lines_are_where_the_redshift_puts_them() -> None:
    drawn = spectrum_svg(WAVE, np.ones(11), z=0.1, elements=["H"], unit="<Jy>", title="SN & co", standalone=True)
    ET.fromstring(drawn)  # noqa: S314 - our own drawing
    assert "<title>H 6562.8 Å at rest, 7219.1 Å here</title>" in drawn
    place = re.findall(r'd="M([\d.]+) 30V340" class="line"><title>H 6562', drawn)
    assert abs(float(place[0]) - (64 + (7219.08 - 4000) / 5000 * 724)) < 0.1
    assert "&lt;Jy&gt;" in drawn
    assert "SN &amp; co" in drawn
    assert 'class="line"' not in spectrum_svg(WAVE, np.ones(11), z=5, elements=["Na I"])


def test_a_gap_is_a_gap_and_a_long_spectrum_a_small_drawing() -> None:
    flux = np.ones(11)
    flux[5] = np.nan
    drawn = re.findall(r'spectrum" d="([^"]*)"', spectrum_svg(WAVE, flux))[0]
    assert (drawn.count("M"), drawn.count("L")) == (2, 8)
    long = spectrum_svg(np.linspace(3000.0, 10_000.0, 100_000), np.random.default_rng(1).normal(size=100_000))
    assert len(long) < 60_000


@given(
    st.lists(st.floats(-1e300, 1e300) | st.just(float("nan")), min_size=2, max_size=20).filter(
        lambda values: any(value == value for value in values)
    ),
    st.floats(-0.9, 20),
)
def test_whatever_is_read_can_be_drawn(flux: list[float], z: float) -> None:
    drawn = spectrum_svg(4000.0 + np.arange(float(len(flux))), np.array(flux), z=z, elements=list(LINES))
    ET.fromstring(drawn)  # noqa: S314 - our own drawing
    assert "nan" not in drawn.lower().replace("spectrum", "")
