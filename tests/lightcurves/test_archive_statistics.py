"""Statistics from rows of points are those of stored light curves; `tests/jobs` has those of Spark."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from cold_points import bring

from broker_assets.database import border
from broker_assets.database.engine import connect
from broker_assets.database.tables import PARTITIONED
from broker_assets.lightcurves.archive_statistics import KINDS, POINTS, statistics_of_points
from broker_assets.lightcurves.statistics import statistics
from broker_assets.lightcurves.stored_curves import stored_curves

pytestmark = pytest.mark.database

NIGHTS = [datetime.date(2026, 1, 20) + datetime.timedelta(days=9 * number) for number in range(4)]
OBJECTS = np.arange(1, 6)


def filled(database_url: str) -> Any:
    connection = connect(database_url)
    for night in NIGHTS:
        bring(connection, night, OBJECTS.tolist(), flux=100.0 + night.day)
    return connection


def expected(connection: Any) -> list[dict[str, Any]]:
    rows = statistics(stored_curves(connection, OBJECTS))
    found = rows.add_column(0, "diaobjectid", pa.array(OBJECTS[rows["object"].to_numpy()])).drop_columns(["object"])
    return found.sort_by([("diaobjectid", "ascending"), ("band", "ascending")]).to_pylist()


def test_equal_to_those_of_stored_light_curves(database_url: str) -> None:
    with filled(database_url) as connection:
        parts = []
        for number, (table, (flux, error)) in enumerate(zip(PARTITIONED, KINDS.values(), strict=True)):
            names = list(dict.fromkeys(["diaobjectid", "midpointmjdtai", flux, error, "band"]))
            rows = border.rows(connection, table, names, [])
            columns = [rows["diaobjectid"], pa.array(np.full(rows.num_rows, number)), rows["midpointmjdtai"],
                       rows[flux], rows[error], rows["band"]]  # fmt: skip
            parts.append(pa.table([c.cast(i.type) for c, i in zip(columns, POINTS, strict=True)], schema=POINTS))
        found = statistics_of_points(pa.concat_tables(parts))
        ordered = found.sort_by([("diaobjectid", "ascending"), ("band", "ascending")])
        assert ordered.to_pylist() == expected(connection)
    assert statistics_of_points(POINTS.empty_table()).num_rows == 0
