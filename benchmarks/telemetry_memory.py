"""Peak memory and time from one large telemetry file to products, in one process.

``python benchmarks/telemetry_memory.py [--megabytes 1024] [--folder FOLDER]`` writes a `PktTmRaw` file of that size (a
simulated day repeated, each time a day later), processes it to the last level, prints the peak memory after every
stage, and removes everything. Memory must not grow with the file: compare two sizes.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from broker_assets.telemetry.packets import files
from broker_assets.telemetry.packets.batches import RawPacket
from broker_assets.telemetry.simulation.mission import write_mission

DAY = 86400
START = datetime.date(2021, 1, 17)
QUICK_LOOK = (30, 31, 32, 33, 34, 41, 42)
SCIENCE = (20, 21, 22, 23, 24)
HEAD = b'<?xml version="1.0"?>\n<ResponsePart>\n<Response>\n<PktRawResponse>\n'
TAIL = b"</PktRawResponse>\n</Response>\n</ResponsePart>\n"


def later(packet: bytes, days: int) -> bytes:
    """A packet with all its times moved by days; a request has another number then."""
    found = bytearray(packet)

    def add(at: int, step: int) -> None:
        value = int.from_bytes(found[at : at + 4], "big") + step
        found[at : at + 4] = (value & 0xFFFFFFFF).to_bytes(4, "big")

    add(10, days * DAY)
    if packet[7:9] == bytes((21, 6)):
        if packet[16] in QUICK_LOOK:
            add(17, days * DAY)
        elif packet[16] in SCIENCE:
            add(21, days * 100)
            add(27, days * DAY)
    return bytes(found)


def write_large(path: Path, day: list[bytes], size: int) -> int:
    """A file of at least `size` bytes; returns the number of days."""
    number = 0
    with path.open("wb") as stream:
        stream.write(HEAD)
        for count in itertools.count():
            for packet in day:
                number += 1
                text = (bytes(76) + later(packet, count)).hex().encode()
                stream.write(
                    b'<PktRawResponseElement packetID="%d">\n<Packet>%s</Packet>\n</PktRawResponseElement>\n'
                    % (number, text)
                )
            if stream.tell() >= size:
                stream.write(TAIL)
                return count + 1
    raise AssertionError


def packets_of(folder: Path) -> list[bytes]:
    """Packets of the first day of a mission that can be moved: those with a checksum cannot."""
    found: Iterator[RawPacket] = (
        item
        for path in sorted(folder.glob("*.xml"))
        for item in files.read(path)
        if isinstance(item, RawPacket)
    )  # fmt: skip
    return list(dict.fromkeys(item.data for item in found if item.data[7] in (3, 21)))


def process(mission: Path, file: Path, folder: Path) -> None:
    """Receive and rebuild in this process; prints a JSON line per stage."""
    from broker_assets.telemetry.archive.product_archive import Archive
    from broker_assets.telemetry.idb.database_versions import InstrumentDatabases
    from broker_assets.telemetry.inputs.configuration import InstrumentConfiguration
    from broker_assets.telemetry.inputs.kernels import Kernels
    from broker_assets.telemetry.inputs.requests import RequestTable
    from broker_assets.telemetry.inputs.soop import Planning
    from broker_assets.telemetry.products.levels.level0 import Inputs
    from broker_assets.telemetry.reception.packet_store import PacketStore
    from broker_assets.telemetry.reception.storing import receive

    begin = time.monotonic()

    def tell(stage: str, **more: int) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps({"stage": stage, "seconds": round(time.monotonic() - begin, 1), "peak MB": peak, **more}))
        sys.stdout.flush()

    inputs = Inputs(
        InstrumentDatabases(mission / "databases"),
        InstrumentConfiguration(mission / "configuration"),
        Kernels.of_folder(mission / "kernels"),
        RequestTable.read(mission / "requests.csv"),
        Planning.of_folder(mission / "planning"),
    )
    tell("started")
    with PacketStore(folder / "packets") as store:
        received = receive(file, store, inputs.databases)
        tell("received", packets=received.packets, bad=len(received.bad))
        outcome = Archive(folder / "products", store, inputs).rebuild(received.touched)
    tell("products made", files=len(outcome.written), problems=len(outcome.problems))


def main() -> None:
    """Write, process in a process of its own, remove."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--folder", type=Path, help="Where the files go; several times the size is needed.")
    parser.add_argument("--process", nargs=3, type=Path, metavar=("MISSION", "FILE", "FOLDER"), help="used by itself")
    arguments = parser.parse_args()
    if arguments.process:
        process(*arguments.process)
        return
    with TemporaryDirectory(dir=arguments.folder) as temporary:
        folder = Path(temporary)
        write_mission(folder / "mission", days=1, start=START, seed=1)
        day = packets_of(folder / "mission/incoming")
        file = folder / "large.PktTmRaw.xml"
        days = write_large(file, day, arguments.megabytes << 20)
        print(f"{file.stat().st_size / 2**20:.0f} MB, {days} days of {len(day)} packets")
        command = [sys.executable, __file__, "--process", folder / "mission", file, folder / "run"]
        subprocess.run([str(part) for part in command], check=True)


if __name__ == "__main__":
    main()
