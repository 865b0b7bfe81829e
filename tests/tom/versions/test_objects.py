"""What is known of objects, by version."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.tom.versions import definitions
from broker_assets.tom.versions.curves import find_roots, root_curves
from broker_assets.tom.versions.objects import COLUMNS, known_objects, weighted_positions

pytestmark = pytest.mark.database


def test_objects_of_a_version(connection: psycopg.Connection[Any]) -> None:
    realtime, dr1, only = (definitions.find(connection, name) for name in ("default", "dr1", "only_dr1"))
    root = find_roots(connection, [1]).identifiers[0]
    found = known_objects(connection, realtime, [root])
    assert tuple(found) == COLUMNS
    assert (found["diaobjectid"], found["rootid"], found["ra"]) == ([1, 2], [root, root], [359.99999, 0.00009])
    assert (found["obj_base_procver"], found["raerr"]) == (["realtime", "realtime"], [0.5, None])
    every = known_objects(connection, dr1, [root])
    assert (every["diaobjectid"], every["pos_base_procver"]) == ([1, 2, 101], ["realtime", "realtime", "dr1"])
    assert known_objects(connection, only, [1, 2, 101])["diaobjectid"] == [101]
    assert known_objects(connection, dr1, [101], positions=realtime)["ra"] == [None]
    assert known_objects(connection, dr1, [])["diaobjectid"] == []


def test_weighted_positions(connection: psycopg.Connection[Any]) -> None:
    roots = find_roots(connection, [1, 3])
    version = definitions.find(connection, "default")
    found = weighted_positions(root_curves(connection, version, roots, which="detections", positions=True))
    (position,) = found.values()  # the other one is too faint, and has no position
    weights = [visit**2 for visit in range(1002, 1007)]
    wanted = sum(w * (-0.00002 if visit % 2 else 0.00002) for w, visit in zip(weights, range(1002, 1007), strict=True))
    assert position[0] == pytest.approx(wanted / sum(weights) % 360, abs=1e-12)
    assert position[1] == -20
    error = sum((w * 0.1) ** 2 for w in weights) ** 0.5 / sum(weights)
    assert position[2] == pytest.approx(error, rel=1e-6)
    assert position[3:] == (None, None)
