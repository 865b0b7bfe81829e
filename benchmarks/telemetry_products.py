"""Milliseconds per packet from telemetry files to products, by stage, compared with a plain decoder in the same run.

``python benchmarks/telemetry_products.py [--data FOLDER] [--repeats N]`` makes the products of a simulated day of all
kinds, and of the real and constructed telemetry of FOLDER (``../shared/data/stix``) if it exists, in a fresh folder
each time. The columns are: decoding alone; reception (read, decode, store); levels LB, L0, L1 and L2 (ANC and LL03; no
external program is run), each made alone from the store; everything in one run. These are CPU times; then follow the
wall-clock time of that run, which includes waiting for the disk and for other processes, and the time without drawing
pictures (LL03, one per day of light curves, however many packets it has). Kinds with one packet per file show the cost
of a file.
"""

from __future__ import annotations

import argparse
import datetime
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from broker_assets.telemetry import InstrumentDatabase, decode
from broker_assets.telemetry.archive.product_archive import LEVELS, Archive
from broker_assets.telemetry.archive.units import Touched
from broker_assets.telemetry.decoding.execution import read_plain
from broker_assets.telemetry.idb.database_versions import InstrumentDatabases
from broker_assets.telemetry.inputs.configuration import InstrumentConfiguration
from broker_assets.telemetry.inputs.kernels import Kernels
from broker_assets.telemetry.inputs.requests import RequestTable
from broker_assets.telemetry.inputs.soop import Planning
from broker_assets.telemetry.packets import files
from broker_assets.telemetry.packets.batches import PacketBatch, RawPacket
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.products.levels.lightcurve_plot import LightCurve, drawn
from broker_assets.telemetry.reception.packet_store import PacketStore
from broker_assets.telemetry.reception.storing import receive
from broker_assets.telemetry.simulation.mission import Mission, write_mission

TARGET_MS = 2.0
PREDECESSOR_MS = 158.0
"""STIXCore, run A (light curves), levels LB to L1, same kind of machine (README of the golden files)."""
TARGET_DECODE_MS = 0.03
PREDECESSOR_DECODE_MS = 17.2
"""STIXCore, mean over its packets with decompression and calibration (README of the golden files)."""
RUNS = {
    "light curves (A, real)": "A_ql30_lbref",
    "housekeeping (R_20aaf313, real)": "R_20aaf313",
    "a packet of each, science and quick-look (B)": "B_hex_science",
    "a packet of each, other services (C)": "C_hex_other",
    "calibration spectra (S1)": "S1_cal41",
}
PLAIN_PACKETS = 60
"""Packets that the plain decoder reads: it is slow."""


def inputs_of(folder: Path) -> Inputs:
    """Inputs of the golden runs."""
    return Inputs(
        InstrumentDatabase.open(folder / "idb/v2.26.34_variants/idb_7dbe7b7d.sqlite"),
        InstrumentConfiguration(folder / "stix_conf"),
        Kernels.of_folder(folder / "run_inputs/kernels"),
        RequestTable.read(folder / "run_inputs/rid_lut.csv"),
        Planning.of_folder(folder / "run_inputs/soop"),
    )


def inputs_of_mission(mission: Mission) -> Inputs:
    """Inputs of a simulated mission."""
    return Inputs(
        InstrumentDatabases(mission.databases),
        InstrumentConfiguration(mission.configuration),
        Kernels.of_folder(mission.kernels),
        RequestTable.read(mission.requests),
        Planning.of_folder(mission.planning),
    )


def timed(work: Callable[[], object]) -> float:
    """Seconds of the processor: others who work on the machine do not count."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def stages(paths: Sequence[Path], inputs: Inputs, folder: Path) -> tuple[dict[str, float], int, int]:
    """Seconds of each stage, packets and files of one run from an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    found: dict[str, float] = {}
    raw = [item for path in paths for item in files.read(path) if isinstance(item, RawPacket)]
    found["decode"] = timed(lambda: decode(raw, inputs.databases))
    touched = Touched()

    def received() -> int:
        nonlocal touched
        packets = 0
        with PacketStore(folder / "packets") as store:
            for path in paths:
                result = receive(path, store, inputs.databases)
                touched |= result.touched
                packets += result.packets
        return packets

    begin = time.process_time()
    packets = received()
    found["receive"] = time.process_time() - begin
    with PacketStore(folder / "packets") as store:
        for level in LEVELS:
            archive = Archive(folder / level, store, inputs)
            found[level] = timed(lambda archive=archive, level=level: archive.rebuild(touched, [level]))  # type: ignore[misc]
    shutil.rmtree(folder)
    begin, clock = time.process_time(), time.perf_counter()
    received()
    with PacketStore(folder / "packets") as store:
        outcome = Archive(folder / "archive", store, inputs).rebuild(touched)
    found["TM to L2"], found["on the clock"] = time.process_time() - begin, time.perf_counter() - clock
    curves = [path for path in outcome.written if "_L1_stix-ql-lightcurve_" in path.name]
    pictures = timed(lambda: [drawn(LightCurve.of_file(path), "svg") for path in curves])
    found["without pictures"] = max(0.0, found["TM to L2"] - pictures)
    return found, packets, len(outcome.files)


def plain_milliseconds(paths: Sequence[Path], inputs: Inputs) -> float:
    """Per packet, by a decoder that reads one field after another (no decompression, no calibration)."""
    raw = [item for path in paths for item in files.read(path) if isinstance(item, RawPacket)]
    chosen = [raw[int(number)] for number in np.unique(np.linspace(0, len(raw) - 1, PLAIN_PACKETS).astype(int))]
    batch = PacketBatch.of(chosen)
    seconds, count = 0.0, 0
    for structure in decode(batch, inputs.databases).structures:
        rows = structure.packets
        seconds += timed(
            lambda structure=structure, rows=rows: read_plain(  # type: ignore[misc]
                structure.plan, batch.data, batch.starts[rows], batch.lengths[rows]
            )
        )
        count += len(rows)
    return 1e3 * seconds / count


def show(name: str, paths: Sequence[Path], inputs: Inputs, folder: Path, repeats: int) -> None:
    """Print one line: the median of some runs after one that loads compiled code."""
    found = [stages(paths, inputs, folder) for _ in range(repeats + 1)]
    packets, count = found[0][1:]
    medians = {stage: 1e3 * statistics.median(run[0][stage] for run in found[1:]) / packets for stage in found[0][0]}
    figures = "".join(f"{value:>9.3f}" for value in medians.values())
    print(f"{name:46}{packets:>7}{count:>6}{plain_milliseconds(paths, inputs):>9.3f}{figures}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared/data/stix")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--days", type=int, default=1, help="Simulated days.")
    arguments = parser.parse_args()
    print(f"targets: decode {TARGET_DECODE_MS} ms, TM to L2 {TARGET_MS} ms per packet in bulk")
    print(f"predecessor (STIXCore, its golden README): decode {PREDECESSOR_DECODE_MS} ms, TM to L1 {PREDECESSOR_MS} ms")
    titles = "".join(f"{title:>9}" for title in ("plain", "decode", "receive", *LEVELS, "TM-L2", "clock", "no LL03"))
    print(f"{'ms per packet':46}{'packets':>7}{'files':>6}{titles}")
    with TemporaryDirectory() as temporary:
        work = Path(temporary) / "run"
        start = datetime.date(2021, 1, 17)
        mission = write_mission(Path(temporary) / "mission", start=start, days=arguments.days)
        show("mixed, simulated", mission.files, inputs_of_mission(mission), work, arguments.repeats)
        if not arguments.data.is_dir():
            print(f"no {arguments.data}: the simulated telemetry alone")
            return
        inputs = inputs_of(arguments.data)
        for name, file in RUNS.items():
            show(name, [arguments.data / f"tm_xml_built/{file}.PktTmRaw.xml"], inputs, work, arguments.repeats)


if __name__ == "__main__":
    main()
