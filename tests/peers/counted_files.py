"""Small product files with counts by time and energy, including content from untrusted sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

SCRIPT = "<script>alert(1)</script>"
IMAGE = "<img src=x onerror=alert(1)>"


def counted(
    path: Path, *, rows: int = 40, energies: int = 5, observer: str = "nobody", version: str = "1",
    gap: bool = True, open_end: bool = True, column: str = "counts",
) -> Path:  # fmt: skip
    """Write a file of counts; one row is a spectrum, many energies are a spectrogram."""
    header = fits.Header()
    header["FILENAME"] = path.name[:60]
    header["TIMESYS"] = "UTC"
    header["DATE-BEG"] = "2026-11-27T00:00:00.000"
    header["VERS_SW"] = version
    header["OBSERVER"] = observer
    header["HISTORY"] = f"{observer} was here"
    time = (np.arange(rows) * 400 + 200).astype(np.int32)
    if gap:
        time[rows // 2 :] += 4000
    counts = (np.arange(rows)[:, None] + 1) * (np.arange(energies)[None, ::-1] + 1)
    data = fits.BinTableHDU.from_columns(
        [
            fits.Column("time", "J", unit="cs", array=time),
            fits.Column("timedel", "J", unit="cs", array=np.full(rows, 400, dtype=np.int32)),
            fits.Column(column, f"{energies}J", unit="count", array=counts.astype(np.int32)),
        ],
        name="DATA",
    )
    low = 4.0 + 2.0 * np.arange(energies)
    high = np.append(low[1:], np.nan if open_end else low[-1] + 2.0)
    bands = fits.BinTableHDU.from_columns(
        [fits.Column("e_low", "D", unit="keV", array=low), fits.Column("e_high", "D", unit="keV", array=high)],
        name="ENERGIES",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([fits.PrimaryHDU(header=header), data, bands]).writeto(path)
    return path
