"""Inputs that came out of public bug reports (shared `data/stix/field`): each gives what its README says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from astropy.io import fits

from broker_assets.telemetry.archive.product_archive import Archive, Outcome
from broker_assets.telemetry.packets import files
from broker_assets.telemetry.packets.batches import RawPacket
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.reception.packet_store import PacketStore
from broker_assets.telemetry.reception.storing import receive

pytestmark = pytest.mark.shared

Processed = tuple[Outcome, list[Path]]
Process = Callable[[str], Processed]


@pytest.fixture
def process(shared_folder: Path, flight_inputs: Inputs, tmp_path: Path) -> Iterator[Process]:
    """Files of a case to level L1: the outcome, and the files of level L0."""
    with PacketStore(tmp_path / "packets") as store:

        def one(case: str) -> Processed:
            (path,) = (shared_folder / "data/stix/field" / case).iterdir()
            touched = receive(path, store, flight_inputs.databases).touched
            outcome = Archive(tmp_path, store, flight_inputs).rebuild(touched, ("LB", "L0", "L1"))
            return outcome, sorted((tmp_path / "L0").rglob("*.fits"))

        yield one


@pytest.mark.parametrize("case", ["cpd_overlapping_energy", "cpd_inverted_energy"])
def test_energies_has_one_row_per_plane_of_counts(process: Process, case: str) -> None:
    outcome, (path,) = process(case)
    assert outcome.problems == []
    with fits.open(path) as hdus:
        assert hdus["DATA"].data["counts"].shape[-1] == len(hdus["ENERGIES"].data) == 2
        assert hdus[0].header["DATAWARN"] == 1


def test_packets_with_another_number_of_energies_are_a_file(process: Process) -> None:
    """Every row of the day is in a file, at both levels, and each file says where the others are."""
    outcome, level0 = process("ql_energy_change_number")
    assert outcome.problems == []
    level1 = sorted(path for path in outcome.written if path.name.startswith("solo_L1"))
    for of_level in (level0, level1):
        found = {}
        for path in of_level:
            with fits.open(path) as hdus:
                energies = len(hdus["ENERGIES"].data)
                assert hdus["DATA"].data["counts"].shape[-1] == energies
                assert set(hdus["CONTROL"].data["num_energies"]) == {energies}
                assert hdus[0].header["DATAWARN"] == 1
                comment = " ".join(str(hdus[0].header["COMMENT"]).split())
                found[energies] = ("-" in path.name.split("_")[3], len(hdus["DATA"].data), comment)
        others, main = sorted(found, key=lambda energies: found[energies][0], reverse=True)
        rows = [found[energies][1] for energies in (main, others)]
        assert [found[energies][0] for energies in (main, others)] == [False, True]
        assert f"{rows[1]} rows of this day have another number of energies" in found[main][2]
        assert "named by their time range" in found[main][2]
        assert f"{rows[0]} rows of this day have another number of energies" in found[others][2]


@pytest.mark.parametrize(
    ("case", "rows"),
    [
        ("count_wrap_same_time", 6),
        ("apid_shared_counter", 6),
        ("dup_fragments", 6),
        ("cpd_scheme_mixed_36", 4),
    ],
)
def test_requests_are_made_of_all_their_fragments(process: Process, case: str, rows: int) -> None:
    outcome, found = process(case)
    (path,) = [path for path in found if "xray-cpd" in path.name]
    assert outcome.problems == []
    with fits.open(path) as hdus:
        assert len(hdus["DATA"].data) == rows


def test_a_delivery_with_a_loss_and_its_retransmission(process: Process) -> None:
    """The first lacks a packet, which is noted; the second is made."""
    outcome, (path,) = process("retransmission")
    assert {item.reason for item in outcome.problems} == {"sequence is incomplete: 1 of 3 packets are missing"}
    with fits.open(path) as hdus:
        assert len(hdus["DATA"].data) == 6


@pytest.mark.parametrize(
    ("case", "packets"), [("bin_idle/a.bin", 3), ("tm_1_1.hex", 1), ("xml_gzip/TM.PktTmRaw.xml.gz", 5)]
)
def test_what_was_not_read(shared_folder: Path, case: str, packets: int) -> None:
    found = list(files.read(shared_folder / "data/stix/field" / case))
    assert all(isinstance(item, RawPacket) for item in found)
    assert len(found) == packets


def test_utf_16(shared_folder: Path) -> None:
    found = list(files.read(shared_folder / "data/stix/field/xml_utf16/TM.PktTmRaw.xml"))
    assert len([item for item in found if isinstance(item, RawPacket)]) == len(found) > 0
