"""Rows of a roll-up become what was computed; those of other objects, and those that are the same, stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from broker_assets.database import engine
from broker_assets.database.tables.tom import diaobjectinfo
from broker_assets.tom.objects.rollup_rows import replace_rows

pytestmark = pytest.mark.database


def test_only_rows_of_the_objects_and_only_differences(database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        for number in (1, 2, 3):
            connection.execute(
                "INSERT INTO elasticc2_diaobject (diaobject_id, ra, decl, isddf) VALUES (%s, 1, 1, false)", (number,)
            )

        def replace(rows: list[tuple[int, str, float]], *objects: int) -> int:
            numbers, bands, fluxes = zip(*rows, strict=True) if rows else ((), (), ())
            table = pa.table(
                {
                    "diaobject_id": pa.array(numbers, pa.int64()),
                    "filtername": pa.array(bands, pa.string()),
                    "latestsourceflux": pa.array(fluxes, pa.float64()),
                }
            )
            with connection.transaction():
                return replace_rows(connection, diaobjectinfo, "filtername", table, np.array(objects, np.int64))

        def stored() -> list[tuple[Any, ...]]:
            query = "SELECT diaobject_id, filtername, latestsourceflux FROM elasticc2_diaobjectinfo ORDER BY 1, 2"
            return connection.execute(query).fetchall()

        rows = [(1, "g", 1.0), (1, "r", 2.0), (2, "g", 3.0)]
        assert replace(rows, 1, 2, 2) == 3
        assert replace(rows, 1, 2) == 0
        assert replace([(1, "r", 5.0)], 1) == 1
        assert stored() == [(1, "r", 5.0), (2, "g", 3.0)]
        assert replace([], 2) == 0
        assert stored() == [(1, "r", 5.0)]
