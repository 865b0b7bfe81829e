"""CPU milliseconds per decoded packet, by packet kind: the compiled decoder compared with a plain one in the same run.

``python benchmarks/telemetry_decode.py [--packets FOLDER] [--idb FILE]`` decodes batches of many copies of each packet;
the compiled time includes everything (headers, sorting, reading, decompression, calibration), the plain one only the
reading.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from broker_assets.telemetry import InstrumentDatabase, PacketBatch, decode
from broker_assets.telemetry.decoding.execution import read_plain
from broker_assets.telemetry.idb.open_database import write_open_database
from broker_assets.telemetry.packets.encoding import encode

TARGET_MS = 0.03
PREDECESSOR_MS = 17.2
"""STIXCore, mean over its packets, same kind of machine (golden README)."""


def golden_packets(folder: Path) -> dict[str, list[bytes]]:
    """Packets of a folder of golden JSON files, by kind."""
    kinds: dict[str, list[bytes]] = defaultdict(list)
    for path in sorted(folder.glob("*.json")):
        document = json.loads(path.read_text())
        if "hex" in document and "class" in document:
            kinds[document["class"]].append(bytes.fromhex(document["hex"]))
    return dict(kinds)


def own_packets(database: InstrumentDatabase) -> dict[str, list[bytes]]:
    """A light curve of 4 kB and a housekeeping report, where the golden packets are not there."""
    bins = 670
    light_curve: dict[str, int | list[int]] = {
        "NIX00120": 30, "NIXD0102": 5, "NIXD0103": 3, "NIXD0105": 5, "NIXD0106": 3, "NIX00270": 5,
        "NIX00271": [bins] * 5, "NIX00272": [number % 256 for number in range(5 * bins)],
        "NIX00273": bins, "NIX00274": [80] * bins,
    }  # fmt: skip
    housekeeping = {"NIX00020": 2, "NIXD0025": 3000}
    return {
        "TM_21_6_30": [encode(database, (21, 6, 30), light_curve)],
        "TM_3_25_2": [encode(database, (3, 25, 2), housekeeping)],
    }


def milliseconds_per_packet(
    packets: list[bytes], database: InstrumentDatabase, *, batch_bytes: int = 1024**2, repeats: int = 7
) -> tuple[float, float]:
    """Compiled and plain time per packet: the best of some runs over a batch, and over one set for plain.

    The best, because other processes of the machine can only add to it.
    """
    copies = max(1, min(4000, batch_bytes // sum(map(len, packets))))
    batch = PacketBatch.of(packets * copies)
    decode(batch, database)
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        decoded = decode(batch, database)
        best = min(best, time.process_time() - start)
        assert not decoded.failures, decoded.failures[0]
    structure = decoded.structures[0]
    start = time.process_time()
    read_plain(structure.plan, batch.data, batch.starts[: len(packets)], batch.lengths[: len(packets)])
    plain = time.process_time() - start
    return best / len(batch) * 1e3, plain / len(packets) * 1e3


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    shared = Path(__file__).resolve().parents[2] / "shared"
    parser.add_argument("--packets", type=Path, default=shared / "golden/stix/packets")
    parser.add_argument("--idb", type=Path, default=shared / "data/stix/idb/v2.26.34/idb.sqlite")
    arguments = parser.parse_args()
    if arguments.packets.is_dir() and arguments.idb.is_file():
        database = InstrumentDatabase.open(arguments.idb)
        kinds = golden_packets(arguments.packets)
    else:
        print("no golden packets here: our own packets and the open database")
        with TemporaryDirectory() as folder:
            database = InstrumentDatabase.open(write_open_database(Path(folder) / "idb.sqlite"))
        kinds = own_packets(database)
    print(f"{'kind':<14}{'bytes':>7}{'compiled ms':>13}{'MB/s':>8}{'plain ms':>10}{'ratio':>7}")
    mine, plain, count = 0.0, 0.0, 0
    for kind, packets in kinds.items():
        size = sum(map(len, packets)) / len(packets)
        compiled_ms, plain_ms = milliseconds_per_packet(packets, database)
        mine += compiled_ms * len(packets)
        plain += plain_ms * len(packets)
        count += len(packets)
        rate = size / compiled_ms / 1e3
        print(f"{kind:<14}{size:>7.0f}{compiled_ms:>13.4f}{rate:>8.0f}{plain_ms:>10.3f}{plain_ms / compiled_ms:>7.0f}")
    mine, plain = mine / count, plain / count
    print(f"mean of the {count} packets: {mine:.4f} ms (target {TARGET_MS}), plain decoder {plain:.2f} ms")
    print(f"predecessor: {PREDECESSOR_MS} ms with decompression and calibration: {PREDECESSOR_MS / mine:.0f} times")


if __name__ == "__main__":
    main()
