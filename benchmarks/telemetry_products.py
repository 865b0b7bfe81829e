"""Milliseconds per packet from telemetry files to products, levels LB, L0 and L1, by family.

``python benchmarks/telemetry_products.py [--data FOLDER]`` makes the products of real and synthetic telemetry of
FOLDER (``../shared/data/stix``) in a fresh folder each time; the first run, which loads compiled code, is told apart.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from broker_assets.telemetry import InstrumentDatabase
from broker_assets.telemetry.archive import Archive
from broker_assets.telemetry.configuration import InstrumentConfiguration
from broker_assets.telemetry.products.level0 import Inputs
from broker_assets.telemetry.receiving import receive
from broker_assets.telemetry.requests import RequestTable
from broker_assets.telemetry.soop import Planning
from broker_assets.telemetry.spice import Kernels
from broker_assets.telemetry.store import PacketStore

TARGET_MS = 2.0
PREDECESSOR_MS = 158.0
"""STIXCore, run A, same kind of machine (golden README)."""
RUNS = {
    "light curves (A, real)": "A_ql30_lbref",
    "housekeeping (R_20aaf313, real)": "R_20aaf313",
    "science and quick-look, a packet of each (B, real)": "B_hex_science",
    "other services, a packet of each (C, real)": "C_hex_other",
    "calibration spectra (S1)": "S1_cal41",
}


def inputs_of(folder: Path) -> Inputs:
    """Inputs of the golden runs."""
    return Inputs(
        InstrumentDatabase.open(folder / "idb/v2.26.34_variants/idb_7dbe7b7d.sqlite"),
        InstrumentConfiguration(folder / "stix_conf"),
        Kernels.of_folder(folder / "run_inputs/kernels"),
        RequestTable.read(folder / "run_inputs/rid_lut.csv"),
        Planning.of_folder(folder / "run_inputs/soop"),
    )


def once(path: Path, inputs: Inputs, folder: Path) -> tuple[float, float, int, int]:
    """Wall-clock and processor milliseconds per packet, packets and files of one run from an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    wall, processor = time.perf_counter(), time.process_time()
    with PacketStore(folder / "packets") as store:
        received = receive(path, store, inputs.databases)
        outcome = Archive(folder / "archive", store, inputs).rebuild(received.touched)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return 1e3 * wall / received.packets, 1e3 * processor / received.packets, received.packets, len(outcome.written)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared/data/stix")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    inputs = inputs_of(arguments.data)
    print(f"target {TARGET_MS} ms per packet, predecessor {PREDECESSOR_MS} ms (run A)")
    print(f"{'run':52} {'packets':>7} {'files':>5} {'first':>8} {'wall':>8} {'cpu':>8}  ms per packet")
    with TemporaryDirectory() as temporary:
        for name, file in RUNS.items():
            path = arguments.data / f"tm_xml_built/{file}.PktTmRaw.xml"
            found = [once(path, inputs, Path(temporary) / "run") for _ in range(arguments.repeats + 1)]
            wall = statistics.median(run[0] for run in found[1:])
            processor = statistics.median(run[1] for run in found[1:])
            packets, files = found[0][2:]
            print(f"{name:52} {packets:7} {files:5} {found[0][0]:8.2f} {wall:8.2f} {processor:8.2f}")


if __name__ == "__main__":
    main()
