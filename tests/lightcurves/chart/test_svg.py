"""The drawing: shapes, colours and fillings, texts escaped, readable in grey."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
from chart_points import chart_points

from broker_assets.lightcurves.chart.marks import marks
from broker_assets.lightcurves.chart.state import ChartState
from broker_assets.lightcurves.chart.svg import chart_svg, symbol
from broker_assets.lightcurves.photometry import BANDS

RUBIN, ZTF = 1, 2
POINTS = chart_points(
    (60000.0, 0, 1, RUBIN, 3630.78, 36.3),
    (60001.0, 0, 1, ZTF, 1000.0, 10.0),
    (60002.0, 1, 2, RUBIN, 800.0, 10.0),
    (60003.0, 1, 2, RUBIN, 5.0, 10.0),
    (60004.0, 2, 1, ZTF, 900.0, np.nan),
)


def draw(state: ChartState, **options: object) -> str:
    return chart_svg(marks(POINTS, state), state, now=60010.0, **options)  # type: ignore[arg-type]


def marks_of(text: str, look: str) -> list[tuple[float, float]]:
    """Places of the marks of a look."""
    paths = re.findall(rf'<path class="{look}" d="([^"]+)"', text)
    return [(float(x), float(y)) for path in paths for x, y in re.findall(r"M([\d.]+) ([\d.]+)", path)]


def test_it_is_well_formed_and_says_what_it_shows() -> None:
    text = draw(ChartState(y="mag"), ticks_at=[(60000.0, "first <detection>")], standalone=True)
    root = ElementTree.fromstring(text)  # noqa: S314 (our own)
    assert root[0].text is not None
    assert root[0].text.startswith("Light curve: 5 points (3 in g, 2 in r)")
    assert "first &lt;detection&gt;" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_bands_differ_by_shape_and_kinds_by_filling() -> None:
    assert len({symbol(code) for code in range(-1, len(BANDS))}) == 7
    text = draw(ChartState())
    assert len(marks_of(text, "mark solid band-g")) == 2
    assert len(marks_of(text, "mark hollow band-r")) == 2
    assert marks_of(text, "dot solid") == marks_of(text, "mark solid band-g")[1:]  # of ZTF
    assert len(marks_of(text, "limit band-g")) == 1


def test_magnitudes_are_brighter_upwards() -> None:
    places = {}
    for y in ("flux", "mag"):
        text = draw(ChartState(y=y, kinds="d"))  # type: ignore[arg-type]
        places[y] = [found[1] for found in marks_of(text, "mark solid band-g")]
    assert places["flux"][0] < places["flux"][1]
    assert places["mag"][0] < places["mag"][1]


def test_hidden_bands_are_not_drawn_and_other_axes_are_named() -> None:
    assert "band-g" not in draw(ChartState(bands="r"))
    assert "days ago" in draw(ChartState(x="ago"))
    assert "2023-02-25" in draw(ChartState())
    assert draw(ChartState(bands=""), size=(344, 280)).startswith("<svg")


def test_points_beyond_the_axis_are_ticks_at_its_edge() -> None:
    points = chart_points((60000.0, 0, 1, 1, 1000.0, 10.0), (60001.0, 0, 1, 1, 1e9, 1e9))
    state = ChartState()
    assert 'class="off band-g"' in chart_svg(marks(points, state), state, now=60010.0)


def test_a_long_light_curve_is_a_small_drawing() -> None:
    points = chart_points(*[(60000.0 + row, row % 2, row % 6, 1, 1000.0 + row, 10.0) for row in range(2000)])
    assert len(chart_svg(marks(points, ChartState()), ChartState(), now=60010.0)) < 200_000


def test_filter_matches_are_ticks_on_the_axis_of_what_is_shown() -> None:
    text = draw(ChartState(), matches_at=[(60001.0, "passed <mine>"), (70000.0, "later")])
    assert text.count('class="match"') == 1
    assert "passed &lt;mine&gt;" in text
    assert 'class="match"' not in draw(ChartState())
