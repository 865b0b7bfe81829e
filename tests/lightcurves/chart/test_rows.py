"""Points as rows: the table, the file and the chart have the same."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
from chart_points import chart_points

from broker_assets.lightcurves.chart.marks import marks
from broker_assets.lightcurves.chart.rows import COLUMNS, as_csv, document, rows, utc_texts
from broker_assets.lightcurves.chart.state import ChartState

POINTS = chart_points((60000.0, 0, 1, 1, 3630.78, 36.3), (60001.0, 1, -1, 2, -5.0, np.nan))


def test_long_identifiers_survive() -> None:
    (first, _) = list(csv.DictReader(io.StringIO(as_csv(POINTS))))
    assert first["id"] == "168110947020308480"
    assert json.loads(json.dumps(document(marks(POINTS, ChartState()), now=60002.0)))["id"][0] == "168110947020308480"
    assert rows(POINTS)[0]["diaObjectId"] == 168110947020308481


def test_unknown_values_are_empty() -> None:
    found = rows(POINTS)
    assert tuple(found[0]) == COLUMNS
    assert round(found[0]["mag_AB"], 3) == 22.5
    assert (found[1]["mag_AB"], found[1]["psfFluxErr_nJy"], found[1]["band"]) == (None, None, "other band")
    assert ",," in as_csv(POINTS)


def test_times_are_utc() -> None:
    assert utc_texts(np.array([60000.0, np.nan, 1e9])) == ["2023-02-24 23:59:23", "", ""]


def test_columns_are_of_equal_length() -> None:
    found = document(marks(POINTS, ChartState()), now=60002.0)
    assert {len(value) for name, value in found.items() if isinstance(value, list) and "range" not in name} == {2}
    assert rows(chart_points()) == []
