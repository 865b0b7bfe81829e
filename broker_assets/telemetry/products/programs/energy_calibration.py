"""The energy-calibration programs: their input files, running them, their results.

`Bkg` makes the background of the model, `ECC` finds offset and gain of each pixel by comparing with synthetic spectra,
`STX_Calib` converts the spectra to energy. They read and write files of their working folder; none of them is part of
this package.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits as astropy_fits
from numpy.typing import NDArray

from broker_assets.telemetry.inputs.elut import DETECTORS, PIXELS, CalibrationSetup
from broker_assets.telemetry.products.builders.calibration_spectra import CHANNELS
from broker_assets.telemetry.products.files import fits
from broker_assets.telemetry.products.files.fits import Extension
from broker_assets.telemetry.products.files.tables import Column, Table
from broker_assets.telemetry.products.programs.running import ProgramError, Runner, Step, run_here

ALL_PIXELS: Final = DETECTORS * PIXELS
SPECTRA: Final = "spec_all.fits"
PARAMETERS: Final = "ECC_para.fits"
CONVERTED: Final = "spec_all_erg.fits"
PROGRAMS: Final = ("Bkg", "ECC", "STX_Calib")


@dataclass(frozen=True)
class EnergyCalibration:
    """Where the programs are and how they are run."""

    folder: Path
    """Folder of Bkg, ECC and STX_Calib; setting `telemetry.energy_calibration`."""
    runner: Runner = run_here
    seconds: float = 3600.0
    """Time limit of each program."""
    work: Path | None = None
    """Where working folders are made and removed; None means the system's folder for temporary files."""

    def missing(self) -> list[str]:
        """Programs that the folder lacks."""
        return [name for name in PROGRAMS if not (self.folder / name).is_file()]


@dataclass(frozen=True)
class Calibrated:
    """Results of the programs, by detector and pixel."""

    gain: NDArray[np.float64]
    """(32, 12) steps of 1024 per keV."""
    offset: NDArray[np.float64]
    """(32, 12) steps of 1024."""
    goodness: NDArray[np.float64]
    """(32, 12) goodness of calibration."""
    energy: NDArray[np.float64]
    """(m,) centres of the energy bins, keV."""
    spectra: NDArray[np.float64]
    """(32, 12, m) counts."""


def calibrate(
    counts: NDArray[np.float64], name: str, setup: CalibrationSetup, programs: EnergyCalibration
) -> Calibrated:
    """Run the programs on the spectra of all pixels.

    Parameters
    ----------
    counts : (32, 12, 1024) array
    name : str
        Name of the file of level L1, without its extension; the programs put it in their results.
    setup : CalibrationSetup
    programs : EnergyCalibration

    Raises
    ------
    ProgramError
        If a program is missing, fails, takes too long, or its result is invalid.
    """
    absent = programs.missing()
    if absent:
        raise ProgramError(
            f"{programs.folder} (setting telemetry.energy_calibration) has no program {', '.join(absent)}"
        )
    with tempfile.TemporaryDirectory(prefix="energy-calibration-", dir=programs.work) as temporary:
        folder = Path(temporary)
        shutil.copytree(setup.folder, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
        observed = f"{name}_ecc_in.fits"
        write_inputs(folder, observed, counts)
        output = ""
        for command in (("Bkg",), ("ECC", "--f_obs", observed), ("STX_Calib", SPECTRA, f"{PARAMETERS}[1]")):
            program = str((programs.folder / command[0]).absolute())
            output = programs.runner(Step((program, *command[1:]), folder, programs.seconds))
        return _results(folder, output)


def write_inputs(folder: Path, observed: str, counts: NDArray[np.float64]) -> None:
    """Write the spectra in the two forms that the programs read: `spec_all.fits`, and one table with 384 columns."""
    spectra = np.rint(counts.reshape(ALL_PIXELS, CHANNELS))
    whole = spectra.astype(np.int32)
    rate: Table = {
        "DETECTOR_ID": Column(np.repeat(np.arange(DETECTORS), PIXELS).astype(np.uint8)),
        "PIXEL_ID": Column(np.tile(np.arange(PIXELS), DETECTORS).astype(np.uint8)),
        "SUBSPEC_ID": Column(np.zeros(ALL_PIXELS, dtype=np.uint8)),
        "NUM_POINTS": Column(np.full(ALL_PIXELS, CHANNELS, dtype=np.int16)),
        "COUNTS": Column(whole),
    }
    total: Table = {
        "NUM_POINTS": Column(np.array([CHANNELS], dtype=np.int16)),
        "COUNTS": Column(whole.sum(axis=0, dtype=np.int32)[None]),
    }
    (folder / SPECTRA).write_bytes(fits.file_bytes([], [Extension("RATE", rate), Extension("TOTAL_RATE", total)]))
    step = np.arange(CHANNELS, dtype=np.float32)
    table: Table = {
        "PHA_A": Column(step, "adu"),
        "PHA_center": Column(step + np.float32(0.5), "adu"),
        "PHA_B": Column(step + np.float32(1), "adu"),
    }
    table |= {f"ch{number:03d}": Column(spectrum.astype(np.float32)) for number, spectrum in enumerate(spectra)}
    (folder / observed).write_bytes(fits.file_bytes([], [Extension("SPEC_ECC", table)]))


def _results(folder: Path, output: str) -> Calibrated:
    parameters = _read(folder / PARAMETERS, "gain", output)
    try:
        gain, offset, goodness = (parameters[name].reshape(DETECTORS, PIXELS) for name in ("gain", "off", "goc"))
    except (KeyError, ValueError) as error:
        raise ProgramError(f"{PARAMETERS} does not have gain, off and goc of {ALL_PIXELS} pixels: {error}") from error
    converted = _read(folder / CONVERTED, "erg_center", output)
    energy = converted["erg_center"].ravel()
    others = [values for name, values in converted.items() if not name.startswith("erg")]
    spectra = np.concatenate([values.reshape(len(energy), -1) for values in others if len(values) == len(energy)], 1)
    if spectra.shape[1] != ALL_PIXELS:
        raise ProgramError(f"{CONVERTED} has {spectra.shape[1]} spectra, not {ALL_PIXELS}")
    return Calibrated(gain, offset, goodness, energy, spectra.T.reshape(DETECTORS, PIXELS, -1))


def _columns(table: Any) -> dict[str, NDArray[np.float64]]:
    """Columns of numbers by name in lower case."""
    return {
        column.name.lower(): np.asarray(table[column.name], dtype=np.float64)
        for column in table.columns
        if np.asarray(table[column.name]).dtype.kind in "iuf"
    }


def _read(path: Path, needed: str, output: str) -> dict[str, NDArray[np.float64]]:
    """Columns of the first table that has the needed column."""
    try:
        with astropy_fits.open(path) as hdus:
            for hdu in hdus[1:]:
                found = _columns(hdu.data)
                if needed in found:
                    return found
    except (OSError, TypeError, ValueError, AttributeError) as error:
        raise ProgramError(f"no result {path.name}: {error}; the output ends with: {output or 'nothing'}") from error
    raise ProgramError(f"{path.name} has no table with a column {needed}")
