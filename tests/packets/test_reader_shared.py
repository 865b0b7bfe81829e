"""Real packets of three surveys equal what fastavro reads."""

from __future__ import annotations

import importlib.metadata
import io
import struct
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest

from broker_assets.packets.reader import Chosen, DecodedPackets, PacketReader, available_columns
from broker_assets.packets.registry import SchemaFolder

pytestmark = pytest.mark.shared


def flatten(record: Any, prefix: str = "") -> dict[str, Any]:
    """Leaves of nested records by dotted path; arrays and absent records are left out."""
    found: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            found |= flatten(value, f"{prefix}{name}.")
        elif not isinstance(value, list):
            found[prefix + name] = value
    return found


def assert_equal(decoded: DecodedPackets, records: list[Any], arrays: list[str]) -> None:
    assert decoded.failures == []
    root = decoded.tables[""].to_pylist()
    for row, record in zip(root, records, strict=True):
        for name, value in flatten(record).items():
            if name in arrays or f"{name}@count" in row:
                assert value is None, name
                assert row[f"{name}@count"] is None, name
            elif isinstance(row[name], bool) and value is None:
                assert row[name] is False, name  # the presence of a record that is null
            else:
                assert row[name] == value or (value != value and row[name] != row[name]), name
    for array in arrays:
        expected = [
            {"packet": packet} | flatten(item)
            for packet, record in enumerate(records)
            for item in record.get(array) or []
        ]
        rows = decoded.tables[array].to_pylist()
        assert len(rows) == len(expected), array
        for row, wanted in zip(rows, expected, strict=True):
            for name, value in wanted.items():
                assert row[name] == value or (value != value and row[name] != row[name]), name


@pytest.fixture(scope="module")
def rubin_schema() -> dict[str, Any]:
    files = importlib.metadata.files("lsst-alert-packet") or []
    path = next((Path(str(f.locate())) for f in files if f.name == "lsst.v9_0.alert.avsc"), None)
    if path is None:
        pytest.skip("lsst-alert-packet is not installed")
    return SchemaFolder(path.parent).for_topic(None)


def test_rubin(shared_folder: Path, rubin_schema: dict[str, Any]) -> None:
    folder = shared_folder / "data/alerts/lsst"
    confluent = next(folder.glob("*.confluent.avro")).read_bytes()
    assert struct.unpack(">bI", confluent[:5]) == (0, 900)
    payloads = [confluent, *(path.read_bytes() for path in sorted(folder.glob("*.schemaless.avro")))]
    starts = np.array([5, 0, 0, 0, 0])
    parsed = fastavro.parse_schema(rubin_schema)
    records: list[Any] = [
        fastavro.schemaless_reader(io.BytesIO(payload[start:]), parsed, None)
        for payload, start in zip(payloads, starts.tolist(), strict=True)
    ]
    arrays = ["prvDiaSources", "prvDiaForcedSources"]
    reader = PacketReader(rubin_schema)
    assert_equal(reader.read(payloads, starts=starts), records, arrays)
    # Only new points, and cutouts by reference.
    columns = {
        "": ["diaSourceId", "cutoutScience@position", "cutoutScience@length"],
        "prvDiaForcedSources": ["psfFlux"],
    }
    points = [(k, item) for k, record in enumerate(records) for item in record["prvDiaForcedSources"] or []]
    middle = np.median([item["midpointMjdTai"] for item in records[-1]["prvDiaForcedSources"]])
    mask = np.array([item["midpointMjdTai"] > middle for _, item in points])
    first = PacketReader(rubin_schema, {"prvDiaForcedSources": ["@end"]}).read(payloads, starts=starts)
    end = first.tables["prvDiaForcedSources"]["@end"].to_numpy()
    chosen = Chosen.of(mask, end, np.array([k for k, _ in points]), np.arange(5))
    decoded = PacketReader(rubin_schema, columns).read(payloads, starts=starts, keep={"prvDiaForcedSources": chosen})
    for row, payload, record in zip(decoded.tables[""].to_pylist(), payloads, records, strict=True):
        position = row["cutoutScience@position"]
        assert payload[position : position + row["cutoutScience@length"]] == record["cutoutScience"]
    assert decoded.tables["prvDiaForcedSources"]["psfFlux"].to_pylist() == [
        item["psfFlux"] for _, item in points if item["midpointMjdTai"] > middle
    ]


@pytest.mark.parametrize(
    ("survey", "arrays"), [("ztf", ["prv_candidates", "fp_hists"]), ("elasticc", ["prvDiaSources"])]
)
def test_containers(shared_folder: Path, survey: str, arrays: list[str]) -> None:
    """Datums are read in place: from the byte where they begin in their file to the one after them."""
    by_schema: dict[str, tuple[Any, list[bytes], list[int], list[int], list[Any]]] = {}
    for path in sorted((shared_folder / "data/alerts" / survey).glob("*.avro")):
        content = path.read_bytes()
        with path.open("rb") as file:
            for block in fastavro.block_reader(file):
                datum = block.bytes_.getvalue()  # type: ignore[attr-defined]
                assert block.num_records == 1
                start = content.find(datum)
                if start < 0:  # compressed
                    content, start = datum, 0
                schema = block.writer_schema
                entry = by_schema.setdefault(str(schema), (schema, [], [], [], []))
                entry[1].append(content)
                entry[2].append(start)
                entry[3].append(start + len(datum))
                entry[4].extend(block)
    assert by_schema
    for schema, payloads, starts, ends, records in by_schema.values():
        decoded = PacketReader(schema).read(payloads, starts=np.array(starts), ends=np.array(ends))
        known = available_columns(schema)
        assert_equal(decoded, records, [array for array in arrays if array in known])


def test_every_truncation_of_a_real_packet_fails(shared_folder: Path, rubin_schema: dict[str, Any]) -> None:
    payload = (shared_folder / "data/alerts/lsst/v9_0_history_10_30.schemaless.avro").read_bytes()
    ends = np.concatenate([np.arange(0, 8000), np.arange(8000, len(payload), 997)])
    decoded = PacketReader(rubin_schema).read([payload] * (len(ends) + 1), ends=np.append(ends, len(payload)))
    assert [failure.packet for failure in decoded.failures] == list(range(len(ends)))
    assert decoded.tables["prvDiaSources"].num_rows == 10


def test_random_damage_to_a_real_packet(shared_folder: Path, rubin_schema: dict[str, Any]) -> None:
    payload = (shared_folder / "data/alerts/lsst/v9_0_history_10_30.schemaless.avro").read_bytes()
    generator = np.random.default_rng(3)
    payloads = [payload]
    for _ in range(400):
        damaged = bytearray(payload)
        for position in generator.integers(0, 7000, 3):
            damaged[position] = generator.integers(256)
        payloads += [bytes(damaged), payload]
    reader = PacketReader(rubin_schema)
    decoded = reader.read(payloads)
    assert decoded.failures
    assert all(failure.packet % 2 for failure in decoded.failures)
    alone = reader.read([payload])
    for table in ("prvDiaSources", "prvDiaForcedSources"):
        rows = decoded.tables[table]
        for packet in (0, 2, 400, 800):
            kept = rows.filter(np.asarray(rows["packet"]) == packet).drop_columns("packet")
            assert repr(kept.to_pylist()) == repr(alone.tables[table].drop_columns("packet").to_pylist())
