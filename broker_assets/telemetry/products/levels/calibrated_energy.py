"""Level CAL: gain and offset of every pixel from the calibration spectra of level L1.

The programs give gain and offset by comparing whole spectra; the lines at 31 and 81 keV in the converted spectra then
give the remaining correction. With PHA = gain * E' + offset and E' = gain' * E + offset', where the primed quantities
follow from the two lines, the corrected gain is gain * gain' and the corrected offset is gain * offset' + offset.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.inputs.configuration import ConfigurationError
from broker_assets.telemetry.inputs.elut import (
    DETECTORS,
    PIXELS,
    CalibrationSetup,
    EnergyLookupTable,
    calibration_setup_at,
    lookup_table_at,
)
from broker_assets.telemetry.inputs.kernels import Kernels
from broker_assets.telemetry.products.builders.calibration_spectra import CHANNELS
from broker_assets.telemetry.products.builders.energy_fits import LINE_31, LINE_81, TRUE_31, TRUE_81, fit_line
from broker_assets.telemetry.products.files.tables import Column, Table
from broker_assets.telemetry.products.kinds import ENERGY
from broker_assets.telemetry.products.levels.level0 import Inputs, Problem
from broker_assets.telemetry.products.product import Product, complete, level1_path
from broker_assets.telemetry.products.programs.energy_calibration import Calibrated, EnergyCalibration, calibrate
from broker_assets.telemetry.products.programs.running import ProgramError

LEVEL: Final = "CAL"
CONVERTER_STEPS: Final = 4
"""Steps of the converter (4096) in one channel of a calibration spectrum (1024)."""
NOT_CONFIGURED: Final = "no energy-calibration programs are configured (setting telemetry.energy_calibration)"


def calibration_products(
    level1: Product, inputs: Inputs, programs: EnergyCalibration | None, problems: list[Problem]
) -> list[Product]:
    """A product per calibration spectrum.

    Parameters
    ----------
    level1 : Product
        Calibration spectra of a UTC day.
    inputs : Inputs
        With kernels.
    programs : EnergyCalibration or None
    problems : list of Problem
        What could not be made is appended, with its reason.
    """
    if inputs.kernels is None:
        problems.append(Problem(f"{ENERGY.file_stem} {LEVEL}", "level CAL needs SPICE kernels"))
        return []
    name = _level1_name(level1, inputs.kernels)
    if programs is None:
        problems.append(Problem(name, NOT_CONFIGURED))
        return []
    counts = level1.data["counts"].values
    found = []
    for row in range(len(level1.time)):
        spectrum = level1.with_rows(np.array([row]))
        what = f"{name}, spectrum {row + 1}"
        if counts[row].shape != (DETECTORS, PIXELS, CHANNELS):
            problems.append(Problem(what, f"its counts have the shape {counts[row].shape}"))
            continue
        try:
            found.append(_calibrated(spectrum, name, inputs, inputs.kernels, programs))
        except (ProgramError, ConfigurationError) as error:
            problems.append(Problem(what, str(error)))
    return found


def _level1_name(level1: Product, kernels: Kernels) -> str:
    """Name of the complete file of level L1."""
    start, end, average = kernels.clock.utc(np.array([level1.start, level1.end, level1.average]))
    return complete(level1_path(level1, start, end, average).name)


def _calibrated(
    spectrum: Product, parent: str, inputs: Inputs, kernels: Kernels, programs: EnergyCalibration
) -> Product:
    start, end = kernels.clock.utc(np.array([spectrum.start, spectrum.end]))
    on_board = lookup_table_at(inputs.configuration, start)
    later = lookup_table_at(inputs.configuration, end)
    if later.name != on_board.name:
        raise ConfigurationError(f"the look-up table on board changed during it: {on_board.name} to {later.name}")
    setup = calibration_setup_at(inputs.configuration, start)
    live_time = float(spectrum.control["live_time"].values[0]) / 1000.0
    results = calibrate(spectrum.data["counts"].values[0], parent.removesuffix(".fits"), setup, programs)
    control = spectrum.control | {
        "parent": Column(np.array([parent])),
        "ob_elut_name": Column(np.array([on_board.name])),
        "ecc_config_name": Column(np.array([setup.name])),
    }
    data: Table = {name: spectrum.data[name] for name in ("time", "timedel", "control_index")}
    data["live_time"] = Column(np.array([live_time]), "s")
    data |= calibration_columns(results, live_time, on_board, setup)
    low, high = float(on_board.energies.min()), float(on_board.energies.max())
    return replace(
        spectrum,
        kind=ENERGY,
        level=LEVEL,
        control=control,
        data=data,
        energies=None,
        parents=(parent,),
        cards=(
            ("DATAMIN", low, "Minimum valid physical value"),
            ("DATAMAX", high, "Maximum valid physical value"),
            ("LIVETIME", live_time, "calibration spectra live time in seconds"),
        ),
        history=(*spectrum.history, "Processed by broker_assets L2"),
    )


def calibration_columns(
    results: Calibrated, live_time: float, on_board: EnergyLookupTable, setup: CalibrationSetup
) -> Table:
    """Corrected offset and gain, their errors and checks, and the actual edges of the science channels.

    Parameters
    ----------
    results : Calibrated
    live_time : float
        Seconds; the fits are of rates.
    on_board : EnergyLookupTable
    setup : CalibrationSetup

    Returns
    -------
    Table
        One row: `offset` (steps of 4096), `gain` (keV per step of 4096), `goc`, `ecc_error` (keV; of centre and width
        of the line at 31 keV, then of that at 81 keV), `gain_range_ok`, `e_edges_actual` (keV).
    """
    rates = results.spectra.reshape(DETECTORS * PIXELS, -1) / (live_time if live_time > 0 else np.nan)
    high = fit_line(results.energy, rates, LINE_81)
    low = fit_line(results.energy, rates, LINE_31)
    both = low.found & high.found
    correction = np.where(both, (high.centre - low.centre) / (TRUE_81 - TRUE_31), 1.0)
    shift = np.where(both, low.centre - correction * TRUE_31, 0.0)
    correction, shift = (values.reshape(DETECTORS, PIXELS) for values in (correction, shift))
    gain = results.gain * correction
    offset = results.gain * shift + results.offset
    errors = np.stack(
        [
            np.where(both, low.centre_error, np.nan),
            np.where(both, low.resolution_error, np.nan),
            np.where(high.found, high.centre_error, np.nan),
            np.where(high.found, high.resolution_error, np.nan),
        ]
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        kev_per_step = np.where(gain != 0, 1.0 / (CONVERTER_STEPS * gain), np.nan)
    offset_steps = CONVERTER_STEPS * offset
    return {
        "offset": Column(offset_steps[None], "adu"),
        "gain": Column(kev_per_step[None], "keV adu-1"),
        "goc": Column(results.goodness.astype(np.float32)[None]),
        "ecc_error": Column(errors.reshape(1, 4, DETECTORS, PIXELS)),
        "gain_range_ok": Column(np.array([in_range(correction, gain, setup)])),
        "e_edges_actual": Column(_edges(on_board.edges, offset_steps, kev_per_step)[None], "keV"),
    }


def in_range(correction: NDArray[np.float64], gain: NDArray[np.float64], setup: CalibrationSetup) -> bool:
    """Whether correction factors and gains of all pixels, except for excluded ones, are within the limits.

    Parameters
    ----------
    correction : (32, 12) float64 array
        Correction factor of the gain of each detector and pixel.
    gain : (32, 12) float64 array
        Corrected gain, steps of 1024 per keV.
    setup : CalibrationSetup
        Limits, and pixels that are excluded from them.
    """
    low = (correction < setup.least_correction) & ~setup.least_correction_ignored
    high = (correction > setup.most_correction) & ~setup.most_correction_ignored
    weak = ~(gain >= setup.least_gain) & ~setup.least_gain_ignored
    return not (low | high | weak).any()


def _edges(steps: NDArray[np.float64], offset: NDArray[np.float64], gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """(32, 12, 33) keV; the first channel begins at 0, the last has no end."""
    inner = (steps - offset[..., None]) * gain[..., None]
    shape = (*inner.shape[:2], 1)
    return np.concatenate([np.zeros(shape), inner, np.full(shape, np.inf)], axis=2)
