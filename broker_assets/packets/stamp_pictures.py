"""Stamps for people to look at: north up, east to the left, at one scale, with arrows, a bar and a cross-hair.

Science and template share the limits of an asinh stretch, from the science image; the difference is linear and
symmetric about zero. Pixels without a value are hatched.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.packets.cutouts import image
from broker_assets.plots import label_font
from broker_assets.storage.fits_headers import refuse_impossible

SIDE: Final = 240
"""Pixels along the side of a picture, at least."""
_SOFTENING: Final = 10.0
_PERCENTILES: Final = (0.5, 99.5)
_BAR: Final = 5.0
"""Length of the bar, arcsec."""
_HATCH: Final = (96, 160)
"""Grey levels of pixels without a value."""


@dataclass(frozen=True)
class Stamp:
    """A stamp on a grid with north up and east to the left, or as it was if its orientation is unknown."""

    pixels: NDArray[np.float64]
    """(n, n); the first row is the top one; NaN where there is no value."""
    arcsec: float | None
    """Size of a pixel, arcsec; None if the orientation is unknown."""
    target: tuple[float, float] | None
    """Column and row of the source in `pixels`; None if unknown."""


def oriented(fits: bytes, position: tuple[float, float] | None = None) -> Stamp:
    """Turn a stamp so that north is up and east is to the left.

    Parameters
    ----------
    fits : bytes
        FITS file; its world coordinates are used if it has some.
    position : (float, float), optional
        Right ascension and declination of the source, ICRS, degrees.

    Raises
    ------
    CutoutError
        If there is no image.
    """
    pixels = image(fits)
    size = max(pixels.shape)
    square = np.full((size, size), np.nan)
    first = [(size - length) // 2 for length in pixels.shape]
    square[first[0] : first[0] + pixels.shape[0], first[1] : first[1] + pixels.shape[1]] = pixels
    sky = _sky(fits)
    if sky is None:
        return Stamp(square[::-1], None, None)
    rows, columns = pixels.shape
    middle = np.array([(columns - 1) / 2, (rows - 1) / 2])
    centre = np.radians(sky.wcs_pix2world([middle], 0)[0])
    east, north = _directions(*centre)
    # Positions one arcsec to the east and one arcsec to the north.
    moved = [_coordinates(_vector(*centre) + math.radians(1 / 3600) * direction) for direction in (east, north)]
    steps = sky.wcs_world2pix(np.degrees(moved), 0) - middle
    along = np.column_stack(list(steps))  # pixels per arcsec
    determinant = float(np.linalg.det(along))
    if not np.isfinite(determinant) or abs(determinant) < 1e-12:
        return Stamp(square[::-1], None, None)
    arcsec = 1.0 / np.sqrt(abs(determinant))
    offset = (np.arange(size) - (size - 1) / 2) * arcsec
    to_east, to_north = np.meshgrid(-offset, -offset)
    x = middle[0] + along[0, 0] * to_east + along[0, 1] * to_north
    y = middle[1] + along[1, 0] * to_east + along[1, 1] * to_north
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    turned = np.full((size, size), np.nan)
    turned[inside] = pixels[row[inside], column[inside]]
    target = None
    if position is not None:
        source = _vector(*np.radians(position))
        ahead = float(source @ _vector(*centre))
        if ahead > 0:
            aside, up = (3600 * math.degrees(float(source @ one) / ahead) for one in (east, north))
            target = ((size - 1) / 2 - aside / arcsec, (size - 1) / 2 - up / arcsec)
    return Stamp(turned, arcsec, target)


def _vector(ra: float, dec: float) -> NDArray[np.float64]:
    """Unit vector of a position, radians."""
    return np.array([math.cos(dec) * math.cos(ra), math.cos(dec) * math.sin(ra), math.sin(dec)])


def _directions(ra: float, dec: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit vectors to the east and to the north at a position, radians."""
    east = np.array([-math.sin(ra), math.cos(ra), 0.0])
    return east, np.cross(_vector(ra, dec), east)


def _coordinates(vector: NDArray[np.float64]) -> tuple[float, float]:
    """Position of a direction, radians."""
    return math.atan2(vector[1], vector[0]), math.atan2(vector[2], math.hypot(vector[0], vector[1]))


def limits(pixels: NDArray[np.float64], *, difference: bool) -> tuple[float, float]:
    """Values that are drawn black and white.

    Parameters
    ----------
    pixels : float64 array
        Values of the science or the difference image.
    difference : bool
        Whether the limits are symmetric about zero.

    Examples
    --------
    >>> limits(np.array([-3.0, 0.0, 1.0]), difference=True)[1] > 2.9
    True
    """
    known = pixels[np.isfinite(pixels)]
    if not known.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(known, _PERCENTILES))
    if difference:
        most = max(abs(low), abs(high)) or 1.0
        return -most, most
    return (low, high) if high > low else (low, low + 1.0)


def stamp_png(stamp: Stamp, low: float, high: float, *, stretched: bool) -> bytes:
    """Draw a stamp.

    Parameters
    ----------
    stamp : Stamp
        Of `oriented`.
    low, high : float
        Values that are black and white; see `limits`.
    stretched : bool
        asinh instead of linear.

    Returns
    -------
    bytes
        PNG with north and east, a bar of five arcsec, a cross-hair around the source, and the limits as text.
    """
    from PIL import Image, ImageDraw

    scale = max(-(-SIDE // stamp.pixels.shape[0]), 1)
    picture = Image.fromarray(_greys(stamp, low, high, stretched=stretched, scale=scale))
    _decorate(ImageDraw.Draw(picture), stamp, scale, picture.width, f"{low:.4g} … {high:.4g}".replace("-", "−"))
    return _png(picture)


def stamps_png(stamps: Sequence[tuple[Stamp, tuple[float, float], bool]]) -> bytes:
    """Draw stamps side by side, one pixel of the picture per pixel of a stamp, without annotations.

    Parameters
    ----------
    stamps : sequence of (Stamp, (float, float), bool)
        Each with the values that are black and white, and whether it is stretched; see `stamp_png`.

    Returns
    -------
    bytes
        PNG; between two stamps, and where one is smaller, it is transparent.
    """
    from PIL import Image

    side = max(stamp.pixels.shape[0] for stamp, _, _ in stamps)
    gap = max(side // 13, 1)
    picture = Image.new("LA", (side * len(stamps) + gap * (len(stamps) - 1), side))
    for place, (stamp, (low, high), stretched) in enumerate(stamps):
        part = Image.fromarray(_greys(stamp, low, high, stretched=stretched, scale=1)).convert("LA")
        picture.paste(part, (place * (side + gap) + (side - part.width) // 2, (side - part.height) // 2))
    return _png(picture)


def _greys(stamp: Stamp, low: float, high: float, *, stretched: bool, scale: int) -> NDArray[np.uint8]:
    part = np.clip((stamp.pixels - low) / (high - low), 0.0, 1.0)
    if stretched:
        part = np.arcsinh(part * _SOFTENING) / np.arcsinh(_SOFTENING)
    grey = np.where(np.isfinite(part), np.round(part * 255), 0).astype(np.uint8)
    big = np.kron(grey, np.ones((scale, scale), np.uint8))
    missing = np.kron(~np.isfinite(part), np.ones((scale, scale), np.bool_))
    diagonal = np.add.outer(np.arange(big.shape[0]), np.arange(big.shape[1])) // 3 % 2
    return np.asarray(np.where(missing, np.where(diagonal == 0, *_HATCH), big), np.uint8)


def _png(picture: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="png")
    return buffer.getvalue()


def _decorate(draw: Any, stamp: Stamp, scale: int, side: int, text: str) -> None:
    font = label_font()

    def write(place: tuple[float, float], words: str, anchor: str) -> None:
        draw.text(place, words, fill=255, font=font, anchor=anchor, stroke_width=2, stroke_fill=0)

    def line(*places: float) -> None:
        draw.line(places, fill=0, width=3)
        draw.line(places, fill=255, width=1)

    write((4, side - 3), text, "ls")
    if stamp.arcsec is None:
        write((side - 4, 4), "orientation unknown", "rt")
        return
    corner = side - 14
    line(corner, 40, corner, 16)
    write((corner, 15), "N", "mb")
    line(corner, 40, corner - 24, 40)
    write((corner - 27, 40), "E", "rm")
    length = _BAR / stamp.arcsec * scale
    if length < side - 16:
        line(8, 12, 8 + length, 12)
        write((8, 16), f"{_BAR:g}″", "lt")
    column, row = stamp.target if stamp.target is not None else ((stamp.pixels.shape[0] - 1) / 2,) * 2
    x, y = (column + 0.5) * scale, (row + 0.5) * scale
    for dx, dy in ((1, 0), (0, 1)):
        line(x + dx * 12, y - dy * 12, x + dx * 26, y - dy * 26)


def _sky(fits: bytes) -> Any:
    """World coordinates of the first image of a FITS file; None if it has none."""
    import warnings

    from astropy.io import fits as astropy_fits
    from astropy.wcs import WCS, FITSFixedWarning

    try:
        refuse_impossible(fits)
        with warnings.catch_warnings(), astropy_fits.open(io.BytesIO(fits), memmap=False) as units:
            warnings.simplefilter("ignore", FITSFixedWarning)
            header = next(unit.header for unit in units if getattr(unit, "is_image", False) and len(unit.shape) == 2)
            found = WCS(header)
            # Galactic, ecliptic and B1950 images have another north; images of surveys have that of ICRS.
            is_known = found.wcs.lngtyp == "RA" and str(found.wcs.radesys).strip() in ("", "ICRS", "FK5")
            axes = (found.naxis, found.wcs.lng, found.wcs.lat)
            return found if found.has_celestial and is_known and axes == (2, 0, 1) else None
    except Exception as error:  # noqa: BLE001 (headers of others are wrong in many ways; the image is shown as it is)
        _ = error
        return None
