"""Archives of raw packets of the original as input: products are those that the telemetry files themselves give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from broker_assets.telemetry.archive.product_archive import Archive
from broker_assets.telemetry.archive.units import Touched
from broker_assets.telemetry.packets import files
from broker_assets.telemetry.packets.batches import RawPacket
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.reception.packet_store import PacketStore
from broker_assets.telemetry.reception.storing import receive

pytestmark = [pytest.mark.shared, pytest.mark.slow]

RUNS = {
    "A": ["A_ql30_lbref"],
    "B_hex_science": ["B_hex_science"],
    "C_hex_other": ["C_hex_other"],
    "R_20aaf313": ["R_20aaf313"],
    "E_batch": ["E1_ql30_firsthalf", "E2_ql30_secondhalf_overlap"],
}
"""Golden run to its telemetry files."""
REFERENCE = "solo_LB_stix-21-6-30_0664156800_V01.fits"
ORIGIN = ("raw_file", "packet", "parent", "RAW_FILE", "PARENT")
HALVES = ("E1_ql30_firsthalf", "E2_ql30_secondhalf_overlap")


def make(folder: Path, paths: Sequence[Path], inputs: Inputs, *, one_by_one: bool = False) -> Path:
    """The archive of files of packets, brought up to date after all or after each."""
    with PacketStore(folder / "store") as store:
        archive = Archive(folder / "archive", store, inputs)
        touched = Touched()
        for path in paths:
            touched |= receive(path, store, inputs.databases).touched
            if one_by_one:
                archive.rebuild(touched, ["LB", "L0", "L1"])
        archive.rebuild(touched, ["LB", "L0", "L1"])
    return folder / "archive"


def content(archive: Path, *, without: Sequence[str] = ()) -> dict[tuple[str, str, str], Any]:
    """Every card of the primary headers and every column, by file, extension and name."""
    found: dict[tuple[str, str, str], Any] = {}
    for path in archive.rglob("*.fits"):
        with fits.open(path) as hdus:
            for card in hdus[0].header.cards:
                if card.keyword not in ("DATE", "CHECKSUM", "HISTORY", *without):
                    found[path.name, "PRIMARY", card.keyword] = card.value
            for hdu in hdus[1:]:
                for name in set(hdu.columns.names) - set(without):
                    found[path.name, hdu.name, name] = np.asarray(hdu.data[name]).tolist()
    return found


def differing(ours: dict[Any, Any], others: dict[Any, Any]) -> list[Any]:
    """What is not the same in both; NaN is the same as NaN."""
    return sorted(key for key in ours.keys() | others.keys() if repr(ours.get(key)) != repr(others.get(key)))


def telemetry(shared: Path, names: Sequence[str]) -> list[Path]:
    """Telemetry files of a golden run."""
    return [shared / f"data/stix/tm_xml_built/{name}.PktTmRaw.xml" for name in names]


@pytest.mark.parametrize("run", RUNS)
def test_archive_of_the_original_is_taken_over(
    run: str, shared_folder: Path, flight_inputs: Inputs, tmp_path: Path
) -> None:
    """From its files of level LB all levels come out as from the telemetry files, names of origin included."""
    golden = sorted((shared_folder / f"golden/stix/products/{run}/LB").rglob("*.fits"))
    taken = make(tmp_path / "taken", golden, flight_inputs)
    ours = make(tmp_path / "telemetry", telemetry(shared_folder, RUNS[run]), flight_inputs)
    # A packet that came with two files is listed with the last of them by the original, with the first by us.
    without = ORIGIN if run == "E_batch" else ()
    assert differing(content(taken, without=without), content(ours, without=without)) == []


@pytest.mark.parametrize("source", ["reference", "completed"])
def test_reference_file(source: str, shared_folder: Path, flight_inputs: Inputs, tmp_path: Path) -> None:
    """The reference file of 2021, as it is or with the columns it lacks, gives what the original makes of it."""
    golden = shared_folder / "golden/stix/products/LBREF"
    path = shared_folder / "data/stix/fits_ref" / REFERENCE
    if source == "completed":
        (path,) = (golden / "LB").rglob("*.fits")
    archive = make(tmp_path, [path], flight_inputs)
    provenance = () if source == "completed" else ("raw_file", "packet")
    for level in ("L0", "L1"):
        others = {file.relative_to(golden): file for file in (golden / level).rglob("*.fits")}
        assert {file.relative_to(archive) for file in (archive / level).rglob("*.fits")} == set(others)
        for name, other in others.items():
            with fits.open(archive / name) as mine, fits.open(other) as theirs:
                for key in ("OBT_BEG", "OBT_END"):
                    # The original converts ticks by 65535ths (contract 4.1): less than 16 microseconds.
                    assert mine[0].header[key] == pytest.approx(theirs[0].header[key], abs=1.6e-5, rel=0)
                for table in ("CONTROL", "DATA", "ENERGIES"):
                    assert set(mine[table].columns.names) == set(theirs[table].columns.names)
                    # It had both days in one file; here a file has the packets of its day.
                    for column in set(theirs[table].columns.names) - {"parent", *provenance}:
                        a, b = (np.asarray(hdus[table].data[column]) for hdus in (mine, theirs))
                        exact = a.dtype.kind in "SUbiu"
                        same = (a == b).all() if exact else np.allclose(a, b, rtol=1e-6, atol=0, equal_nan=True)
                        assert a.shape == b.shape
                        assert same, (name, table, column)


def test_packets_of_the_reference_file(shared_folder: Path, flight_inputs: Inputs, tmp_path: Path) -> None:
    """They are those of run A; level LB holds each of them."""
    reference = list(files.read(shared_folder / "data/stix/fits_ref" / REFERENCE))
    (run_a,) = (list(files.read(path)) for path in telemetry(shared_folder, RUNS["A"]))
    assert {packet.data for packet in reference} == {packet.data for packet in run_a}
    assert all(isinstance(packet, RawPacket) and packet.number is None for packet in reference)
    archive = make(tmp_path, [shared_folder / "data/stix/fits_ref" / REFERENCE], flight_inputs)
    texts: list[str] = []
    for path in sorted((archive / "LB").rglob("*.fits")):
        with fits.open(path) as hdus:
            texts += hdus["DATA"].data["data"].tolist()
    with fits.open(shared_folder / "data/stix/fits_ref" / REFERENCE) as hdus:
        assert texts == hdus["DATA"].data["data"].tolist()


def test_order_of_deliveries(shared_folder: Path, flight_inputs: Inputs, tmp_path: Path) -> None:
    """Two overlapping halves at once, in order and reversed give the same files, and the data of the whole."""
    halves = telemetry(shared_folder, HALVES)
    batch = content(make(tmp_path / "batch", halves, flight_inputs))
    for name, paths in (("12", halves), ("21", halves[::-1])):
        merged = content(make(tmp_path / name, paths, flight_inputs, one_by_one=True))
        assert differing(merged, batch) == []
    whole = make(tmp_path / "whole", telemetry(shared_folder, RUNS["A"]), flight_inputs)
    assert differing(content(tmp_path / "21/archive", without=ORIGIN), content(whole, without=ORIGIN)) == []
