"""Energy calibration with stand-in programs: spectra with known lines give the known gain and offset."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from energy_calibration_programs import write_program, write_programs

from broker_assets.telemetry.inputs.configuration import InstrumentConfiguration
from broker_assets.telemetry.products.builders.energy_fits import TRUE_31, TRUE_81
from broker_assets.telemetry.products.files import fits
from broker_assets.telemetry.products.files.tables import Column
from broker_assets.telemetry.products.kinds import KINDS
from broker_assets.telemetry.products.levels.calibrated_energy import NOT_CONFIGURED, calibration_products
from broker_assets.telemetry.products.levels.derived import derived_file
from broker_assets.telemetry.products.levels.level0 import Inputs, Problem
from broker_assets.telemetry.products.product import Product, VersionRange
from broker_assets.telemetry.products.programs.energy_calibration import EnergyCalibration
from broker_assets.telemetry.products.programs.running import Step, run_here

LEAP_SECONDS = 5
"""Since 2000; the ideal clock counts them."""
NOON = 664200000 + LEAP_SECONDS
LIVE_TIME = 5000.0
PARENT = "solo_L1_stix-cal-energy_20210117_V03.fits"


@pytest.fixture(scope="module")
def truth() -> tuple[np.ndarray, np.ndarray]:
    """(32, 12) gain and offset of each pixel, steps of 1024."""
    source = np.random.default_rng(3)
    return source.uniform(2.285, 2.315, (32, 12)), source.uniform(219.6, 220.4, (32, 12))


@pytest.fixture(scope="module")
def counts(truth: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """(32, 12, 1024) two lines over a flat background; the last detector is off."""
    gain, offset = (values[..., None] for values in truth)
    edges = (np.arange(1024) + 0.5 - offset) / gain
    found = np.full(edges.shape, 200.0)
    for energy, amplitude in ((TRUE_31, 60_000.0), (TRUE_81, 40_000.0)):
        found += amplitude * np.exp(-0.5 * ((edges - energy) / 0.7) ** 2)
    found[31] = 0
    return found


@pytest.fixture
def level1(counts: np.ndarray) -> Product:
    """A day with one spectrum."""
    return _level1(counts, [NOON])


def _level1(counts: np.ndarray, starts: list[int], length: int = 7200) -> Product:
    number = len(starts)
    ticks = np.array(starts, dtype=np.int64) << 16
    control = {
        "scet_coarse": Column(np.array(starts, dtype=np.uint32)),
        "index": Column(np.arange(number)),
        "raw_file": Column(np.array(["tm.xml"] * number)),
        "parent": Column(np.array(["solo_L0_stix-cal-energy_0664156800_V03.fits"] * number)),
        "live_time": Column(np.full(number, LIVE_TIME * 1000, dtype=np.uint32), "ms"),
    }
    data = {
        "time": Column(ticks + (length << 15)),
        "timedel": Column(np.full(number, length << 16)),
        "counts": Column(np.repeat(counts[None], number, axis=0), "count"),
        "control_index": Column(np.arange(number)),
    }
    versions = (VersionRange("2.26.34", int(ticks[0]), int(ticks[-1])),)
    return Product(
        KINDS[21, 6, 41],
        "L1",
        control,
        data,
        None,
        versions,
        ("tm.xml",),
        (),
        history=("Processed by broker_assets L1",),
    )


@pytest.fixture
def inputs(open_inputs: Inputs, tmp_path: Path) -> Inputs:
    """A look-up table that changes on 2021-01-18, and one set-up of the programs."""
    folder = tmp_path / "configuration"
    (folder / "elut").mkdir(parents=True)
    titles = "offset,gain,Pixel,Detector," + ",".join(f"Edge {i} - {4 + i} keV" for i in range(31))
    edges = ",".join(str(900 + 40 * i) for i in range(31))
    rows = [f"0,0,{p},{d},{edges}" for d in range(32) for p in range(12)]
    for name in ("before", "after"):
        (folder / f"elut/{name}.csv").write_text("\n".join([titles, *rows]))
    (folder / "elut/elut_index.csv").write_text(
        "index, start_date, end_date, elut_file\n"
        "0, 2020-01-01T00:00:00, 2021-01-18T00:00:00, before.csv\n1, 2021-01-18T00:00:00, none, after.csv\n"
    )
    (folder / "ecc/setup").mkdir(parents=True)
    (folder / "ecc/setup/Bkg.cfg").write_text("# of the model\n")
    (folder / "ecc/setup/post_ecc.ini").write_text(
        "[DEFAULT]\nMax_Gain_Prime = 1.02\nMin_Gain_Prime = 0.98\nMin_Gain = 0.4\n"
    )
    (folder / "ecc/ecc_conf_index.json").write_text(
        json.dumps([{"configuration": "setup", "validityPeriodUTC": ["2000-01-01T00:00:00", "2100-01-01T00:00:00"]}])
    )
    (folder / "VERSION.TXT").write_text("v9\n")
    return replace(open_inputs, configuration=InstrumentConfiguration(folder))


@pytest.fixture
def programs(tmp_path: Path) -> EnergyCalibration:
    """The stand-ins."""
    (tmp_path / "work").mkdir()
    return EnergyCalibration(write_programs(tmp_path / "bin"), seconds=200, work=tmp_path / "work")


def test_known_gain_and_offset_are_found(
    level1: Product,
    inputs: Inputs,
    programs: EnergyCalibration,
    truth: tuple[np.ndarray, np.ndarray],
    tmp_path: Path,
) -> None:
    """From spectra through the files of the programs and the fits of both lines to gain, offset and edges."""
    problems: list[Problem] = []
    (product,) = calibration_products(level1, inputs, programs, problems)
    assert problems == []
    on = slice(0, 31)
    gain, offset = product.data["gain"].values[0], product.data["offset"].values[0]
    true_gain, true_offset = truth
    # The programs leave up to 0.7 % of the gain to correct; their binning costs a tenth of that.
    np.testing.assert_allclose(1 / (4 * gain[on]), true_gain[on], rtol=8e-4)
    np.testing.assert_allclose(offset[on], 4 * true_offset[on], atol=0.3)
    # A pixel without counts keeps what the programs say.
    np.testing.assert_allclose(gain[31], 1 / (4 * 2.3))
    np.testing.assert_allclose(offset[31], 880.0)
    errors = product.data["ecc_error"].values[0]
    assert errors.shape == (4, 32, 12)
    assert (errors[:, on] < 0.05).all()
    assert np.isnan(errors[:, 31]).all()
    edges = product.data["e_edges_actual"].values[0]
    assert edges.shape == (32, 12, 33)
    assert (edges[..., 0] == 0).all()
    assert np.isposinf(edges[..., -1]).all()
    np.testing.assert_allclose(edges[on, :, 1], (900 / 4 - true_offset[on]) / true_gain[on], atol=0.02)
    assert product.data["gain_range_ok"].values.tolist() == [True]
    assert product.data["goc"].values[0, 30].tolist() == [1.0] * 12
    assert (product.control["ob_elut_name"].values[0], product.control["ecc_config_name"].values[0]) == (
        "before",
        "setup",
    )
    assert list((tmp_path / "work").iterdir()) == []


def test_file(level1: Product, inputs: Inputs, programs: EnergyCalibration, tmp_path: Path) -> None:
    """Place, cards and tables of the file."""
    (product,) = calibration_products(level1, inputs, programs, [])
    path, cards, tables = derived_file(product, inputs, 2)
    assert str(path) == "CAL/2021/01/17/CAL/solo_CAL_stix-cal-energy_20210117T120000-20210117T140000_V02.fits"
    fits.write(tmp_path / path.name, cards, tables)
    with astropy_fits.open(tmp_path / path.name, checksum=True) as hdus:
        hdus.verify("exception")
        header = hdus[0].header
        assert (header["LEVEL"], header["LIVETIME"], header["PARENT"]) == ("CAL", LIVE_TIME, PARENT)
        assert (header["DATAMIN"], header["DATAMAX"], header["BUNIT"]) == (4, 34, "keV")
        assert (header["XPOSURE"], header["VERSION"], header["VERS_CFG"]) == (7200, "02", "v9")
        assert hdus["DATA"].columns["gain"].unit == "keV adu-1"
        assert hdus["DATA"].data["live_time"].tolist() == [LIVE_TIME]
        assert hdus["CONTROL"].data["parent"].tolist() == [PARENT]


def test_limits(
    level1: Product, inputs: Inputs, programs: EnergyCalibration, truth: tuple[np.ndarray, np.ndarray]
) -> None:
    """One pixel outside the limits marks the spectrum, unless it is one of those listed, counted from 0."""
    path = inputs.configuration.folder / "ecc/setup/post_ecc.ini"
    ratio = truth[0][:31] / 2.3
    most = np.unravel_index(ratio.argmax(), ratio.shape)
    limit = float(np.sort(ratio.ravel())[-2:].mean())
    text = f"[DEFAULT]\nMax_Gain_Prime = {limit}\nMin_Gain_Prime = 0.9\nMin_Gain = 0.4\n"
    for listed, expected in (("[]", False), (f"[[{most[0]}, {most[1]}]]", True)):
        path.write_text(f"{text}Ignore_Max_Gain_Prime_Det_Pix_List = {listed}\n")
        (product,) = calibration_products(level1, inputs, programs, [])
        assert product.data["gain_range_ok"].values.tolist() == [expected]


def test_without_programs(level1: Product, inputs: Inputs, tmp_path: Path) -> None:
    """Nothing is made, and the message names the setting."""
    problems: list[Problem] = []
    assert calibration_products(level1, inputs, None, problems) == []
    assert problems == [Problem(PARENT, NOT_CONFIGURED)]
    problems = []
    assert calibration_products(level1, inputs, EnergyCalibration(tmp_path / "nowhere"), problems) == []
    assert "telemetry.energy_calibration) has no program Bkg, ECC, STX_Calib" in problems[0].reason


def test_table_changes_on_board_during_a_spectrum(
    counts: np.ndarray, inputs: Inputs, programs: EnergyCalibration
) -> None:
    """Such a spectrum is left out, the others are made, each one from its own table."""
    midnight = 664243200 + LEAP_SECONDS
    level1 = _level1(counts, [midnight - 7200, midnight - 3600, midnight], 7200)
    problems: list[Problem] = []
    products = calibration_products(level1, inputs, programs, problems)
    # The first ends when the next table begins, which is half-open.
    assert [product.control["ob_elut_name"].values[0] for product in products] == ["after"]
    assert [problem.what[-10:] for problem in problems] == ["spectrum 1", "spectrum 2"]
    assert all("before to after" in problem.reason for problem in problems)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("ECC", "import sys; print('no minimum found'); sys.exit(2)", "ECC failed with code 2.*no minimum found"),
        ("STX_Calib", "print('nothing to do')", "no result spec_all_erg.fits.*nothing to do"),
        (
            "ECC",
            "from astropy.io import fits\n"
            "columns = [fits.Column(name, 'D', array=[1.0] * 12) for name in ('gain', 'off')]\n"
            "fits.BinTableHDU.from_columns(columns).writeto('ECC_para.fits')\n"
            "columns = [fits.Column('ERG_center', 'D', array=[1.0])]\n"
            "fits.BinTableHDU.from_columns(columns).writeto('spec_all_erg.fits')",
            "ECC_para.fits does not have gain, off and goc of 384 pixels",
        ),
        ("Bkg", "import time; time.sleep(600)", "Bkg did not finish within"),
    ],
)
def test_program_that_fails(
    level1: Product, inputs: Inputs, programs: EnergyCalibration, name: str, text: str, message: str
) -> None:
    """The message says which program, how it ended and what it said; its working folder is gone."""
    write_program(programs.folder / name, text)
    if name == "ECC":
        write_program(programs.folder / "STX_Calib", "")
    if name == "Bkg":
        programs = replace(programs, seconds=3)
    problems: list[Problem] = []
    assert calibration_products(level1, inputs, programs, problems) == []
    (problem,) = problems
    assert problem.what == f"{PARENT}, spectrum 1"
    assert re.search(message, problem.reason, re.DOTALL)
    assert list(programs.work.iterdir()) == []  # type: ignore[union-attr]


def test_steps_go_through_the_runner(level1: Product, inputs: Inputs, programs: EnergyCalibration) -> None:
    """Whoever orchestrates can run the programs another way."""
    steps: list[Step] = []

    def runner(step: Step) -> str:
        steps.append(step)
        return run_here(step)

    products: list[Any] = calibration_products(level1, inputs, replace(programs, runner=runner), [])
    assert len(products) == 1
    assert [step.name for step in steps] == ["Bkg", "ECC", "STX_Calib"]
    assert steps[1].command[1:] == ("--f_obs", PARENT.replace(".fits", "_ecc_in.fits"))
    assert steps[2].command[1:] == ("spec_all.fits", "ECC_para.fits[1]")
    assert len({step.folder for step in steps}) == 1
