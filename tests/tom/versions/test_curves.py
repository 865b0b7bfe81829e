"""For one root object and visit the row of the highest priority counts."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import psycopg
import pytest

from broker_assets.tom.versions import definitions
from broker_assets.tom.versions.curves import RootCurves, find_roots, root_curves

pytestmark = pytest.mark.database


def curves(connection: psycopg.Connection[Any], version: str, objects: Any, **options: Any) -> RootCurves:
    roots = find_roots(connection, objects)
    return root_curves(connection, definitions.find(connection, version), roots, **options)


def listed(found: RootCurves, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(found.columns[name].tolist() for name in names), strict=True))


def test_objects_of_one_place_have_one_root(connection: psycopg.Connection[Any]) -> None:
    first = find_roots(connection, [1])
    assert first.objects.tolist() == [1, 2, 101]
    assert find_roots(connection, [101, 2]).identifiers == first.identifiers
    assert find_roots(connection, list(first.identifiers)).objects.tolist() == [1, 2, 101]
    assert find_roots(connection, [3, 1, 77]).places.tolist() in ([0, 0, 0, 1], [0, 1, 1, 1])
    assert find_roots(connection, []).identifiers == find_roots(connection, [uuid.uuid4()]).identifiers == ()


def test_realtime_has_what_alerts_say(connection: psycopg.Connection[Any]) -> None:
    found = curves(connection, "default", [1])
    assert listed(found, "visit", "flux", "isdet", "ispatch", "diasourceid", "diaforcedsourceid") == [
        (1001, 1001.5, 0, 0, None, 10011),
        (1002, 1002.5, 1, 0, 10020, 10021),
        (1003, 1003.5, 1, 0, 10030, 10031),
        (1004, 1004.5, 1, 0, 10040, 10041),
        (1005, 1005.5, 1, 0, 10050, 10051),
        (1006, 1006.0, 1, 1, 10060, None),
    ]
    assert found.columns["band"].tolist()[4:] == ["Y", "r"]
    assert listed(found, "source_diaobjectid", "forced_diaobjectid")[3:] == [(1, 1), (2, 2), (2, None)]
    forced = curves(connection, "default", [1], which="forced")
    assert listed(forced, "visit", "isdet") == [(1001, 0), *((visit, 1) for visit in range(1002, 1006))]
    assert "ispatch" not in forced.columns
    detections = curves(connection, "default", [1], which="detections", positions=True)
    assert listed(detections, "visit", "flux")[0] == (1002, 1002.0)
    assert np.isnan(np.ma.filled(detections.columns["det_decerr"], np.nan)).all()
    assert detections.columns["det_ra"].tolist()[0] == 0.00002
    assert {"ispatch", "forced_diaobjectid"}.isdisjoint(detections.columns)


def test_priorities_decide_for_each_visit(connection: psycopg.Connection[Any]) -> None:
    found = curves(connection, "dr1", [1])
    assert listed(found, "visit", "flux", "source_reduction", "forced_reduction") == [
        (1001, 2001.0, 1, 1),
        (1002, 2002.0, 1, 1),
        (1003, 2003.0, 1, 1),
        (1004, 1004.5, 0, 0),
        (1005, 1005.5, 0, 0),
        (1006, 1006.0, 0, None),
    ]
    assert listed(curves(connection, "only_dr1", [1]), "visit") == [(1001,), (1002,), (1003,)]
    two = curves(connection, "dr1", [3, 1])
    assert np.diff(two.begins).tolist() in ([1, 6], [6, 1])
    alone = curves(connection, "only_dr1", [3])
    assert (alone.identifiers, alone.begins.tolist()) == ((), [0])


def test_what_is_asked_for(connection: psycopg.Connection[Any]) -> None:
    assert listed(curves(connection, "dr1", [1], bands=["Y"]), "visit") == [(1005,)]
    assert listed(curves(connection, "dr1", [1], bands=["r"], until=61001.0), "visit") == [(1001,), (1002,)]
    # A visit without a number is known by its time, and has none.
    assert listed(curves(connection, "default", [3]), "visit", "mjd", "ispatch") == [(None, 61002.0, 1)]
    with pytest.raises(ValueError, match="which must be detections, forced, or patch"):
        curves(connection, "dr1", [1], which="all")


def test_sources_of_another_object_are_not_there(connection: psycopg.Connection[Any]) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("INSERT INTO reassigned_sources (diasourceid, reduction, diaobjectid) VALUES (10060, 0, 3)")
        assert listed(curves(connection, "default", [1]), "visit")[-1] == (1005,)
