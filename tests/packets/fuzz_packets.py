"""Feeds damaged and hostile packets to everything that reads packets; started by `test_fuzz`, in a process of its own.

Usage: fuzz_packets.py TARGET ROUNDS SEED FOLDER. A crash, an exception that is not the reader's own, a message without
outcome, and memory beyond `MEMORY` end it with an exit code that is not 0; its last line names the round.
"""

from __future__ import annotations

import copy
import gzip
import io
import json
import random
import resource
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import alert_packets
import fastavro
import numpy as np
from hostile_input import refused_with_reason

from broker_assets.packets.container import ContainerError, read_blocks, read_header, write_header, write_long
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.files import Schemas, decode_files, describe, read_packets
from broker_assets.packets.limits import BatchTooLarge, ReadTooLarge
from broker_assets.packets.reader import PacketReader
from broker_assets.packets.registry import NoSchemas, SchemaFolder
from broker_assets.packets.schema import SchemaError
from broker_assets.packets.whole import WholePacketError, read_whole
from broker_assets.replay.packet_files import PacketFileError
from broker_assets.replay.packet_files import read_packets as replayed
from broker_assets.simulation import Survey

MEMORY = 1600 << 20
"""Bytes that the process may have in memory at any time; about 500 MB are Python, Arrow and the compiled walk."""

VISITS = [(0, 61000.2), (1, 61001.2), (2, 61002.2)]
SURVEYS = ("rubin", "ztf", "elasticc")


def damage(chance: random.Random, content: bytes) -> bytes:
    """A few changes as lines, disks and attackers make them."""
    data = bytearray(content)
    for _ in range(chance.choice([0, 1, 1, 2, 3, 6])):
        at = chance.randrange(len(data) + 1)
        length = chance.choice([1, 1, 2, 9, 100])
        kind = chance.randrange(6)
        if kind == 0 and at < len(data):
            data[at] ^= chance.randrange(1, 256)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            data[at:at] = chance.randbytes(length)
        elif kind == 3:
            del data[at : at + length]
        elif kind == 4:  # the largest and smallest numbers, lengths and counts
            data[at : at + chance.choice([0, 1, 10])] = chance.choice(
                [b"\xff" * 9 + b"\x01", b"\xfe" + b"\xff" * 8 + b"\x01", b"\x01", b"\x80" * 11, b"\xfe\xff\xff\xff\x0f"]
            )
        else:
            data[at:at] = data[at : at + length]
    return bytes(data)


HOSTILE: list[Any] = [
    2**63 - 64, 2**63 - 1, 2**62, 2**31, 2**26, 0, -1, 1e400, True, None, "", "\0", "\ud800", "x" * 3000, [], {}, [[]],
    "null", "long", "string", "bytes", "boolean", "nowhere", ["null"], ["null", "null"], ["null", "long", "string"],
    {"type": "fixed", "name": "huge", "size": 2**63 - 64}, {"type": "fixed", "name": "large", "size": 2**26},
    {"type": "array", "items": "null"}, {"type": "map", "values": ["null", "double"]}, {"type": "enum", "name": "e"},
    {"type": "array", "items": {"type": "fixed", "name": "wide", "size": 2**26}},
    {"type": "record", "name": "none", "fields": []}, {"type": "long", "logicalType": "timestamp-nanos"},
    {"type": "bytes", "logicalType": "decimal", "precision": 10**9, "scale": -1}, {"type": "enum", "symbols": [1]},
]  # fmt: skip


def holders(document: Any) -> list[Any]:
    """Objects and lists of a document that are not empty."""
    found = []
    if isinstance(document, dict | list) and document:
        found.append(document)
        for value in document.values() if isinstance(document, dict) else document:
            found += holders(value)
    return found


def hostile_schema(chance: random.Random, schema: Any) -> Any:
    """A schema with some of its parts replaced, nested or removed."""
    changed = copy.deepcopy(schema)
    for _ in range(chance.choice([1, 1, 2, 4])):
        holder = chance.choice(holders(changed))
        key = chance.choice(sorted(holder)) if isinstance(holder, dict) else chance.randrange(len(holder))
        kind = chance.randrange(5)
        if kind == 0:
            del holder[key]
        elif kind == 1:
            inner = holder[key]
            for _ in range(chance.choice([1, 3, 70, 400])):
                inner = {"type": "array", "items": inner} if chance.random() < 0.7 else ["null", inner]
            holder[key] = inner
        elif kind == 2:
            bomb: Any = "int"
            for level in range(chance.choice([3, 12, 40])):
                again = f"bomb{level - 1}" if level else "int"
                bomb = {
                    "type": "record",
                    "name": f"bomb{level}",
                    "fields": [{"name": "a", "type": bomb}, {"name": "b", "type": again}],
                }
            holder[key] = bomb
        else:
            holder[key] = copy.deepcopy(chance.choice(HOSTILE))
        if not holders(changed):
            break
    return changed


def container(schema: bytes, datum: bytes) -> bytes:
    header = write_header({"avro.schema": schema, "avro.codec": b"null"}, bytes(16))
    return b"".join([header, write_long(1), write_long(len(datum)), datum, bytes(16)])


class Specimens:
    """Valid packets, and the decoders of all streams."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chance = random.Random(0)
        schemas = SchemaFolder(alert_packets.write_schema_folder(folder / "schemas"))
        self.rubin = [alert_packets.encode(alert_packets.alert(n, VISITS[: n % 4 or 3])) for n in range(1, 9)]
        ztf = [
            alert.payload for alert in Survey(survey="ztf", objects=40, nights=1, history=3, cutouts="none").alerts()
        ]
        self.ztf = ztf[:8]
        header = read_header(self.ztf[0])
        self.schemas = [alert_packets.rubin_schema(), json.loads(header.schema_text)]
        block = next(read_blocks(self.ztf[0], header))
        buffer, start, end = block.datums(self.ztf[0], header)
        self.datums = [self.rubin[2][5:], buffer[start:end]]
        self.streams: list[tuple[AlertDecoder, list[bytes]]] = [
            (AlertDecoder("rubin", "confluent", schemas), self.rubin),
            (AlertDecoder("ztf", "container", NoSchemas()), self.ztf),
            (AlertDecoder("rubin", "bare", schemas), [packet[5:] for packet in self.rubin]),
        ]
        self.of_containers = [AlertDecoder(survey, "container", NoSchemas()) for survey in SURVEYS]

    def decode(self, decoder: AlertDecoder, payloads: list[bytes]) -> None:
        """Every message has one outcome, and every failure a reason, whichever points are asked for."""
        try:
            identified = decoder.identify(payloads)
            wanted = {
                path: np.frombuffer(self.chance.randbytes(len(points)), np.uint8) & 1 == 1
                for path, points in identified.points.items()
            }
            decoder.decode(identified, wanted=wanted)
            tables = decoder.decode(identified)
        except BatchTooLarge:
            assert len(payloads) > 1
            for payload in payloads:
                self.decode(decoder, [payload])
            return
        good = tables.packet["packet"].to_pylist()
        failed = [failure.packet for failure in tables.failures]
        assert sorted(good + failed) == list(range(len(payloads)))
        assert all(failure.reason for failure in tables.failures)
        assert sorted(tables.source.filter(tables.source["trigger"])["packet"].to_pylist()) == good

    def read_file(self, content: bytes) -> None:
        """As a file of the commands `show`, `export` and `replay`."""
        path = self.folder / "packet.avro"
        path.write_bytes(content)
        found = list(read_packets(str(path), Schemas()))
        assert found
        assert all(packet.error or packet.schema is not None for packet in found)
        for chunk in decode_files([str(path)], Schemas()):
            assert len(describe(chunk)) == len(chunk.packets)
        told: list[PacketFileError] = []
        list(replayed([path], on_error=told.append))
        assert all(str(error) for error in told)


def packets(chance: random.Random, specimens: Specimens) -> Any:
    """Packets of the three framings."""
    decoder, good = chance.choice(specimens.streams)
    payloads = [damage(chance, payload) if chance.random() < 0.7 else payload for payload in good]
    specimens.decode(decoder, payloads)
    return payloads


def schemas(chance: random.Random, specimens: Specimens) -> Any:
    """Schemas, with packets that were written with them or not."""
    number = chance.randrange(len(specimens.schemas))
    schema = hostile_schema(chance, specimens.schemas[number])
    text = json.dumps(schema).encode()
    if chance.random() < 0.2:
        text = damage(chance, text)
    datum = chance.choice([specimens.datums[number], damage(chance, specimens.datums[number]), b"", bytes(200)])
    message = container(text, datum)
    for decoder in specimens.of_containers:
        specimens.decode(decoder, [message, message])
    specimens.read_file(message)
    with refused_with_reason(SchemaError, ReadTooLarge, WholePacketError):
        reader = PacketReader(schema)
        reader.read([datum, b"", bytes(1000), chance.randbytes(1000)])
        read_whole(datum, schema)
    return message


def containers(chance: random.Random, specimens: Specimens) -> Any:
    """Containers of several blocks, records and codecs, perhaps compressed as a whole."""
    out = io.BytesIO()
    schema = {"type": "record", "name": "r", "fields": [{"name": "x", "type": "bytes"}, {"name": "y", "type": "long"}]}
    records = [{"x": chance.randbytes(chance.choice([0, 5, 500])), "y": n} for n in range(chance.choice([0, 1, 2, 40]))]
    codec = chance.choice(["null", "deflate", "zstandard", "snappy"])
    fastavro.writer(out, schema, records, codec=codec, sync_interval=chance.choice([100, 16000]))
    content = chance.choice([out.getvalue(), chance.choice(specimens.ztf)])
    if chance.random() < 0.2:
        content = gzip.compress(content, 1)
    content = damage(chance, content)
    with refused_with_reason(ContainerError):
        header = read_header(content)
        for block in read_blocks(content, header):
            block.datums(content, header)
    for decoder in specimens.of_containers:
        specimens.decode(decoder, [content])
    specimens.read_file(content)
    return content


TARGETS: dict[str, Callable[[random.Random, Specimens], Any]] = {
    "packets": packets,
    "schemas": schemas,
    "containers": containers,
}


def peak_memory() -> int:
    """Most memory that this program has had, bytes; the peak of getrusage(2) would be that of the parent, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) << 10


def main(target: str, rounds: int, seed: int, folder: Path) -> None:
    """Run rounds of a target, each from a seed of its own."""
    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))
    warnings.simplefilter("ignore")
    specimens = Specimens(folder)
    for number in range(seed, seed + rounds):
        print(f"{target} {number}", flush=True)
        specimens.chance.seed(number)
        TARGETS[target](random.Random(number), specimens)
        used = peak_memory()
        assert used < MEMORY, f"{used} bytes in memory"


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
