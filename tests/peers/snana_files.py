"""Small simulations in SNANA's file format, written by astropy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from broker_assets.tom.survey.fields import HEADER_COLUMNS, TRUTH_COLUMNS

Point = tuple[float, str, int, float, float]
"""MJD, band, PHOTFLAG, FLUXCAL, FLUXCALERR."""


def write_simulation(
    folder: Path,
    light_curves: Mapping[int, Sequence[Point]],
    *,
    compressed: bool = True,
    name: str = "MODEL0-0001",
    quantiles: bool = True,
    header: Mapping[str, Any] | None = None,
    gentype: int = 10,
) -> Path:
    """Write the files of some objects, and the truth; return the path of the header file.

    `header` replaces columns of the header table; `quantiles` says whether there are those of redshifts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ids = list(light_curves)
    rows: list[Point] = []
    first, last = [], []
    for points in light_curves.values():
        first.append(len(rows) + 1)
        rows += points
        last.append(len(rows))
        rows.append((-777.0, "-", 0, 0.0, 0.0))
    columns: dict[str, Any] = {
        column: np.full(len(ids), -9.0, np.float32) for column in HEADER_COLUMNS if quantiles or "ZPHOT_Q" not in column
    }
    columns |= {
        "SNID": np.array([str(one) for one in ids], dtype="S16"),
        "RA": np.linspace(10.0, 20.0, len(ids)),
        "DEC": np.linspace(-30.0, -20.0, len(ids)),
        "PTROBS_MIN": np.array(first, np.int32),
        "PTROBS_MAX": np.array(last, np.int32),
        "IAUC": np.array([b"x"] * len(ids), dtype="S16"),
    }
    columns |= dict(header or {})
    ending = ".FITS.gz" if compressed else ".FITS"
    head = folder / f"{name}_HEAD{ending}"
    _write(head, columns)
    mjd, band, flag, flux, error = zip(*rows, strict=True) if rows else ([], [], [], [], [])
    photometry = {
        "MJD": np.array(mjd, np.float64),
        "BAND": np.array(band, dtype="S2"),
        "PHOTFLAG": np.array(flag, np.int32),
        "FLUXCAL": np.array(flux, np.float32),
        "FLUXCALERR": np.array(error, np.float32),
        "SIM_MAGOBS": np.zeros(len(rows), np.float32),
    }
    _write(folder / f"{name}_PHOT{ending}", photometry)
    dump = folder / f"{folder.name}.DUMP"
    names = list(TRUTH_COLUMNS)
    if not dump.exists():
        dump.write_text(f"# Simulation SUMMARY\n\nVARNAMES:  {' '.join(names)}\n\n")
    with dump.open("a") as stream:
        for one in ids:
            values = dict.fromkeys(names, "1") | {"CID": str(one), "GENTYPE": str(gentype), "PEAKMJD": "60300.125"}
            stream.write(f"SN:  {' '.join(values[name] for name in names)}\n")
    return head


def _write(path: Path, columns: Mapping[str, Any]) -> None:
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name=name, format=_form(values), array=values) for name, values in columns.items()]
    )
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path, overwrite=True)


def _form(values: Any) -> str:
    kinds = {"f8": "1D", "f4": "1E", "i4": "1J", "i8": "1K", "i2": "1I"}
    return f"{values.dtype.itemsize}A" if values.dtype.kind == "S" else kinds[values.dtype.str[1:]]


def light_curve(nights: Sequence[float], *, detected: Sequence[bool] | None = None, flux: float = 10.0) -> list[Point]:
    """Points of an object, one in each night, in band i."""
    flags = detected if detected is not None else [True] * len(nights)
    return [(mjd, "i", 4096 if flag else 0, flux, 1.0) for mjd, flag in zip(nights, flags, strict=True)]
