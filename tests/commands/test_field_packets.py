"""Packets from public bug reports: each gives what `cases.json` of its folder says, and none ends the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from typer.testing import CliRunner

from broker_assets.commands.packets import app
from broker_assets.replay.packet_files import PacketFileError, read_packets

pytestmark = pytest.mark.shared


@pytest.fixture
def field(shared_folder: Path) -> Path:
    return shared_folder / "data" / "alerts" / "field"


def show(*arguments: Any) -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, ["show", *map(str, arguments)])
    assert not isinstance(result.exception, Exception) or isinstance(result.exception, SystemExit), result.exception
    return [json.loads(line) for line in result.stdout.splitlines()]


def export(folder: Path, *files: Path) -> dict[str, list[dict[str, Any]]]:
    """Rows of all tables."""
    result = CliRunner().invoke(app, ["export", *map(str, files), "--out", str(folder)])
    assert result.exit_code in (0, 1), result.output
    return {path.stem: parquet.read_table(path).to_pylist() for path in folder.glob("*.parquet")}


BAD = {
    "bad_schema_deep.avro": "nested too deeply",
    "bad_schema_no_name.avro": "record without a name",
    "bad_schema_type_without_type.avro": "malformed schema",
    "elasticc_bare_v0_9.bin": "--schema",
    "ztf33_codec_bzip2.avro": "bzip2",
    "ztf33_codec_xz.avro": "xz",
    "ztf_real_damaged_by_git.avro": "byte 14440 is truncated",
    "ztf33_second_record_cut.avro": "byte 23169 cannot be read",
}
"""What cannot be read, and what the error says."""


def test_the_whole_folder(field: Path, tmp_path: Path) -> None:
    """One error for each bad file; whatever is good is shown, exported and replayed."""
    files = sorted(path for path in field.iterdir() if path.suffix in (".avro", ".gz", ".bin"))
    documents = show(*files)
    errors = {Path(document["file"]).name: document["error"] for document in documents if "error" in document}
    assert errors.keys() == BAD.keys()
    assert all(BAD[name] in error for name, error in errors.items())
    good = {Path(document["file"]).name for document in documents if "error" not in document}
    assert good == {path.name for path in files} - BAD.keys() | {"ztf33_second_record_cut.avro"}

    tables = export(tmp_path, *files)
    assert len(tables["packet"]) == sum("error" not in document for document in documents)

    told: list[PacketFileError] = []
    replayed = list(read_packets([field], on_error=told.append))
    # Replay looks into containers only as far as it must: bytes that need no splitting are sent as they are.
    assert {Path(str(error).split(":")[0]).name for error in told} >= {"ztf_real_damaged_by_git.avro"}
    assert {Path(packet.origin.split(",")[0]).name for packet in replayed} >= good - {"elasticc_bare_v0_9.bin"}


@pytest.mark.parametrize(
    ("names", "rows"),
    [
        (["fink_lsst_nonnull_records"], {"packet": 7, "object": 5, "solar_system_source": 2, "orbit": 2}),
        (["lsst11_diaobject_required"], {"packet": 1, "object": 1}),
        (["elasticc_diaobject_required"], {"packet": 1, "object": 1}),
        (["ztf33_default_null_on_int_two_in_block"], {"packet": 2}),
        (["lsst8_nanos_in_micros_two_in_block"], {"packet": 2}),
        (["lsst9_mpcorb_null_designation"], {"packet": 1, "orbit": 0, "solar_system_source": 1}),
        (["lsst10_sso"], {"packet": 1, "orbit": 1, "solar_system_source": 1, "object": 0}),
        (["ztf_prv_null", "ztf_prv_empty"], {"packet": 2, "source": 2}),
        (["ztf_prv_null_item"], {"source": 3, "nondetection": 0}),
        (["lsst11_jd_history_1.confluent"], {"source": 2, "forced_source": 1}),
        (["lsst71_real_multi"], {"packet": 10}),
    ],
)
def test_rows(field: Path, tmp_path: Path, names: list[str], rows: dict[str, int]) -> None:
    tables = export(tmp_path, *(field / f"{name}.avro" for name in names))
    assert {name: len(tables[name]) for name in rows} == rows


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("timestamp_nanos", 61000.1948741141),
        ("timestamp_micros", 61000.1948741141),
        ("local_timestamp_micros", 61000.1948741141),
        ("timestamp_millis", 61000.1948741088),
        ("millis_overflow", None),
        ("minlong", None),
        ("nanos_in_micros_single", None),
    ],
)
def test_timestamps(field: Path, tmp_path: Path, name: str, time: float | None) -> None:
    (source,) = export(tmp_path, field / f"lsst8_{name}.avro")["source"]
    assert source["timeprocessedmjdtai"] == (None if time is None else pytest.approx(time, abs=1e-9))


@pytest.mark.parametrize(
    ("spelling", "negative"),
    [("bool", False), ("word", False), ("upper", False), ("int01", False), ("intpm", False), ("empty", None)],
)
def test_signs(field: Path, tmp_path: Path, spelling: str, negative: bool | None) -> None:
    triggers = [row for row in export(tmp_path, field / f"ztf_isdiffpos_{spelling}.avro")["source"] if row["trigger"]]
    assert [row["isnegative"] for row in triggers] == [negative]
    assert [row["psfflux"] is None or row["psfflux"] > 0 for row in triggers] == [True]
    assert [row["psfflux"] is None for row in triggers] == [negative is None]


def test_sentinels_are_null(field: Path, tmp_path: Path) -> None:
    tables = export(tmp_path, field / "ztf_sentinels.avro")
    numbers = [
        value
        for name in ("source", "nondetection", "forced_source")
        for row in tables[name]
        for value in row.values()
        if isinstance(value, float)
    ]
    assert not any(value in (float("inf"), float("-inf")) for value in numbers)
    assert [row["dianoise"] for row in tables["nondetection"]] == [None] * 3


def test_a_union_of_three_branches(field: Path, tmp_path: Path) -> None:
    """Only that field had another type: its values are there."""
    (trigger,) = [row for row in export(tmp_path, field / "lsst11_three_branch_union.avro")["source"] if row["trigger"]]
    assert trigger["diasourceid"] == 41001
    assert trigger["visit"] is not None


def test_bare_and_compressed(field: Path) -> None:
    (document,) = show(field / "elasticc_bare_v0_9.bin", "--schema", field / "elasticc.v0_9.alert.avsc")
    assert (document["source"], document["object"]) == (208089362038, 104044681)
    (document,) = show(field / "elasticc_gz.avro.gz")
    assert "error" not in document
