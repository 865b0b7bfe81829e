"""The open database: its notation, its file, its folder of versions."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from broker_assets.telemetry import InstrumentDatabase
from broker_assets.telemetry.idb.database_versions import HISTORY_FILE, InstrumentDatabases
from broker_assets.telemetry.idb.open_database import (
    VERSION,
    fixed_rows,
    variable_rows,
    write_open_database,
    write_open_folder,
)


def test_variable_layouts() -> None:
    rows = list(variable_rows("NIX00001:16*CIX1TM, NIX00003..NIX00005:8i@-7, NIX00010:8 {NIX00011:4 {NIX00012:1}}"))
    assert rows == [
        ("NIX00001", 0, 0, 16, False, "CIX1TM"),
        ("NIX00003", 0, -7, 8, True, None),
        ("NIX00004", 0, -7, 8, True, None),
        ("NIX00005", 0, -7, 8, True, None),
        ("NIX00010", 2, 0, 8, False, None),
        ("NIX00011", 1, 0, 4, False, None),
        ("NIX00012", 0, 0, 1, False, None),
    ]


def test_fixed_layouts() -> None:
    assert list(fixed_rows("17.4:4 NIXD0023 instrument_mode [CIXT0023TM]; 20.0:16 NIXD0100 temperature [C degC]")) == [
        ("NIXD0023", 17, 4, 4, "instrument mode", "CIXT0023TM", None),
        ("NIXD0100", 20, 0, 16, "temperature", "C", "degC"),
    ]


def test_the_file_is_read_as_any_database(tmp_path: Path) -> None:
    path = write_open_database(tmp_path / "deep" / "idb.sqlite", version="3.1.0")
    database = InstrumentDatabase.open(path)
    assert database.version == "3.1.0"
    assert (21, 6, 34) in {structure.key for structure in database.structures.values()}
    again = write_open_database(tmp_path / "again.sqlite", version="3.1.0")
    with sqlite3.connect(path) as one, sqlite3.connect(again) as other:
        assert list(one.iterdump()) == list(other.iterdump())


def test_a_file_that_exists_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "idb.sqlite"
    path.write_text("of somebody else")
    with pytest.raises(FileExistsError, match=r"idb\.sqlite exists already"):
        write_open_database(path)
    assert path.read_text() == "of somebody else"


def test_the_folder_holds_for_all_times(tmp_path: Path) -> None:
    databases = InstrumentDatabases(write_open_folder(tmp_path / "databases"))
    [entry] = json.loads((tmp_path / "databases" / HISTORY_FILE).read_text())
    assert entry["version"] == VERSION
    assert databases is not None
