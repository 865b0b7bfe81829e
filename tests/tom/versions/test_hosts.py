"""Hosts are loaded once, with their ranks; the likeliest of each object is that of the version."""

from __future__ import annotations

from typing import Any

import psycopg
import pyarrow as pa
import pytest

from broker_assets.tom.versions import definitions
from broker_assets.tom.versions.definitions import VersionError
from broker_assets.tom.versions.hosts import checked_hosts, likeliest_hosts
from broker_assets.tom.versions.loading import Loaded, load_reduction

pytestmark = pytest.mark.database

GALAXIES = [
    {"diaObjectId": 1, "host_catalog": "DES", "host_id": "7", "ra": 0.001, "dec": -20.0, "z": 0.25, "prio": 1},
    {"diaObjectId": 1, "host_catalog": "DES", "host_id": "8", "ra": 0.002, "dec": -20.0, "z": float("nan"), "prio": 0},
    {"diaObjectId": 2, "host_catalog": "DES", "host_id": "7", "ra": 0.001, "dec": -20.0, "z": 0.25, "prio": 0},
]


def test_hosts_are_loaded_once(connection: psycopg.Connection[Any]) -> None:
    table = pa.Table.from_pylist(GALAXIES)
    assert load_reduction(connection, "dr1", hosts=table) == Loaded(hosts=2, matches=3)
    assert load_reduction(connection, "dr1", hosts=table) == Loaded()
    realtime, dr1 = (definitions.find(connection, name) for name in ("realtime", "dr1"))
    found = likeliest_hosts(connection, dr1, [1, 2, 3])
    assert [(one["diaobjectid"], one["host_id"], one["hostgal_z"]) for one in found] == [(1, "8", None), (2, "7", 0.25)]
    assert found[0]["host_base_procver"] == "dr1"
    assert likeliest_hosts(connection, realtime, [1, 2, 3]) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"host_id": None}, "host_id has values that are missing"),
        ({"ra": float("inf")}, "ra has values that are missing or not finite"),
        ({"diaObjectId": 1.5}, "diaobjectid must be whole numbers"),
    ],
)
def test_what_cannot_be_stored_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(VersionError, match=said):
        checked_hosts(pa.Table.from_pylist([{**GALAXIES[0], **change}]))
    with pytest.raises(VersionError, match="hosts: column dec is missing"):
        checked_hosts(pa.table({"diaObjectId": [1]}))
