"""`broker-assets telemetry decode`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from broker_assets.commands.telemetry.application import app
from broker_assets.telemetry import InstrumentDatabase
from broker_assets.telemetry.idb.open_database import write_open_folder
from broker_assets.telemetry.packets.encoding import encode, to_xml


@pytest.fixture
def idb(tmp_path: Path) -> Path:
    """A folder of versions."""
    return write_open_folder(tmp_path / "idb")


@pytest.fixture
def packet(idb: Path) -> bytes:
    """A mode change."""
    database = InstrumentDatabase.open(idb / "v3.0.0/idb.sqlite")
    return encode(database, (5, 1, 33), {"NIX00299": 33, "NIX00304": 4, "NIX00305": 2})


def run(*arguments: str | Path) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and documents."""
    result = CliRunner().invoke(app, ["decode", *map(str, arguments)])
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def test_one_document_per_packet(tmp_path: Path, idb: Path, packet: bytes) -> None:
    path = tmp_path / "TM.PktTmRaw.xml"
    path.write_bytes(b"".join(to_xml([packet, packet])))
    code, documents = run(path, "--idb", idb)
    assert code == 0
    assert [document["packet_number"] for document in documents] == [1, 2]
    document = documents[0]
    assert document["primary_header"]["process_id"] == 93
    assert document["secondary_header"]["service_type"] == 5
    assert document["stream"] == [[0, "NIX00299", 33], [0, "NIX00304", 4], [0, "NIX00305", 2], [0, "NIX00306", 0]]
    mode = document["parameters"]["NIX00304"]
    assert (mode["raw"], mode["value"], mode["unit"]) == (4, "Nominal", None)
    assert "error" not in document


def test_what_cannot_be_decoded_has_an_error_and_the_rest_goes_on(tmp_path: Path, idb: Path, packet: bytes) -> None:
    cut, unknown = packet[:-1], packet[:7] + b"\x63" + packet[8:]
    path = tmp_path / "TM.PktTmRaw.xml"
    path.write_bytes(b"".join(to_xml([packet, cut, unknown, packet])))
    code, documents = run(path, tmp_path / "missing.xml", "--idb", idb)
    assert code == 1
    errors = [document.get("error") for document in documents]
    assert errors[0] is None
    assert errors[1] == "the packet has 20 bytes and its header says 21"
    assert errors[2] == "packet kind (99, 1) is not in database 3.0.0"
    assert errors[3] is None
    assert "No such file" in str(errors[4])
    assert documents[2]["primary_header"]["sequence_flag"] == 3


def test_binary_and_hexadecimal_files(tmp_path: Path, idb: Path, packet: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(packet * 3)
    (tmp_path / "a.hex").write_text(packet.hex())
    code, documents = run(tmp_path / "a.bin", tmp_path / "a.hex", "--idb", idb)
    assert code == 0
    assert len(documents) == 4
    assert all(document["stream"] == documents[0]["stream"] for document in documents)


def test_a_folder_without_database_ends_the_command(tmp_path: Path, packet: bytes) -> None:
    (tmp_path / "a.hex").write_text(packet.hex())
    code, documents = run(tmp_path / "a.hex", "--idb", tmp_path)
    assert (code, documents) == (2, [])


@pytest.mark.shared
def test_real_packets_of_every_kind(shared_folder: Path) -> None:
    stix = shared_folder / "data/stix"
    code, documents = run(
        *sorted((stix / "tm_hex").glob("*.hex")), stix / "tc_xml/PktTcReport.xml", "--idb", stix / "idb"
    )
    assert code == 0
    assert sum("stream" in document for document in documents) == 31
    golden = json.loads((shared_folder / "golden/stix/packets/21_6_24.json").read_text())
    ours = next(document for document in documents if document.get("file", "").endswith("/21_6_24.hex"))
    for key in ("primary_header", "secondary_header", "stream", "merged_raw", "spid", "request_id", "bits_consumed"):
        assert ours[key] == golden[key]
    for name, parameter in golden["parameters"].items():
        for key in ("kind", "raw", "variance", "skm", "unit", "unit_out"):
            assert ours["parameters"][name].get(key) == parameter.get(key), (name, key)
