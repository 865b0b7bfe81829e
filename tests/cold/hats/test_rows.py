"""Rows of the catalogue: objects of a night with all their points."""

from __future__ import annotations

import datetime
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from cold_points import bring

from broker_assets.cold.catalogue import ColdStore
from broker_assets.cold.hats.rows import CELL, SCHEMA, rows_of_night
from broker_assets.database.engine import connect
from broker_assets.stream.objects_of_night import SCHEMA as OBJECTS

pytestmark = pytest.mark.database

NIGHT = datetime.date(2026, 1, 20)


def test_light_curves_belong_to_their_objects(database_url: str, tmp_path: Any) -> None:
    store = ColdStore(database_url, tmp_path.as_uri())
    rows = {"diaobjectid": [3, 1, 2], "ra": [1.0, 2.0, None], "decl": [0.0, 0.0, None], "healpix": [30, 10, None]}
    schema = pa.schema([item.with_nullable(True) for item in OBJECTS])
    table = pa.table({i.name: pa.array(rows.get(i.name, [NIGHT] * 3 if i.name == "night" else [None] * 3), i.type)
                      for i in schema})  # fmt: skip
    connection: psycopg.Connection[Any]
    with connect(database_url) as connection:
        assert rows_of_night(store, connection, NIGHT).num_rows == 0
        store.overwrite_night("objects", NIGHT.isoformat(), table.schema, lambda: iter([table]))
        bring(connection, NIGHT, [1, 2, 3, 4], before=3)
        bring(connection, NIGHT + datetime.timedelta(days=2), [1], before=1)
        found = rows_of_night(store, connection, NIGHT)
    assert found.schema.equals(SCHEMA)
    assert (found["diaobjectid"].to_pylist(), found[CELL].to_pylist()) == ([1, 3], [10, 30])
    curves = found["lightcurve"].to_pylist()
    assert [[round(flux) for flux in curve["psfflux"]] for curve in curves] == [[101, 101], [103]]
    assert [sorted(curve["midpointmjdtai"]) == curve["midpointmjdtai"] for curve in curves] == [True, True]
    assert [len(curve["band"]) for curve in found["forced"].to_pylist()][1] == 3
