"""What the chart of a track shows: magnitudes or reduced ones, against time or phase angle, and the CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

import pyarrow as pa
import pytest

from broker_assets.lightcurves.chart.marks import marks
from broker_assets.lightcurves.chart.svg import chart_svg
from broker_assets.lightcurves.chart.track import TrackState, axes_of, points_of, track_csv, track_rows
from broker_assets.lightcurves.solar_system import TRACK


def track(*rows: dict[str, Any]) -> pa.Table:
    """A track of these rows; what they do not have is null."""
    empty = dict.fromkeys(TRACK.names)
    usual = {"midpointmjdtai": 60000.0, "diasourceid": 1, "survey": 1, "band": "g", "ra": 10.0, "decl": 5.0}
    return pa.Table.from_pylist([empty | usual | row for row in rows], schema=TRACK)


TWO = track(
    {"mag": 20.0, "magerr": 0.1, "reducedmag": 17.0, "phaseangle": 12.0, "diasourceid": 11},
    {"mag": 21.0, "magerr": 0.2, "phaseangle": 3.0, "midpointmjdtai": 60001.0, "band": "r", "diasourceid": 12},
    {"midpointmjdtai": 60002.0, "diasourceid": 2**62 + 1, "survey": 2},
)


def test_magnitudes_come_back_from_the_chart_with_their_errors() -> None:
    shown = marks(points_of(TWO, TrackState()), TrackState().chart)
    assert shown.y.tolist() == pytest.approx([20.0, 21.0])
    assert shown.error.tolist() == pytest.approx([0.1, 0.2])
    assert not shown.is_limit.any()


def test_reduced_magnitudes_and_phase_angles() -> None:
    state = TrackState(y="reduced")
    assert marks(points_of(TWO, state), state.chart).y.tolist() == pytest.approx([17.0])
    state = TrackState(x="phase", since=60000.0, until=60001.0)
    points = points_of(TWO, state)
    assert points.mjd.tolist() == [3.0, 12.0]
    shown = marks(points, state.chart)
    text = chart_svg(shown, state.chart, now=60010.0, axes=axes_of(points, state))
    assert "phase angle (degrees)" in text
    assert "Light curve of 2 magnitudes against phase angle: 1 in g, 1 in r." in text
    assert "2023-" not in text


def test_the_state_survives_its_address_and_bad_values_are_left_out() -> None:
    state = TrackState(bands="gr", y="reduced", x="ago", within=30.0, since=60000.0, until=60001.5)
    assert TrackState.read(state.parameters()) == state
    assert TrackState.read({"within": "-1", "y": "flux", "x": "?", "b": "grx"}) == TrackState(bands="gr")
    assert TrackState.read({"within": "x"}).within == 5.0
    assert TrackState().query() == ""


def test_the_csv_has_every_row_exactly() -> None:
    rows = list(csv.DictReader(io.StringIO(track_csv(TWO, {"decl": "dec"}))))
    assert [row["diasourceid"] for row in rows] == ["11", "12", str(2**62 + 1)]
    assert (rows[0]["mag"], rows[2]["mag"], rows[2]["survey"], rows[0]["dec"]) == ("20", "", "ztf", "5")
    assert rows[1]["midpointmjdtai"] == "60001.0"
    assert rows[0]["utc"].startswith("2023-02-2")
    assert len(track_rows(TWO)) == 3
