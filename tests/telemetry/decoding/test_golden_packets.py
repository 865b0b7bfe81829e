"""Every golden packet is reproduced; what differs is a decision, listed here and in docs/telemetry.md."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from broker_assets.telemetry import DecodedPacket, InstrumentDatabase, decode

pytestmark = pytest.mark.shared

EXPECTED_DIFFERENCES: dict[tuple[str, str, str], tuple[Any, Any]] = {
    # Flux of visibilities is never negative; the original derives s = -1 where the packet says s = 0.
    ("21_6_23", "NIX00261", "skm"): ([-1, 4, 5], [0, 3, 5]),
}
"""(packet, parameter or key, what) to (theirs, ours)."""

RELATIVE = 1e-11
"""Tighter than asked (1e-6): only the order of floating-point operations may differ."""


def equal(theirs: Any, ours: Any) -> bool:
    """Lists element by element; floats to `RELATIVE`; everything else exactly, type included."""
    if isinstance(theirs, list) and isinstance(ours, list):
        return len(theirs) == len(ours) and all(map(equal, theirs, ours))
    if isinstance(theirs, float) and isinstance(ours, float):
        return abs(theirs - ours) <= RELATIVE * max(abs(theirs), abs(ours))
    return type(theirs) is type(ours) and theirs == ours


def differences(
    name: str, golden: dict[str, Any], packet: DecodedPacket
) -> dict[tuple[str, str, str], tuple[Any, Any]]:
    """What differs between a golden document and our packet."""
    structure = packet.structure
    found: dict[tuple[str, str, str], tuple[Any, Any]] = {}

    def compare(what: str, part: str, theirs: Any, ours: Any) -> None:
        if not equal(theirs, ours):
            found[name, what, part] = (theirs, ours)

    compare("primary_header", "", golden["primary_header"], asdict(packet.primary))
    compare("secondary_header", "", golden["secondary_header"], asdict(packet.secondary))
    compare("apid", "", golden["apid"], packet.primary.apid)
    compare("packet_id", "", golden["packet_id"], packet.primary.packet_id)
    compare("time_sync_ok", "", golden["time_sync_ok"], packet.secondary.synchronised)
    compare("pi1_val", "", golden["pi1_val"], structure.key[2])
    compare("spid", "", golden["spid"], structure.spid)
    compare("spid_info", "", golden["spid_info"], [structure.description, *structure.key[:2]])
    compare("idb_version", "", golden["idb_version"], structure.database_version)
    compare("request_id", "", golden["request_id"], None if packet.request_id is None else list(packet.request_id))
    compare("stream", "", golden["stream"], [list(entry) for entry in packet.stream])
    compare("bits_consumed", "", golden["bits_consumed"], packet.bits_consumed)
    compare("merged_raw", "order", list(golden["merged_raw"]), list(packet.merged_raw))
    for parameter, theirs in golden["merged_raw"].items():
        compare(parameter, "merged", theirs, packet.merged_raw.get(parameter))
    compare("parameters", "names", list(golden["parameters"]), list(packet.parameters))
    for parameter, theirs in golden["parameters"].items():
        ours = packet.parameters[parameter]
        scheme: Any = None if ours.scheme is None else list(ours.scheme)
        if scheme is not None and ours.scheme_parameters is not None:
            scheme = [list(pair) for pair in zip(ours.scheme_parameters, scheme, strict=True)]
        compare(parameter, "descr", theirs["descr"], ours.description)
        compare(parameter, "kind", theirs["kind"], ours.kind)
        compare(parameter, "raw", theirs["raw"], ours.raw)
        compare(parameter, "value", theirs.get("value"), ours.value)
        compare(parameter, "variance", theirs.get("variance"), ours.variance)
        compare(parameter, "skm", theirs.get("skm"), scheme)
        compare(parameter, "unit", theirs.get("unit"), ours.unit)
        compare(parameter, "unit_out", theirs.get("unit_out"), ours.unit_out)
    return found


@pytest.fixture(scope="module")
def golden(shared_folder: Path) -> dict[str, dict[str, Any]]:
    """The golden documents by name."""
    folder = shared_folder / "golden/stix/packets"
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


@pytest.mark.parametrize("engine", ["compiled", "plain"])
@pytest.mark.parametrize("build", ["v2.26.34/idb.sqlite", "v2.26.34_variants/idb_7dbe7b7d.sqlite"])
def test_every_packet_is_equal(golden: dict[str, Any], shared_folder: Path, build: str, engine: Any) -> None:
    """With the build that made the golden data, and with one whose calibrations are completed in memory."""
    database = InstrumentDatabase.open(shared_folder / "data/stix/idb" / build)
    assert len(golden) > 50
    decoded = decode([bytes.fromhex(document["hex"]) for document in golden.values()], database, engine=engine)
    assert not decoded.failures
    found: dict[tuple[str, str, str], tuple[Any, Any]] = {}
    for row, (name, document) in enumerate(golden.items()):
        packet = decoded.packet(row)
        assert packet is not None
        found |= differences(name, document, packet)
    assert found == EXPECTED_DIFFERENCES
