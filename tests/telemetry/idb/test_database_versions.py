"""Database versions by on-board time, and what happens where one is missing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from broker_assets.telemetry import STIX, DatabaseError, InstrumentDatabases, MissingDatabaseVersion, decode
from broker_assets.telemetry.idb.open_database import write_open_database, write_open_folder
from broker_assets.telemetry.packets.encoding import PacketHeader, telemetry_packet

INSTRUMENT = replace(STIX, fallback_version="3.0.0")


def write_history(folder: Path, *periods: tuple[str, int, int]) -> None:
    """A history of versions by seconds."""
    items: list[dict[str, Any]] = [
        {"version": version, "validityPeriodOBT": [{"coarse": start, "fine": 0}, {"coarse": end, "fine": 0}]}
        for version, start, end in periods
    ]
    (folder / "idbVersionHistory.json").write_text(json.dumps(items))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Versions 3.0.0 (0 to 100 s) and 3.0.1 (100 to 200 s) present, 3.0.2 (200 to 300 s) missing."""
    for version in ("3.0.0", "3.0.1"):
        write_open_database(tmp_path / f"v{version}" / "idb.sqlite", version=version)
    write_history(tmp_path, ("3.0.1", 100, 200), ("3.0.0", 0, 100), ("3.0.2", 200, 300))
    return tmp_path


def packets(*times: int) -> list[bytes]:
    """Connection tests at some times."""
    return [telemetry_packet((17, 2, None), b"", PacketHeader(coarse=time)) for time in times]


def test_intervals_are_half_open(folder: Path) -> None:
    databases = InstrumentDatabases(folder, instrument=INSTRUMENT)
    assert databases.at(99, 65535).database.version == "3.0.0"
    assert databases.at(100).database.version == "3.0.1"


def test_each_packet_is_decoded_with_its_version(folder: Path) -> None:
    decoded = decode(packets(150, 50, 151), InstrumentDatabases(folder, instrument=INSTRUMENT))
    assert {s.database_version: s.packets.tolist() for s in decoded.structures} == {"3.0.0": [1], "3.0.1": [0, 2]}


def test_a_missing_version_is_substituted_and_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    decoded = decode(packets(250, 251), InstrumentDatabases(folder, instrument=INSTRUMENT))
    (structure,) = decoded.structures
    assert (structure.database_version, structure.valid_version) == ("3.0.0", "3.0.2")
    assert [record.message for record in caplog.records] == [
        f"database version 3.0.2 is missing: {folder}/v3.0.2/idb.sqlite does not exist; version 3.0.0 is used instead"
    ]


def test_a_missing_version_is_a_clear_failure_where_no_other_may_stand_in(folder: Path) -> None:
    decoded = decode(packets(250, 50), InstrumentDatabases(folder, instrument=INSTRUMENT, strict=True))
    (failure,) = decoded.failures
    assert failure.packet == 0
    assert "database version 3.0.2 is missing" in failure.reason
    assert "valid at on-board time 250:00000" in failure.reason
    assert decoded.packet(1) is not None


def test_a_missing_substitute_is_a_clear_failure(folder: Path) -> None:
    decoded = decode(packets(250), InstrumentDatabases(folder, instrument=replace(STIX, fallback_version="9.9.9")))
    assert "database version 9.9.9 is missing" in decoded.failures[0].reason


def test_a_time_outside_the_history(folder: Path) -> None:
    databases = InstrumentDatabases(folder, instrument=INSTRUMENT)
    with pytest.raises(MissingDatabaseVersion, match="no database version is valid at on-board time 300:00000"):
        databases.at(300)
    assert "no database version is valid" in decode(packets(300), databases).failures[0].reason


def test_a_file_that_calls_itself_otherwise_counts_as_missing(folder: Path) -> None:
    write_open_database(folder / "v3.0.2" / "idb.sqlite", version="3.0.1")
    databases = InstrumentDatabases(folder, instrument=INSTRUMENT, strict=True)
    with pytest.raises(MissingDatabaseVersion, match=r"says that it is version 3\.0\.1"):
        databases.at(250)


def test_a_forced_version_overrides_the_history(folder: Path) -> None:
    assert InstrumentDatabases(folder, forced="3.0.1").at(5).database.version == "3.0.1"
    with pytest.raises(MissingDatabaseVersion):
        InstrumentDatabases(folder, forced="3.0.2")


def test_a_folder_with_one_file_serves_every_time(tmp_path: Path) -> None:
    write_open_database(tmp_path / "idb.sqlite")
    assert InstrumentDatabases(tmp_path).at(2**32 - 1).database.version == "3.0.0"
    assert InstrumentDatabases(write_open_folder(tmp_path / "b")).at(2**32 - 1).valid_version == "3.0.0"


def test_folders_that_cannot_serve_are_refused(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatabaseError, match=r"holds neither idb\.sqlite"):
        InstrumentDatabases(tmp_path / "empty")
    (folder / "idbVersionHistory.json").unlink()
    with pytest.raises(DatabaseError, match=r"3\.0\.0, 3\.0\.1 and no idbVersionHistory"):
        InstrumentDatabases(folder)
    write_history(folder, ("3.0.0", 0, 100), ("3.0.1", 99, 200))
    with pytest.raises(DatabaseError, match="overlap"):
        InstrumentDatabases(folder)
    limits = '[{"version": "1", "validityPeriodOBT": [{"coarse": 1e400, "fine": 0}, {"coarse": 1, "fine": 0}]}]'
    for content in ("[{}]", limits, "[" * 100_000):
        (folder / "idbVersionHistory.json").write_text(content)
        with pytest.raises(DatabaseError, match="cannot be read"):
            InstrumentDatabases(folder)


@pytest.mark.shared
def test_the_flight_history(shared_folder: Path) -> None:
    databases = InstrumentDatabases(shared_folder / "data/stix/idb")
    assert [period.version for period in databases.history] == [
        "2.26.32", "2.26.31", "2.26.32", "2.26.33", "2.26.34", "2.26.35", "2.26.36", "2.26.38",
    ]  # fmt: skip
    assert databases.at(643123725).valid_version == "2.26.34"
    newest = databases.at(761270182)
    assert (newest.valid_version, newest.database.version) == ("2.26.38", "2.26.34")
