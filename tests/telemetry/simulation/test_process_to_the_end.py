"""`broker-assets telemetry process` to its last level: CAL, ANC and LL03, with and without the programs of others."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aspect_program import aspect_command
from astropy.io import fits
from energy_calibration_programs import write_program, write_programs
from typer.testing import CliRunner

from broker_assets.commands.telemetry.application import app
from broker_assets.telemetry.simulation import Mission


@pytest.fixture(scope="module")
def store(mission: Mission, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packets of the mission."""
    folder = tmp_path_factory.mktemp("received")
    result = process(mission, folder, "--tm-dir", str(mission.incoming), "-e", "TM", "--store", str(folder / "packets"))
    assert result.exit_code == 0, result.output
    return folder / "packets"


def process(mission: Mission, folder: Path, *options: str) -> Any:
    """The command with the folders of the mission; the archive is made in `folder`."""
    inputs = [
        *("--idb", str(mission.databases), "--configuration", str(mission.configuration)),
        *("--spice-dir", str(mission.kernels), "--rid-lut-file", str(mission.requests)),
        *("--fits-dir", str(folder / "fits"), "--log-file", str(folder / "log")),
    ]
    return CliRunner().invoke(app, ["process", *inputs, *options])


def made(folder: Path) -> set[str]:
    """Levels of the files of an archive, with their days."""
    paths = (path.relative_to(folder / "fits") for path in folder.rglob("solo_*"))
    return {"/".join(path.parts[:-1]) for path in paths}


@pytest.mark.slow
def test_all_programs(mission: Mission, store: Path, tmp_path: Path) -> None:
    """Level L2 alone, from stored packets: each day its calibration, its aspect solution and its picture."""
    programs = write_programs(tmp_path / "ecc")
    # The simulated configuration has no model of the background.
    write_program(programs / "Bkg", 'open("background.dat", "w").close()')
    (tmp_path / "gsw").mkdir()
    change = 'import os; answer["version"] = "v1 in " + os.path.basename(os.environ["STX_GSW_PATH"])'
    options = ["--store", str(store), "-b", "L2", "--ecc_path", str(programs), "--idl_enabled", "--idl_batchsize", "10"]
    options += [
        "--aspect_command",
        shlex.join(aspect_command(tmp_path, change)),
        "--idl_gsw_path",
        str(tmp_path / "gsw"),
    ]
    result = process(mission, tmp_path, *options)
    assert result.exit_code == 0, result.output
    places = {f"{level}/2024/05/{day}" for level in ("CAL", "ANC", "LL03") for day in ("11", "12")}
    assert {place.rpartition("/")[0] for place in made(tmp_path)} == places
    (aspect,) = (tmp_path / "fits/ANC/2024/05/11").rglob("*.fits")
    with fits.open(aspect) as hdus:
        assert hdus[0].header["STX_GSW"] == "v1 in gsw"
        assert hdus["DATA"].data["sas_ok"].all()
    for path in (tmp_path / "fits/CAL").rglob("*.fits"):
        with fits.open(path) as hdus:
            assert np.isfinite(hdus["DATA"].data["gain"]).all()
    # Without the program its results are taken back, with the reason; nothing else changes.
    again = process(mission, tmp_path, *options[:4], "--idl_disabled")
    assert again.exit_code == 0, again.output
    assert "2 files written" in again.output
    with fits.open(aspect) as hdus:
        assert not hdus["DATA"].data["sas_ok"].any()
        assert set(hdus["DATA"].data["sas_error"].tolist()) != {""}


def test_without_programs(mission: Mission, store: Path, tmp_path: Path) -> None:
    """What is not configured is no failure; it is said once. Names of level L1 choose what is made."""
    options = ("--store", str(store))
    result = process(mission, tmp_path, *options, "-b", "L1", "-e", "L2")
    assert result.exit_code == 0, result.output
    assert "not made (2): no energy-calibration programs are configured" in result.output
    assert not (tmp_path / "fits/CAL").exists()
    (picture,) = (tmp_path / "fits/LL03/2024/05/12").rglob("*.svg")
    for path in (tmp_path / "fits/LL03").rglob("*.svg"):
        path.unlink()
    result = process(mission, tmp_path, *options, "-b", "L2", "-F", "*_L1_stix-ql-lightcurve_20240512_*")
    assert result.exit_code == 0, result.output
    assert picture.is_file()
    raised = process(
        mission, tmp_path, *options, "-b", "L1", "-e", "L1", "--processing-version", "L1/ql-background=7", "-F", "*"
    )
    assert "0 files written" in raised.output  # names are those of level L0, which was not made
    raised = process(mission, tmp_path, *options, "-b", "L1", "-e", "L1", "--processing-version", "L1/ql-background=7")
    written = [Path(line).name for line in raised.output.splitlines() if line.endswith(".fits")]
    assert written == [f"solo_L1_stix-ql-background_202405{day}_V07U.fits" for day in ("11", "12")]
    assert (tmp_path / "fits/L1/2024/05/11/QL/solo_L1_stix-ql-background_20240511_V02U.fits").is_file()


def test_programs_that_are_absent(mission: Mission, tmp_path: Path) -> None:
    """Exit code 2 before anything is made, with what is missing."""
    (tmp_path / "ecc").mkdir()
    (tmp_path / "ecc/Bkg").write_text("")
    wrong = {
        "has no ECC, STX_Calib": ("--ecc-path", str(tmp_path / "ecc")),
        "requires --aspect-command": ("--idl-enabled",),
        "program nowhere/idl does not exist": ("--aspect-command", "nowhere/idl bridge"),
        "is not a folder": ("--idl-gsw-path", str(tmp_path / "gsw")),
        "is not LEVEL/KIND=N": ("--processing-version", "ql-lightcurve=3"),
    }
    for text, options in wrong.items():
        result = process(mission, tmp_path, "-b", "L2", *options)
        assert result.exit_code == 2, result.output
        assert text in " ".join(result.output.replace("│", " ").split()), result.output
    assert not (tmp_path / "fits").exists()
