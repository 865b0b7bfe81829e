"""Reading alert packets: our reader compared with fastavro in the same run.

``python -m benchmarks.packet_reading`` prints the table; `measure` is for `make bench`. The packets are Rubin alerts of
schema v9.0 with cutouts. Every packet is a separate copy in memory. "alike" repeats one history; "mixed" draws every
history record independently: different null fields, detectors and lengths of numbers, as in a stream of many objects.
Times are CPU times of one thread, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import io
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa

from broker_assets.packets.reader import Chosen, PacketReader, available_columns
from broker_assets.packets.registry import SchemaFolder
from broker_assets.packets.surveys.rubin import RubinAdapter

HISTORIES = {"no history": "0_0", "a month": "10_30", "a year": "100_365"}
TARGETS = {("no history", "stored"): 400_000, ("a year", "stored"): 10_000}
CUTOUTS = ("cutoutDifference", "cutoutScience", "cutoutTemplate")
REPEATS = 5


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    packets: str
    columns: str
    packets_per_second: float
    megabytes_per_second: float
    peak_megabytes: float
    times_fastavro: float
    target: float | None


def rubin_schema() -> dict[str, Any]:
    """Schema lsst.v9_0 of the package lsst-alert-packet."""
    files = importlib.metadata.files("lsst-alert-packet") or []
    file = next(Path(str(f.locate())) for f in files if f.name == "lsst.v9_0.alert.avsc")
    return SchemaFolder(file.parent).for_topic(None)


def stored_columns(schema: dict[str, Any]) -> dict[str, list[str]]:
    """All numbers and texts, cutouts only as where they lie."""
    columns = {
        table: [name for name in names if "@" not in name and name not in CUTOUTS]
        for table, names in available_columns(schema).items()
    }
    columns[""] += [f"{cutout}@{part}" for cutout in CUTOUTS for part in ("position", "length")]
    return columns


def identifying_columns(schema: dict[str, Any]) -> dict[str, list[str]]:
    """What is read before it is known which points of the history are new: identities of the packet and the points."""
    return RubinAdapter().identity_columns(schema)


def mixed(payload: bytes, schema: dict[str, Any], generator: np.random.Generator) -> bytes:
    """The same packet with every record of its history drawn independently."""
    parsed = fastavro.parse_schema(schema)
    record: Any = fastavro.schemaless_reader(io.BytesIO(payload), parsed, None)
    for name in ("prvDiaSources", "prvDiaForcedSources"):
        for item in record[name] or []:
            item["detector"] = int(generator.integers(0, 189))
            for key, value in item.items():
                if value is None or key in ("band", "detector", "diaObjectId"):
                    continue
                # As in Rubin's alerts: groups of fields are missing together, single ones now and then.
                group = name == "prvDiaSources" and key.startswith(("trail", "dipole")) and item["detector"] % 3 == 0
                if group or (key.endswith("Err") and generator.random() < 0.01):
                    item[key] = None
                elif isinstance(value, int) and key.endswith("Ndata"):
                    item[key] = int(generator.integers(20, 3000))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed, record)
    return out.getvalue()


def nothing_new(payloads: Sequence[bytes], schema: dict[str, Any]) -> dict[str, Chosen]:
    """A choice that leaves out every point of the histories."""
    tables = PacketReader(schema, {"prvDiaSources": ["@end"], "prvDiaForcedSources": ["@end"]}).read(payloads)
    found = {}
    for path in ("prvDiaSources", "prvDiaForcedSources"):
        packet = tables.tables[path]["packet"].to_numpy()
        if packet.size:
            end = tables.tables[path]["@end"].to_numpy()
            found[path] = Chosen.of(np.zeros(packet.size, bool), end, packet, np.arange(len(payloads)))
    return found


def processor_time(function: Callable[[], Any]) -> float:
    """Least processor time of some calls, seconds."""
    best = np.inf
    for _ in range(REPEATS):
        begun = time.thread_time()
        function()
        best = min(best, time.thread_time() - begun)
    return float(best)


def peak_memory(function: Callable[[], Any]) -> float:
    """Most memory of buffers and objects during a call, MB (numpy and Python report theirs; Arrow's is added)."""
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    held = function()
    peak = tracemalloc.get_traced_memory()[1] + pa.total_allocated_bytes() - before
    tracemalloc.stop()
    del held
    return float(peak / 1e6)


def figures(
    name: str, payloads: Sequence[bytes], schema: dict[str, Any], unwanted: Mapping[str, Chosen]
) -> list[Figure]:
    """Measure all ways to read some packets."""
    parsed = fastavro.parse_schema(schema)
    few = payloads[: max(len(payloads) // 50, 5)]

    def by_fastavro() -> list[Any]:
        return [fastavro.schemaless_reader(io.BytesIO(payload), parsed, None) for payload in few]

    size = sum(map(len, payloads)) / len(payloads) / 1e6
    reference = len(few) / processor_time(by_fastavro)
    found = [Figure(name, "fastavro", reference, reference * size, peak_memory(by_fastavro), 1.0, None)]
    ways: list[tuple[str, Mapping[str, Sequence[str]] | None, Mapping[str, Chosen]]] = [
        ("everything", None, {}),
        ("stored", stored_columns(schema), {}),
    ]
    if unwanted:
        ways.append(("stored, none new", stored_columns(schema), unwanted))
    ways.append(("identity", identifying_columns(schema), {}))
    for way, columns, keep in ways:
        reader = PacketReader(schema, columns)

        def read(reader: PacketReader = reader, keep: Mapping[str, Chosen] = keep) -> Any:
            decoded = reader.read(payloads, keep=keep)
            assert not decoded.failures
            return decoded

        read()
        rate = len(payloads) / processor_time(read)
        target = TARGETS.get((name.partition(",")[0], way))
        found.append(Figure(name, way, rate, rate * size, peak_memory(read), rate / reference, target))
    return found


def measure(folder: Path, *, packets: int = 1000) -> list[Figure]:
    """Figures for packets without and with history.

    Parameters
    ----------
    folder : Path
        Where the packets ``v9_0_history_*.schemaless.avro`` are.
    packets : int
        Size of a batch with a year of history; four times as many without history.
    """
    schema = rubin_schema()
    generator = np.random.default_rng(1)
    found = []
    for name, suffix in HISTORIES.items():
        payload = (folder / f"v9_0_history_{suffix}.schemaless.avro").read_bytes()
        count = packets if suffix == "100_365" else 4 * packets
        kinds = {"alike": [payload]}
        if suffix != "0_0":
            kinds["mixed"] = [mixed(payload, schema, generator) for _ in range(50)]
        for kind, originals in kinds.items():
            payloads = [bytes(bytearray(originals[k % len(originals)])) for k in range(count)]
            found += figures(f"{name}, {kind}", payloads, schema, nothing_new(payloads, schema))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).resolve().parents[2] / "shared/data/alerts/lsst"
    parser.add_argument("--folder", type=Path, default=default)
    parser.add_argument("--packets", type=int, default=1000)
    arguments = parser.parse_args()
    print(f"{'packets':18} {'columns':18} {'packets/s':>11} {'MB/s':>8} {'peak MB':>8} {'x fastavro':>10}  target")
    for figure in measure(arguments.folder, packets=arguments.packets):
        target = f"{figure.target:,.0f}" if figure.target else ""
        print(
            f"{figure.packets:18} {figure.columns:18} {figure.packets_per_second:11,.0f} "
            f"{figure.megabytes_per_second:8,.0f} {figure.peak_megabytes:8.1f} {figure.times_fastavro:10.1f}  {target}"
        )


if __name__ == "__main__":
    main()
