"""A small configuration repository: energy channels, energy look-up table, set-up of the energy calibration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.inputs.configuration import HEADER_LINE
from broker_assets.telemetry.inputs.elut import DETECTORS, PIXELS
from broker_assets.telemetry.simulation.sun import BANDS, ENERGY_EDGES

VERSION: Final = "v9.0.0"
CONVERTER_STEPS: Final = 4
"""Steps of the converter (4096) in one channel of a calibration spectrum (1024)."""
FIRST_DAY: Final = "2020-02-10T00:00:00"


def offsets() -> NDArray[np.float64]:
    """(32, 12) step of the converter, of 4096, at 0 keV."""
    detector, pixel = np.indices((DETECTORS, PIXELS))
    return np.asarray(884.0 + 9.0 * np.sin(1.7 * detector) + 4.0 * np.cos(2.3 * pixel + detector))


def gains() -> NDArray[np.float64]:
    """(32, 12) keV per step of the converter."""
    detector, pixel = np.indices((DETECTORS, PIXELS))
    return np.asarray(0.1088 * (1.0 + 0.006 * np.sin(0.9 * detector + 0.4 * pixel)))


def write_configuration(folder: Path, *, version: str = VERSION) -> Path:
    """Write the repository.

    Parameters
    ----------
    folder : path
    version : str
        First line of VERSION.TXT.

    Returns
    -------
    path
        The folder, as `InstrumentConfiguration` takes it.
    """
    for name in ("detector", "elut", "ecc/open_1"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "VERSION.TXT").write_text(f"{version}\n")
    index = f"index, start_date, end_date, {{kind}}\n0, {FIRST_DAY}, none, {{file}}\n"
    (folder / "detector/science_echan_index.csv").write_text(
        index.format(kind="sci_chan_file", file="ScienceEnergyChannels_open.csv")
    )
    (folder / "detector/ScienceEnergyChannels_open.csv").write_text(_channels())
    (folder / "elut/elut_index.csv").write_text(index.format(kind="elut_file", file="elut_table_open.csv"))
    (folder / "elut/elut_table_open.csv").write_text(_lookup_table())
    setup = {
        "configuration": "open_1",
        "description": "of the simulation",
        "validityPeriodUTC": ["2000-01-01T00:00:00.000+00:00", "2136-02-07T00:00:00.000+00:00"],
    }
    (folder / "ecc/ecc_conf_index.json").write_text(json.dumps([setup], indent=1))
    (folder / "ecc/open_1/post_ecc.ini").write_text(
        "[DEFAULT]\nMax_Gain_Prime = 1.4\nMin_Gain_Prime = 0.4\nMin_Gain = 0.4\n"
        "Ignore_Max_Gain_Prime_Det_Pix_List = []\nIgnore_Min_Gain_Prime_Det_Pix_List = []\n"
        "Ignore_Min_Gain_Det_Pix_List = []\n"
    )
    return folder


def _channels() -> str:
    """The table of science channels."""
    lower = (0, *ENERGY_EDGES)
    upper = (*map(str, ENERGY_EDGES), "maxADC")
    lines = ["Science energy channels of a simulated instrument", *[""] * (HEADER_LINE - 1)]
    lines += ["Channel Number,Channel Edge,Energy Edge,Elower,Eupper,BinWidth,dE/E,QL channel", "", ""]
    for channel, (low, high) in enumerate(zip(lower, upper, strict=True)):
        band = next((str(band) for band, (first, after) in enumerate(BANDS) if first <= channel < after), "n/a")
        width = f"{int(high) - low}" if high.isdigit() else "n/a"
        lines.append(f"{channel},{channel},{low},{low},{high},{width},n/a,{band}")
    return "\n".join(lines) + "\n"


def _lookup_table() -> str:
    """The look-up table on board: the steps of the converter at which the channels of each pixel begin."""
    titles = [f"ADC Edge {number} - {energy} keV" for number, energy in enumerate(ENERGY_EDGES)]
    lines = ["Of a simulated instrument", "", ",".join(["Offset", "Gain keV/ADC", "Pixel", "Detector", *titles])]
    offset, gain = offsets(), gains()
    for detector in range(DETECTORS):
        for pixel in range(PIXELS):
            edges = np.rint(offset[detector, pixel] + np.array(ENERGY_EDGES) / gain[detector, pixel]).astype(int)
            numbers = [f"{offset[detector, pixel]:.4f}", f"{gain[detector, pixel]:.6f}", pixel, detector, *edges]
            lines.append(",".join(map(str, numbers)))
    return "\n".join(lines) + "\n"
