"""Light curves of reported objects: their order, which points they have, what is left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest

from broker_assets.database import engine
from broker_assets.tom import light_curves
from broker_assets.tom.light_curves import POINTS, patched, read_curves

POINT: dict[str, Any] = {"objectid": 1, "mjd": 60000.0, "band": "g", "flux": 5.0, "fluxerr": 1.0, "id": 11}


def points(*changes: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([{**POINT, **change} for change in changes], POINTS)


def test_detections_are_patched_in_where_there_is_no_forced_point() -> None:
    forced = points({}, {"id": 12, "mjd": 60001.0}, {"id": 13, "objectid": 2}, {"id": 14, "band": None})
    detected = points(
        {"flux": 6.0},  # has its number
        {"id": 21, "mjd": 60001.000005},  # half a second later, the same band
        {"id": 22, "mjd": 60001.0, "band": "r"},
        {"id": 23, "mjd": 60000.5},
        {"id": 24, "objectid": 3},
        {"id": 12, "objectid": 2, "mjd": 60002.0},  # the number is another object's
    )
    found = patched(forced, detected)
    assert found["id"].to_pylist() == [11, 14, 23, 12, 22, 13, 12, 24]
    assert patched(forced, points()).equals(forced)
    assert patched(points(), detected).num_rows == 6


@pytest.mark.database
def test_what_is_read(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(light_curves, "TOGETHER", 2)
    used: list[int] = []

    @contextmanager
    def connect() -> Iterator[psycopg.Connection[Any]]:
        used.append(1)
        with engine.connect(database_url) as connection:
            yield connection
        used.pop()

    with engine.connect(database_url, autocommit=True) as connection:
        for number in (3, 1, 2, 4):
            connection.execute(
                "INSERT INTO elasticc2_diaobject (diaobject_id, ra, decl, isddf, hostgal_mag_y) VALUES (%s, %s, -1,"
                " false, 20.5)",
                (number, number * 10),
            )
        for number, mjd in ((301, 60001.0), (302, 60000.0), (101, 60000.5), (401, 60000.0)):
            connection.execute(
                "INSERT INTO elasticc2_diaforcedsource VALUES (%s, %s, 'Y', 5, 1, %s)", (number, mjd, number // 100)
            )
        connection.execute("INSERT INTO elasticc2_diasource VALUES (299, 60000.25, 'r', 1, 1, 7, 1, 7, 2)")
    found = []
    for some in read_curves(connect, np.array([4, 1, 3, 3, 2, 99]), until=60000.75):
        # No connection waits while a client takes what was read.
        assert used == []
        found.append(some)
    assert [some.objects["objectid"].to_pylist() for some in found] == [[1], [3, 4]]
    assert found[1].begins.tolist() == [0, 1, 2]
    assert found[1].points["band"].to_pylist() == ["Y", "Y"]
    assert found[1].objects["hostgal_mag_y"].to_pylist() == [20.5, 20.5]
    every = list(read_curves(connect, np.array([1, 2, 3]), which="patch"))
    assert [some.points["id"].to_pylist() for some in every] == [[101, 299], [302, 301]]
    assert list(read_curves(connect, np.array([], np.int64))) == []
    # Most of a long list may be objects that nobody reported.
    monkeypatch.setattr(light_curves, "LOOKED_UP", 30)
    several = list(read_curves(connect, np.arange(-50, 100)))
    assert [some.objects["objectid"].to_pylist() for some in several] == [[1], [3, 4]]
    with pytest.raises(ValueError, match="there are forced, detections, patch"):
        next(read_curves(connect, np.array([1]), which="all"))
