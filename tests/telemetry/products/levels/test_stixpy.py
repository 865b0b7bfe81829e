"""Products of real packets, and of those from bug reports, open in unmodified `stixpy`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from stixpy_reader import limits, opened

from broker_assets.telemetry.archive.product_archive import Archive
from broker_assets.telemetry.archive.units import Touched
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.reception.packet_store import PacketStore
from broker_assets.telemetry.reception.storing import receive

pytestmark = pytest.mark.shared

GOLDEN = {f"sci-xray-{name}" for name in ("scpd", "spec")} | {
    f"ql-{name}" for name in ("lightcurve", "background", "variance", "flareflag", "tmstatusflarelist", "spectra")
}


def level1(paths: list[Path], inputs: Inputs, folder: Path) -> list[Path]:
    """Files of level L1 made of telemetry files."""
    with PacketStore(folder / "packets") as store:
        touched = Touched()
        for path in paths:
            touched |= receive(path, store, inputs.databases).touched
        Archive(folder, store, inputs).rebuild(touched, ["L1"])
    return sorted((folder / "L1").rglob("*.fits"))


def test_golden_input(shared_folder: Path, flight_inputs: Inputs, tmp_path: Path) -> None:
    """Every kind of which whole packets are there; a spectrum whose last channel has no upper limit among them."""
    paths = sorted((shared_folder / "data/stix/tm_xml_built").glob("*.xml"))
    found = {}
    unbounded = set()
    for path in level1(paths, flight_inputs, tmp_path):
        product = opened(path)
        stem = path.name.split("_")[2].removeprefix("stix-")
        found[stem] = type(product).__name__
        if product._energies is not None and np.isnan(limits(product)[1]).any():
            unbounded.add(stem)
    assert found.keys() >= GOLDEN
    assert "GenericProduct" not in {found[stem] for stem in GOLDEN - {"ql-spectra"}}
    assert unbounded


@pytest.mark.parametrize("case", ["cpd_overlapping_energy", "cpd_inverted_energy", "ql_energy_change_number"])
def test_energies_that_change_or_overlap(shared_folder: Path, flight_inputs: Inputs, tmp_path: Path, case: str) -> None:
    paths = sorted((shared_folder / "data/stix/field" / case).iterdir())
    files = level1(paths, flight_inputs, tmp_path)
    # A light curve with another number of energies is a file of its own.
    assert len(files) == (2 if case == "ql_energy_change_number" else 1)
    for path in files:
        opened(path)
