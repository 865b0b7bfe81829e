"""The roll-up of light curves is right, whatever arrives when."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given

from broker_assets.database import engine
from broker_assets.tom.objects.curve_rollup import POINTS, ROLLUP, curve_rollup, update_curves

point = st.tuples(
    st.integers(1, 3),
    st.sampled_from(["g", "Y"]),
    st.floats(-5, 5, width=32),
    st.sampled_from([60000.0, 60000.5, 60001.0]),
)


def table(points: list[tuple[int, str, float, float]]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"diaobject_id": number, "filtername": band, "id": place, "flux": flux, "fluxerr": 1.0, "mjd": mjd}
            for place, (number, band, flux, mjd) in enumerate(points)
        ],
        POINTS,
    )


@given(st.lists(point, max_size=12), st.lists(point, max_size=12))
def test_it_is_what_a_loop_finds(sources: list[Any], forced: list[Any]) -> None:
    found = curve_rollup(table(sources), table(forced)).to_pylist()
    keys = sorted({(number, band) for number, band, _, _ in sources})
    assert [(row["diaobject_id"], row["filtername"]) for row in found] == keys
    for row in found:
        mine = [
            [(p[3], place, p[2]) for place, p in enumerate(points) if p[:2] == (row["diaobject_id"], row["filtername"])]
            for points in (sources, forced)
        ]
        assert row["firstsource_id"] == min(mine[0])[1]
        assert row["latestsource_id"] == max(mine[0])[1]
        assert row["latestsourceflux"] == max(mine[0])[2]
        if mine[1]:
            brightest = max(mine[1], key=lambda item: (item[2], -item[0], -item[1]))
            assert (row["maxforcedsource_id"], row["maxforcedsourceflux"]) == brightest[1:]
            assert row["latestforcedsource_id"] == max(mine[1])[1]
        else:
            assert row["maxforcedsource_id"] is None


def test_a_flux_that_is_not_a_number_is_not_the_brightest() -> None:
    forced = [(1, "g", math.nan, 60000.0), (1, "g", -1.0, 60001.0), (1, "r", 5.0, 60000.0)]
    found = curve_rollup(table([(1, "g", 1.0, 60000.0)]), table(forced)).to_pylist()
    assert found[0]["maxforcedsource_id"] == 1
    assert curve_rollup(table([]), table([])).schema == ROLLUP


@pytest.mark.database
def test_only_what_differs_is_written(database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        for number in (1, 2):
            connection.execute(
                "INSERT INTO elasticc2_diaobject (diaobject_id, ra, decl, isddf) VALUES (%s, 1, 1, false)", (number,)
            )
            connection.execute(
                "INSERT INTO elasticc2_diasource VALUES (%s, 60000.5, 'Y', 1, 1, 5, 1, 5, %s)", (number * 100, number)
            )
        objects = np.array([1, 2, 3, 1])

        def update() -> int:
            with connection.transaction():
                return update_curves(connection, objects)

        assert update() == 2
        assert update() == 0
        connection.execute("INSERT INTO elasticc2_diasource VALUES (101, 60001.5, 'Y', 1, 1, 7, 1, 7, 1)")
        assert update() == 1
        rows = "SELECT filtername, firstsource_id, latestsource_id, latestsourceflux FROM elasticc2_diaobjectinfo"
        assert connection.execute(rows + " WHERE diaobject_id = 1").fetchall() == [("Y", 100, 101, 7.0)]
        # What is no longer there is no longer rolled up.
        connection.execute("DELETE FROM elasticc2_diasource WHERE diaobject_id = 2")
        assert update() == 0
        assert connection.execute("SELECT diaobject_id FROM elasticc2_diaobjectinfo").fetchall() == [(1,)]
        assert update_curves(connection, np.array([], np.int64)) == 0
