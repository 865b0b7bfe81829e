"""Reading an instrument database, completing it, and refusing what is none."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from broker_assets.telemetry import DatabaseError, InstrumentDatabase, decode
from broker_assets.telemetry.idb.calibration import CalibrationError, Polynomial
from broker_assets.telemetry.idb.open_database import write_open_database
from broker_assets.telemetry.packets.encoding import encode


def test_calibrations_that_a_build_lacks_are_completed(open_database: InstrumentDatabase) -> None:
    parameter = open_database.parameters["NIX00404"]
    assert parameter.unit == "s"
    assert parameter.calibration is not None
    calibration = open_database.calibration(parameter.calibration, parameter.category)
    assert isinstance(calibration, Polynomial)
    assert calibration.coefficients == (0.1, 0.1)


def test_a_calibration_that_exists_is_kept(tmp_path: Path) -> None:
    path = write_open_database(tmp_path / "idb.sqlite")
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO MCF VALUES ('CIX00777TM', '0', '0.001', NULL, 'NULL', NULL)")
        connection.execute("UPDATE PCF SET PCF_CURTX = 'CIX00777TM', PCF_UNIT = 'S' WHERE PCF_NAME = 'NIX00405'")
    database = InstrumentDatabase.open(path)
    assert database.parameters["NIX00405"].calibration == "CIX00777TM"
    packet = encode(database, (21, 6, 34), {"NIX00120": 34, "NIX00405": 2000, "NIX00089": 0})
    column = decode([packet], database).structures[0].columns["NIX00405"]
    assert (column.final.tolist(), column.unit, column.unit_out) == ([2.0], "S", "s")


@pytest.mark.shared
def test_cpu_load_is_completed_only_after_2_26_34(flight_database: InstrumentDatabase) -> None:
    """The products of 2.26.34 carry it in steps of 4 %."""
    assert flight_database.parameters["NIXD0002"].calibration is None
    assert flight_database.parameters["NIX00441"].unit == "s"


def test_unknown_calibrations_are_refused(open_database: InstrumentDatabase) -> None:
    with pytest.raises(CalibrationError, match="unknown category 'X'"):
        open_database.calibration("CIX00001TM", "X")


def test_files_that_are_no_database_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="does not exist"):
        InstrumentDatabase.open(tmp_path / "missing.sqlite")
    (tmp_path / "text.sqlite").write_text("no database at all, but some text")
    with pytest.raises(DatabaseError, match="cannot be read"):
        InstrumentDatabase.open(tmp_path / "text.sqlite")
    path = write_open_database(tmp_path / "idb.sqlite")
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE TXP")
    with pytest.raises(DatabaseError, match="TXP"):
        InstrumentDatabase.open(path)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM IDB")
    with pytest.raises(DatabaseError, match="does not say its version"):
        InstrumentDatabase.open(path)
