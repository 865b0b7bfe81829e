"""Layouts of packets, compiled from a database."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from broker_assets.telemetry import InstrumentDatabase, decode
from broker_assets.telemetry.idb.open_database import write_open_database
from broker_assets.telemetry.packets.encoding import encode


@pytest.mark.shared
def test_every_layout_of_the_flight_database_compiles(flight_database: InstrumentDatabase) -> None:
    from broker_assets.telemetry.decoding.plan import plan_of

    assert len(flight_database.structures) == 246
    for structure in flight_database.structures.values():
        plan_of(flight_database, structure, flight_database.version)


def test_a_layout_with_an_impossible_parameter_fails_alone(tmp_path: Path) -> None:
    """Its packets have a clear reason, other kinds are decoded."""
    path = write_open_database(tmp_path / "idb.sqlite")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE PCF SET PCF_PTC = 8 WHERE PCF_NAME = 'NIX00283'")
        connection.execute("UPDATE VPD SET VPD_GRPSIZE = 99 WHERE VPD_NAME = 'NIX00103'")
        connection.execute("UPDATE PCF SET PCF_CURTX = 'CIXT9999TM' WHERE PCF_NAME = 'NIX00293'")
    database = InstrumentDatabase.open(path)
    good = InstrumentDatabase.open(write_open_database(tmp_path / "good.sqlite"))
    packets = [
        encode(good, (21, 6, 34), {"NIX00120": 34}),
        encode(good, (239, 3, None), {}),
        encode(good, (21, 6, 43), {"NIX00120": 43, "NIX00294": 1, "NIX00293": [1]}),
    ]
    decoded = decode(packets, database)
    assert "parameter NIX00283 has type 'A'" in decoded.failures[0].reason
    assert "group of NIX00103 has 99 rows" in decoded.failures[1].reason
    column = decoded.structures[0].columns["NIX00293"]
    assert column.kind == "raw"
    assert column.problem == "text table CIXT9999TM does not exist"
