"""Stand-ins for the energy-calibration programs: the same files, arguments and working folder, but simple arithmetic.

`ECC` gives every pixel the same gain and offset; `STX_Calib` converts the spectra to energy with them. The product must
therefore find the positions of the lines in the spectra itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

GAIN = 2.3
OFFSET = 220.0

_BKG = """
from pathlib import Path
assert Path("Bkg.cfg").is_file(), "no Bkg.cfg in the working folder"
Path("background.dat").write_text("background of the model")
print("background made")
"""
_ECC = """
import sys
from pathlib import Path
import numpy as np
from astropy.io import fits
assert sys.argv[1] == "--f_obs" and Path("background.dat").is_file()
with fits.open(sys.argv[2]) as hdus:
    table = hdus["SPEC_ECC"].data
    assert table["PHA_center"][0] == 0.5 and len(table) == 1024
    names = [f"ch{number:03d}" for number in range(384)]
    goodness = np.array([table[name].max() > 0 for name in names], dtype=np.float32)
columns = {"gain": np.full(384, GAIN), "off": np.full(384, OFFSET), "goc": goodness}
fits.BinTableHDU.from_columns(
    [fits.Column(name, "D", array=values) for name, values in columns.items()], name="ECC"
).writeto("ECC_para.fits")
"""
_STX_CALIB = """
import sys
import numpy as np
from astropy.io import fits
assert sys.argv[1:] == ["spec_all.fits", "ECC_para.fits[1]"], sys.argv
parameters = fits.getdata("ECC_para.fits", 1)
rate = fits.getdata("spec_all.fits", "RATE")
order = rate["DETECTOR_ID"].astype(int) * 12 + rate["PIXEL_ID"]
edges = np.arange(0.0, 200.05, 0.1)
columns = [fits.Column("ERG_center", "D", array=(edges[:-1] + edges[1:]) / 2)]
for pixel in range(384):
    counts = rate["COUNTS"][list(order).index(pixel)].astype(float)
    whole = np.concatenate([[0.0], np.cumsum(counts)])
    slope = np.convolve(np.concatenate([counts[:1], counts, counts[-1:]]), [0.5, 0.5], "valid")
    pha = np.clip(parameters["gain"][pixel] * edges + parameters["off"][pixel], 0, 1023.999)
    left = pha.astype(int)
    t = pha - left
    # A smooth curve through the counts below each edge (cubic Hermite), so that lines keep their place.
    below = (
        (1 + 2 * t) * (1 - t) ** 2 * whole[left] + t * (1 - t) ** 2 * slope[left]
        + t**2 * (3 - 2 * t) * whole[left + 1] + t**2 * (t - 1) * slope[left + 1]
    )
    columns.append(fits.Column(f"ch{pixel:03d}", "D", array=np.diff(below)))
fits.BinTableHDU.from_columns(columns, name="SPEC_ERG").writeto("spec_all_erg.fits")
"""


def write_programs(folder: Path) -> Path:
    """Write Bkg, ECC and STX_Calib as executable files; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("Bkg", _BKG), ("ECC", _ECC), ("STX_Calib", _STX_CALIB)):
        write_program(folder / name, f"GAIN, OFFSET = {GAIN}, {OFFSET}\n{text}")
    return folder


def write_program(path: Path, text: str) -> Path:
    """Write a Python program that can be run by its path."""
    path.write_text(f"#!{sys.executable}\n{text}", encoding="utf-8")
    path.chmod(0o755)
    return path
