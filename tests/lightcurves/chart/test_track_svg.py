"""The drawing of a track: where positions are, the wrap of right ascension, long tracks, and texts escaped."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from broker_assets.lightcurves.chart.track_svg import SkyFrame, track_summary, track_svg


def places(text: str) -> list[tuple[float, float]]:
    """Where the marks are, in their order."""
    return [(float(x), float(y)) for x, y in re.findall(r'class="mark[^"]*" d="M(-?[\d.]+) (-?[\d.]+)', text)]


def draw(ra: list[float], dec: list[float], mjd: list[float] | None = None, **options: object) -> str:
    times = mjd if mjd is not None else [60000.0 + day for day in range(len(ra))]
    titles = [f"{number}" for number in range(len(ra))]
    return track_svg(times, ra, dec, [1] * len(ra), titles=titles, **options)  # type: ignore[arg-type]


def test_north_is_up_and_east_to_the_left() -> None:
    (west, south), (east, north) = places(draw([10.0, 10.5], [-5.0, -4.8]))
    assert east < west
    assert north < south
    assert (west - east) / (south - north) == pytest.approx(0.5 * np.cos(np.radians(4.9)) / 0.2, rel=0.01)


def test_a_track_across_zero_hours_is_one_piece_and_as_large_as_elsewhere() -> None:
    across, elsewhere = draw([359.9, 0.1, 0.3], [1.0, 1.1, 1.2]), draw([99.9, 100.1, 100.3], [1.0, 1.1, 1.2])
    assert places(across) == places(elsewhere)
    assert re.findall(r'class="path" d="[^"]*"', across) == re.findall(r'class="path" d="[^"]*"', elsewhere)
    assert ">0.0<" in across.replace(">0.00<", ">0.0<")
    assert ">360" not in across


def test_a_long_track_is_on_the_whole_sky_and_not_joined_across_its_edge() -> None:
    text = draw([170.0, 190.0, 350.0, 10.0], [0.0, 10.0, 5.0, 5.0], [60000.0, 60010.0, 60020.0, 60030.0])
    assert SkyFrame.around(np.array([10.0, 200.0]), np.array([0.0, 0.0]), 2.0).width == 360.0
    line = re.search(r'class="path" d="([^"]*)"', text)
    assert line is not None
    assert line[1].count("M") == 2


def test_detections_far_apart_in_time_are_not_joined() -> None:
    line = re.search(
        r'class="path" d="([^"]*)"', draw([10.0, 10.1, 10.2], [0.0, 0.0, 0.0], [60000.0, 60001.0, 60100.0])
    )
    assert line is not None
    assert (line[1].count("M"), line[1].count("L")) == (2, 1)


def test_it_is_well_formed_with_dates_and_escaped_texts() -> None:
    text = track_svg([60000.0], [359.99], [89.0], [-1], titles=["<b>"], summary='"<i>', standalone=True)
    root = ElementTree.fromstring(text)  # noqa: S314 (our own)
    assert root[0].text == '"<i>'
    assert "&lt;b&gt;" in text
    assert ">2023-02-24<" in text
    assert track_svg([], [], [], []) == ""
    assert track_svg([60000.0], [np.nan], [0.0], [1]) == ""


def test_many_detections_are_a_small_drawing() -> None:
    days = np.arange(3000.0)
    text = track_svg(60000 + days, (days / 100) % 360, np.sin(days / 100), np.arange(3000) % 6, titles=["x"] * 3000)
    assert len(text) < 400_000
    assert text.count('<path class="mark') == 6


def test_the_sentence_knows_the_length_of_the_path() -> None:
    text = track_summary([60000.0, 60001.0, 60002.0], [359.9, 0.1, 0.1], [0.0, 0.0, 0.3])
    assert "3 detections from 2023-02-24 to 2023-02-26 UTC, 0.500 degrees along its path" in text
    assert track_summary([60000.0], [1.0], [2.0]).startswith("Track of 1 detection from")
    assert track_summary([], [], []) == "Track on the sky: no detections."
