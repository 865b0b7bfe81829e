"""All statistics as a table."""

from __future__ import annotations

import joined_specimens
import numpy as np
import pyarrow as pa

from broker_assets.database.tables import STATISTIC_COLUMNS
from broker_assets.lightcurves.joined_curves import Columns, JoinedCurves
from broker_assets.lightcurves.statistics import GROUPS, OVER_BANDS, SCHEMA, STATISTICS_VERSION, statistics


def test_the_groups_make_the_columns_of_the_table() -> None:
    made = [name for group in GROUPS for name in group.columns]
    assert len(made) == len(set(made))
    assert {*made, "band"} == set(SCHEMA.names) == {*STATISTIC_COLUMNS, "band"}
    assert ", ".join(f"{group.name} {group.version}" for group in GROUPS) == STATISTICS_VERSION


def test_rows_are_bands_and_all_and_have_no_values_that_are_not_finite() -> None:
    table = statistics(joined_specimens.curves(5, unknown=0.3))
    assert table.schema.names == ["object", *SCHEMA.names]
    for item in SCHEMA:
        assert table[item.name].type == item.type
        if pa.types.is_floating(item.type):
            values = table[item.name].drop_null().to_numpy()
            assert np.isfinite(values).all()
    rows = table.to_pylist()
    for number in range(40):
        own = [row for row in rows if row["object"] == number]
        total = sum(row["npoints"] for row in own if row["band"] != OVER_BANDS)
        assert own[-1]["band"] == OVER_BANDS
        assert own[-1]["npoints"] == total


def test_what_a_column_cannot_hold_is_null() -> None:
    curves = JoinedCurves.of(1, Columns([0, 0], [1.0, 2.0], [1e300, -1e300], [1.0, 1.0], [0, 0]))
    row = statistics(curves).to_pylist()[0]
    assert (row["amplitude"], row["npoints"]) == (None, 2)
    assert statistics(JoinedCurves.of(2, Columns.none())).num_rows == 0
