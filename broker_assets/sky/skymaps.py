"""Sky maps of gravitational-wave and other poorly localised events, and the positions inside them."""

from __future__ import annotations

import hashlib
import io
import sys
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.units import Unit, UnitsError
from mocpy import MOC
from numpy.typing import ArrayLike, NDArray

from broker_assets.settings.limits import LIMITS, InputLimits
from broker_assets.sky.cells import DEEPEST, cells_at, order_of
from broker_assets.sky.headers import coordinate_system, number_value, text_value
from broker_assets.sky.separation import check_positions
from broker_assets.sky.unpacking import unpacked
from broker_assets.storage.fits_headers import refuse_impossible

CONTOURS = (10, 20, 30, 40, 50, 60, 70, 80, 90)
"""Credible levels kept as MOCs, per cent."""

_COLUMNS = ("UNIQ", "PROBDENSITY", "DISTMU", "DISTSIGMA")


class NotASkyMap(ValueError):
    """The bytes are not a valid sky map; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class SkyMap:
    """A multi-order HEALPix map of the probability of an event's position and distance."""

    cell: NDArray[np.int64]
    """(n,) NUNIQ numbers, in the order of `start`; the cells do not overlap."""
    start: NDArray[np.int64]
    """(n,) first pixel of order 29 of each cell, ascending."""
    probability_density: NDArray[np.float64]
    """(n,) probability per steradian."""
    distance_mean: NDArray[np.float64]
    """(n,) location parameter of the distance along the line of sight, Mpc; NaN where the map has none."""
    distance_sigma: NDArray[np.float64]
    """(n,) scale parameter of the distance along the line of sight, Mpc; NaN where the map has none."""
    name: str
    """Keyword OBJECT of the map."""
    mjd: float
    """Time of the event, MJD UTC (keyword MJD-OBS); NaN if missing."""
    overall_distance: tuple[float, float] = (np.nan, np.nan)
    """Mean and standard deviation of the distance over the whole sky, Mpc (DISTMEAN, DISTSTD); NaN if missing."""

    @cached_property
    def area(self) -> NDArray[np.float64]:
        """(n,) area of each cell, steradian."""
        return np.pi / 3.0 / 4.0 ** order_of(self.cell).astype(np.float64)

    @cached_property
    def contour(self) -> NDArray[np.float64]:
        """(n,) smallest credible level that contains each cell, per cent.

        The cumulative probability of all cells at least as dense, itself included; cells of equal density share it.
        """
        order = np.argsort(-self.probability_density, kind="stable")
        density = self.probability_density[order]
        cumulated = np.cumsum(self.probability_density[order] * self.area[order])
        last_of_equal = np.searchsorted(-density, -density, side="right") - 1
        level = np.empty(len(order))
        level[order] = cumulated[last_of_equal]
        return np.minimum(100.0 * level, 100.0)

    @cached_property
    def version(self) -> str:
        """Hash of the content."""
        digest = hashlib.sha256()
        for column in (self.cell, self.probability_density, self.distance_mean, self.distance_sigma):
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()

    def contour_moc(self, level: float) -> MOC:
        """Cells of the credible region of a level, per cent."""
        cells = self.cell[self.contour <= level]
        orders = order_of(cells)
        pixels = cells - (np.int64(4) << (2 * orders))
        deepest = int(order_of(self.cell).max())
        return MOC.from_healpix_cells(pixels.astype(np.uint64), orders.astype(np.uint8), max_depth=deepest)

    def most_probable(self) -> tuple[float, float]:
        """Centre of the cell with the largest probability density, ICRS, degrees."""
        import cdshealpix

        best = self.cell[int(np.argmax(self.probability_density))]
        order = int(order_of(np.array([best]))[0])
        longitude, latitude = cdshealpix.healpix_to_lonlat(np.array([best - (4 << (2 * order))], np.uint64), order)
        return float(longitude.to_value("deg")[0]), float(latitude.to_value("deg")[0])


@dataclass(frozen=True)
class SkyMapHits:
    """Positions inside a sky map, up to a credible level."""

    position: NDArray[np.int64]
    """(m,) row of the positions, ascending."""
    contour: NDArray[np.float64]
    """(m,) smallest credible level that contains the position, per cent."""
    probability_density: NDArray[np.float64]
    """(m,) probability per steradian."""
    distance_mean: NDArray[np.float64]
    """(m,) location parameter of the distance along the line of sight, Mpc; NaN if unknown."""
    distance_sigma: NDArray[np.float64]
    """(m,) scale parameter of the distance along the line of sight, Mpc; NaN if unknown."""
    distance_deviation: NDArray[np.float64]
    """(m,) (distance of the object − mean) / sigma; NaN where either is unknown."""
    volume_density: NDArray[np.float64]
    """(m,) probability density times exp(−½ deviation²), per steradian; NaN where the deviation is."""

    def __len__(self) -> int:
        return len(self.position)


def read_sky_map(content: bytes, *, limits: InputLimits = LIMITS) -> SkyMap:
    """Read a multi-order sky map.

    Parameters
    ----------
    content : bytes
        FITS file with a table of UNIQ, PROBDENSITY and, optionally, DISTMU and DISTSIGMA (IGWN Public Alerts User
        Guide, "Multi-Order Sky Maps"). gzip is unpacked.
    limits : InputLimits
        Bytes (`sky_map_bytes`) and cells (`sky_map_rows`), at most.

    Returns
    -------
    SkyMap

    Raises
    ------
    NotASkyMap
        If the bytes are not such a map or are damaged, the map is too large, or is not a probability.
    """
    try:
        plain = unpacked(content, limits.sky_map_bytes, "sky_map_bytes")
    except ValueError as error:
        raise NotASkyMap(str(error)) from error
    return _read(plain, limits.sky_map_rows)


def stored_sky_map(content: bytes) -> SkyMap:
    """Read a sky map from the database: one that `read_sky_map` has accepted, whatever the limits are now."""
    return _read(unpacked(content, sys.maxsize, "sky_map_bytes"), sys.maxsize)


def _read(content: bytes, most_rows: int) -> SkyMap:
    header, columns, units = _table(content, most_rows)
    frame = coordinate_system(header)
    if frame is not None:
        raise NotASkyMap(f"COORDSYS is {frame}; only maps in equatorial coordinates (C, ICRS) are accepted")
    cell = columns["UNIQ"].astype(np.int64)
    density = _per_steradian(columns["PROBDENSITY"].astype(np.float64), units.get("PROBDENSITY", ""))
    empty = np.full(len(cell), np.nan)
    mean, sigma = (columns.get(name, empty).astype(np.float64) for name in ("DISTMU", "DISTSIGMA"))
    mean, sigma = (
        _megaparsecs(values, units.get(name, "")) for name, values in (("DISTMU", mean), ("DISTSIGMA", sigma))
    )
    if len(cell) == 0 or cell.min() < 4 or order_of(cell).max() > DEEPEST:
        raise NotASkyMap("column UNIQ is empty or contains numbers that are not HEALPix cells")
    if not (np.isfinite(density).all() and (density >= 0).all()):
        raise NotASkyMap("PROBDENSITY contains negative or non-finite values")
    order = order_of(cell)
    shift = 2 * (DEEPEST - order)
    start = (cell - (np.int64(4) << (2 * order))) << shift
    by_start = np.argsort(start, kind="stable")
    cell, start, shift = cell[by_start], start[by_start], shift[by_start]
    if (start[1:] < start[:-1] + (np.int64(1) << shift[:-1])).any():
        raise NotASkyMap("cells of the map overlap")
    sky_map = SkyMap(
        cell, start, density[by_start], mean[by_start], sigma[by_start],
        text_value(header, "OBJECT"), number_value(header, "MJD-OBS"),
        (number_value(header, "DISTMEAN"), number_value(header, "DISTSTD")),
    )  # fmt: skip
    with np.errstate(over="ignore"):
        total = float((sky_map.probability_density * sky_map.area).sum())
    if not 0.9 < total < 1.1:
        raise NotASkyMap(f"the probability over the sky is {total:.3g}, not 1")
    return sky_map


def _megaparsecs(distances: NDArray[np.float64], unit: str) -> NDArray[np.float64]:
    """Distances of a column in its unit (TUNIT); without one they are in Mpc, as those of all known makers."""
    try:
        return distances * float(Unit(unit or "Mpc").to("Mpc"))
    except (ValueError, TypeError, UnitsError) as error:
        raise NotASkyMap(f"the distances are in {unit[:40]!r}, which is not a unit of length") from error


def _per_steradian(densities: NDArray[np.float64], unit: str) -> NDArray[np.float64]:
    """Probability densities of a column in its unit (TUNIT); without one they are in 1/sr, as the user guide says."""
    try:
        return densities * float(Unit(unit or "1/sr").to("1/sr"))
    except (ValueError, TypeError, UnitsError) as error:
        raise NotASkyMap(f"PROBDENSITY is in {unit[:40]!r}, which is not a probability per solid angle") from error


def _table(content: bytes, most_rows: int) -> tuple[fits.Header, dict[str, NDArray[Any]], dict[str, str]]:
    """Header, columns and their units of the table of cells."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # errors say what is wrong with the file
            refuse_impossible(content)
            with fits.open(io.BytesIO(content), memmap=False, disable_image_compression=True) as hdus:
                tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU) and hdu.columns.names]
                for hdu in tables:  # names of columns are the same in any case (FITS standard 4.0, section 7.3)
                    for name in hdu.columns.names:
                        if name.upper() in _COLUMNS and name.upper() not in hdu.columns.names:
                            hdu.columns.change_name(name, name.upper())
                found = [hdu for hdu in tables if "UNIQ" in hdu.columns.names]
                if not found:
                    raise NotASkyMap(_not_multi_order(tables))
                table = found[0]
                names = table.columns.names
                if "PROBDENSITY" not in names:
                    raise NotASkyMap(f"the table has no column PROBDENSITY; its columns are {', '.join(names)}")
                rows = int(table.header["NAXIS2"])
                if rows > most_rows:
                    raise NotASkyMap(f"{rows:,} cells, more than {most_rows:,} (BROKER_LIMITS__SKY_MAP_ROWS)")
                if rows * int(table.header["NAXIS1"]) > len(content):
                    raise NotASkyMap("the FITS file is truncated")
                columns = {name: np.array(table.data[name]) for name in _COLUMNS if name in names}
                if any(column.shape != (rows,) or column.dtype.kind not in "iuf" for column in columns.values()):
                    raise NotASkyMap("a column of the table does not have one number in each row")
                if columns["UNIQ"].dtype.kind == "f" and columns["UNIQ"].dtype.itemsize < 8:
                    raise NotASkyMap("column UNIQ has 32-bit floating-point numbers, which cannot hold all cells")
                units = {column.name: str(column.unit or "").strip() for column in table.columns}
                return table.header, columns, units
    except NotASkyMap:
        raise
    except Exception as error:  # astropy fails in many ways on damaged files, all equivalent here
        raise NotASkyMap(f"the FITS file is damaged: {error}") from error


def _not_multi_order(tables: list[fits.BinTableHDU]) -> str:
    """Why a file contains no multi-order map, and what to do."""
    for table in tables:
        schema = text_value(table.header, "INDXSCHM").upper()
        if text_value(table.header, "PIXTYPE").upper() == "HEALPIX" or schema:
            return (
                f"a flat HEALPix map (NSIDE {text_value(table.header, 'NSIDE') or 'unknown'}), not a multi-order one; "
                "convert it (ligo.skymap: `ligo-skymap-unflatten`)"
            )
    return "no table with a column UNIQ: not a multi-order sky map"


def match_sky_map(
    sky_map: SkyMap, ra: ArrayLike, dec: ArrayLike, *, distance: ArrayLike | None = None, level: float = 90.0
) -> SkyMapHits:
    """Find the positions inside a credible region, and the values of the map there.

    Parameters
    ----------
    sky_map : SkyMap
        See `read_sky_map`.
    ra, dec : (n,) float64 array
        ICRS position, degrees.
    distance : (n,) float64 array, optional
        Luminosity distance of each object, Mpc; NaN where unknown.
    level : float
        Largest credible level of a hit, per cent.

    Returns
    -------
    SkyMapHits

    Raises
    ------
    ValueError
        If a declination is outside [-90, 90] or a value is not finite; the message names the first such row.

    Notes
    -----
    An infinite deviation counts as 100 sigma, so that the volume density is finite. The distance along a line of
    sight follows Singer et al. 2016, ApJL 829, L15.
    """
    longitude, latitude = check_positions(ra, dec)
    deepest = cells_at(longitude, latitude)
    row = np.searchsorted(sky_map.start, deepest, side="right") - 1
    span = np.int64(1) << (2 * (DEEPEST - order_of(sky_map.cell)))
    inside = (row >= 0) & (deepest < sky_map.start[row] + span[row])
    inside &= sky_map.contour[row] <= level
    position = np.flatnonzero(inside)
    row = row[position]
    mean, sigma = sky_map.distance_mean[row], sky_map.distance_sigma[row]
    known = np.full(len(position), np.nan) if distance is None else np.asarray(distance, np.float64)[position]
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation = (known - mean) / sigma
    deviation = np.where(np.isinf(deviation), np.copysign(100.0, deviation), deviation)
    density = sky_map.probability_density[row]
    return SkyMapHits(
        position, sky_map.contour[row], density, mean, sigma, deviation, density * np.exp(-0.5 * deviation**2)
    )
