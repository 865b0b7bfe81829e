"""The programs of the energy calibration: what they are given, and what happens where one is missing."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
from astropy.io import fits

from broker_assets.telemetry.products.programs.energy_calibration import PROGRAMS, EnergyCalibration, write_inputs


def test_missing_programs_are_named(tmp_path: Path) -> None:
    programs = EnergyCalibration(tmp_path)
    assert programs.missing() == list(PROGRAMS)
    (tmp_path / "ECC").write_text("#!/bin/sh\n")
    (tmp_path / "ECC").chmod(stat.S_IRWXU)
    (tmp_path / "Bkg").mkdir()
    assert programs.missing() == ["Bkg", "STX_Calib"], "a folder is no program"


def test_spectra_are_written_in_both_forms(tmp_path: Path) -> None:
    counts = np.random.default_rng(1).uniform(0, 1000, (32, 12, 1024))
    write_inputs(tmp_path, "observed.fits", counts)
    whole = np.rint(counts).astype(np.int64)
    with fits.open(tmp_path / "spec_all.fits") as hdus:
        rate = hdus["RATE"].data
        assert rate["COUNTS"].tolist() == whole.reshape(384, 1024).tolist()
        assert rate["DETECTOR_ID"].tolist() == np.repeat(np.arange(32), 12).tolist()
        assert rate["PIXEL_ID"].tolist() == np.tile(np.arange(12), 32).tolist()
        assert hdus["TOTAL_RATE"].data["COUNTS"][0].tolist() == whole.sum(axis=(0, 1)).tolist()
    with fits.open(tmp_path / "observed.fits") as hdus:
        assert sum(len(hdu.columns) for hdu in hdus if isinstance(hdu, fits.BinTableHDU)) >= 384
