"""A reduction is stored next to the photometry of the alerts, once."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest

from broker_assets.database.reading import light_curve
from broker_assets.tom.versions.definitions import UnknownVersionError, VersionError
from broker_assets.tom.versions.loading import Loaded, load_reduction

pytestmark = pytest.mark.database

POINT = {"diaobjectid": 1, "midpointmjdtai": 61001.0, "band": "Y", "psfflux": 1.0, "psffluxerr": 1.0, "visit": 1002}


def test_the_same_again_adds_nothing_and_alerts_stay(connection: psycopg.Connection[Any]) -> None:
    before = light_curve(connection, [1])
    rows = pa.Table.from_pylist([{**POINT, "diasourceid": 10020}, {**POINT, "diasourceid": 77}])
    # Of the object of the alerts itself: no object of its own is needed.
    assert load_reduction(connection, "dr1", sources=rows) == Loaded(sources=2)
    assert load_reduction(connection, "dr1", sources=rows) == Loaded()
    assert connection.execute("SELECT band, survey FROM diasources WHERE diasourceid = 77").fetchall() == [("y", 1)]
    after = light_curve(connection, [1])
    assert after == before
    position = pa.Table.from_pylist([{"diaobjectid": 500, "ra": 40.0001, "dec": 10.0, "raerr": np.float32(0.1)}])
    done = load_reduction(connection, "dr1", objects=position)
    assert (done.objects, done.roots) == (1, 0)
    done = load_reduction(connection, "dr1", objects=position)
    assert (done.objects, done.roots) == (0, 0)


@pytest.mark.parametrize(
    ("base", "options", "error"),
    [
        ("none", {}, UnknownVersionError),
        ("realtime", {}, VersionError),
        ("dr1", {"sources": {**POINT}}, VersionError),
        ("dr1", {"sources": {**POINT, "diasourceid": 5, "foo": 1}}, VersionError),
        ("dr1", {"sources": {**POINT, "diasourceid": 5, "night": 1}}, VersionError),
        ("dr1", {"forced": {**POINT, "diaforcedsourceid": 5, "midpointmjdtai": float("nan")}}, VersionError),
        ("dr1", {"objects": {"diaobjectid": 9, "ra": None, "dec": 1.0}}, VersionError),
        ("dr1", {"objects": {"diaobjectid": 9, "ra": 10.0, "dec": 95.0}}, VersionError),
        ("dr1", {"objects": {"diaobjectid": 9, "ra": 150.0 * 15, "dec": 5.0}}, VersionError),
        ("dr1", {"forced": {**POINT, "diaforcedsourceid": 5.5}}, VersionError),
        ("dr1", {"forced": {**POINT, "diaforcedsourceid": 5, "midpointmjdtai": "soon"}}, VersionError),
        ("dr1", {"forced": {**POINT, "diaforcedsourceid": 5, "midpointmjdtai": 2461001.5}}, VersionError),
        ("dr1", {"forced": {**POINT, "diaforcedsourceid": 5, "band": "Q"}}, VersionError),
        ("dr1", {"forced": {**POINT, "diaforcedsourceid": 5, "PSFFLUX": 1.0}}, VersionError),
    ],
)
def test_what_cannot_be_stored_is_refused(
    connection: psycopg.Connection[Any], base: str, options: dict[str, Any], error: type[Exception]
) -> None:
    tables = {name: pa.Table.from_pylist([row]) for name, row in options.items()}
    with pytest.raises(error):
        load_reduction(connection, base, **tables)


@pytest.mark.parametrize(
    ("change", "another"), [({"psfflux": 2.0}, 7001), ({"midpointmjdtai": 61002.0}, 7002), ({"band": "i"}, 7003)]
)
def test_a_point_has_the_values_that_it_was_loaded_with(
    connection: psycopg.Connection[Any], change: dict[str, Any], another: int
) -> None:
    """Neither of two rows with one number is dropped silently."""
    rows = [{**POINT, "diasourceid": 77}, {**POINT, "diasourceid": 78, "psfflux": float("nan")}]
    other = {**rows[0], **change}
    with pytest.raises(VersionError, match="sources: 1 points are given twice with other values, 77 for one"):
        load_reduction(connection, "dr1", sources=pa.Table.from_pylist([*rows, other]))
    load_reduction(connection, "dr1", sources=pa.Table.from_pylist([*rows, rows[0]]))
    with pytest.raises(VersionError, match="sources: 1 points are stored with other values, 77 for one"):
        load_reduction(
            connection, "dr1", sources=pa.Table.from_pylist([other, rows[1], {**rows[0], "diasourceid": 79}])
        )
    # The same number of another object is another point.
    elsewhere = pa.Table.from_pylist([{**other, "diaobjectid": another}])
    assert load_reduction(connection, "dr1", sources=elsewhere).sources == 1
