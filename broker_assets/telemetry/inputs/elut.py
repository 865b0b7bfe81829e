"""Energy calibration in the configuration repository: the look-up tables on board, the set-up of the programs.

The *energy look-up table* (ELUT) gives the step of the converter (of 4096) at which each science channel of each pixel
begins. Detectors and pixels count from 0, as in packets.
"""

from __future__ import annotations

import configparser
import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.inputs.configuration import ConfigurationError, InstrumentConfiguration

DETECTORS: Final = 32
PIXELS: Final = 12
EDGES: Final = 31
"""Boundaries between the 32 science channels."""
_FIRST_EDGE: Final = 4
"""Columns before the edges: offset, gain, pixel, detector."""
_INDEX_TITLES: Final = ["Pixel", "Detector"]
"""The third and fourth column."""
_FOR_EVER: Final = np.datetime64("9999-12-31")


@dataclass(frozen=True)
class EnergyLookupTable:
    """Edges of the science channels of every pixel as the instrument uses them."""

    name: str
    """Name of the file, without its extension."""
    edges: NDArray[np.float64]
    """(32, 12, 31) detector, pixel, edge: step of the converter, of 4096."""
    energies: NDArray[np.float64]
    """(31,) keV, nominal energies of the edges."""


def lookup_table_at(configuration: InstrumentConfiguration, utc: np.datetime64) -> EnergyLookupTable:
    """The table on board at a time.

    Raises
    ------
    ConfigurationError
        If no table, or more than one, is valid then, or the table is incomplete.
    """
    index = configuration.folder / "elut" / "elut_index.csv"
    periods = []
    for row in _csv_rows(index)[1:]:
        if len(row) >= 4 and row[3].strip():
            start, end, name = (field.strip() for field in row[1:4])
            periods.append((np.datetime64(start), _FOR_EVER if end == "none" else np.datetime64(end), name))
    names = [name for start, end, name in periods if start <= utc < end]
    if len(names) != 1:
        raise ConfigurationError(f"{index}: {len(names)} look-up tables are valid at {utc}; one is needed")
    return _read_table(index.with_name(names[0]))


def _csv_rows(path: Path) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return list(csv.reader(stream))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error


def _read_table(path: Path) -> EnergyLookupTable:
    # Some tables have empty lines between all others; lines before the column titles are for people.
    found = [row for row in _csv_rows(path) if any(field.strip() for field in row)]
    titles = [number for number, row in enumerate(found) if [title.strip() for title in row[2:4]] == _INDEX_TITLES]
    if len(titles) != 1:
        raise ConfigurationError(f"{path} is not a look-up table: it has no columns Pixel and Detector")
    edges = np.full((DETECTORS, PIXELS, EDGES), np.nan)
    try:
        energies = [
            float(re.findall(r"([\d.]+)\s*keV", title)[-1]) for title in found[titles[0]][_FIRST_EDGE:] if title.strip()
        ]
        for row in found[titles[0] + 1 :]:
            pixel, detector = int(row[2]), int(row[3])
            edges[detector, pixel] = [float(field) for field in row[_FIRST_EDGE : _FIRST_EDGE + EDGES]]
    except (ValueError, IndexError) as error:
        raise ConfigurationError(f"{path} is not a look-up table: {error}") from error
    if len(energies) != EDGES or np.isnan(edges).any():
        raise ConfigurationError(f"{path} does not give {EDGES} edges of all {DETECTORS * PIXELS} pixels")
    return EnergyLookupTable(path.stem, edges, np.array(energies))


@dataclass(frozen=True)
class CalibrationSetup:
    """Set-up of the energy-calibration programs, and limits by which their results are checked."""

    name: str
    folder: Path
    """Files that the programs expect in their working folder."""
    least_correction: float
    """Limits of the correction factor of the gain."""
    most_correction: float
    least_gain: float
    """Limit of the corrected gain, steps of 1024 per keV."""
    least_correction_ignored: NDArray[np.bool_]
    """(32, 12) pixels for which a limit does not count."""
    most_correction_ignored: NDArray[np.bool_]
    least_gain_ignored: NDArray[np.bool_]


def calibration_setup_at(configuration: InstrumentConfiguration, utc: np.datetime64) -> CalibrationSetup:
    """The set-up valid at a time.

    Raises
    ------
    ConfigurationError
        If none, or more than one, is valid then, or it cannot be read.
    """
    index = configuration.folder / "ecc" / "ecc_conf_index.json"
    try:
        listed: list[dict[str, Any]] = json.loads(index.read_text(encoding="utf-8"))
        periods = []
        for item in listed:
            start, end = (_utc(text) for text in item["validityPeriodUTC"])
            periods.append((str(item["configuration"]), start, end))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{index} cannot be read: {error}") from error
    names = [name for name, start, end in periods if start <= utc < end]
    if len(names) != 1:
        raise ConfigurationError(f"{index}: {len(names)} set-ups are valid at {utc}; one is needed")
    folder = index.parent / names[0]
    path = folder / "post_ecc.ini"
    parser = configparser.ConfigParser()
    try:
        with path.open(encoding="utf-8") as stream:
            parser.read_file(stream)
        values = parser["DEFAULT"]
        return CalibrationSetup(
            names[0],
            folder,
            values.getfloat("Min_Gain_Prime", fallback=0.0),
            values.getfloat("Max_Gain_Prime", fallback=np.inf),
            values.getfloat("Min_Gain", fallback=0.0),
            _pixels(values.get("Ignore_Min_Gain_Prime_Det_Pix_List", "[]")),
            _pixels(values.get("Ignore_Max_Gain_Prime_Det_Pix_List", "[]")),
            _pixels(values.get("Ignore_Min_Gain_Det_Pix_List", "[]")),
        )
    except (OSError, ValueError, IndexError, configparser.Error) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error


def _pixels(text: str) -> NDArray[np.bool_]:
    """Pixels of a list of [detector, pixel], both from 0."""
    found = np.zeros((DETECTORS, PIXELS), dtype=np.bool_)
    for detector, pixel in json.loads(text):
        found[detector, pixel] = True
    return found


def _utc(text: str) -> np.datetime64:
    """A time as text with an offset of zero.

    Examples
    --------
    >>> _utc("2136-02-07T08:11:44.778+00:00")
    np.datetime64('2136-02-07T08:11:44.778')
    """
    return np.datetime64(text.removesuffix("Z").removesuffix("+00:00"))
