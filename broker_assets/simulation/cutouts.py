"""Cutouts: small FITS images with a point source, in Rubin's format."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

CutoutSize = Literal["none", "small", "real"]
SIDE = 30
"""Side of a cutout, pixels; 6 arcsec for Rubin."""
_BLOCK = 2880
_PLACE = "@" * 20
"""Placeholder for a number in a header, of the same width."""


def _card(key: str, value: str, comment: str = "") -> bytes:
    text = f"{key:<8}= {value:>20}"
    return (f"{text} / {comment}" if comment else text).ljust(80)[:80].encode("ascii")


def _text(value: str) -> str:
    return f"'{value:<8}'".ljust(20)


def _header(cards: list[bytes]) -> bytes:
    header = b"".join([*cards, b"END".ljust(80)])
    return header.ljust(-(-len(header) // _BLOCK) * _BLOCK)


def _data(image: NDArray[np.float64], dtype: str) -> bytes:
    data = image.astype(dtype).tobytes()
    return data.ljust(-(-len(data) // _BLOCK) * _BLOCK, b"\x00")


def _extension(name: str, image: NDArray[np.float64], dtype: str, *, unit: str = "") -> bytes:
    cards = [
        _card("XTENSION", _text("IMAGE"), "Image extension"),
        _card("BITPIX", "-32" if dtype == ">f4" else "-64", "array data type"),
        _card("NAXIS", "2", "number of array dimensions"),
        _card("NAXIS1", str(image.shape[1])),
        _card("NAXIS2", str(image.shape[0])),
        _card("PCOUNT", "0", "number of parameters"),
        _card("GCOUNT", "1", "number of groups"),
    ]
    if unit:
        cards.append(_card("UTYPE", _text(unit)))
    cards.append(_card("EXTNAME", _text(name), "extension name"))
    return _header(cards) + _data(image, dtype)


def _image_header(pixel: float) -> str:
    """Header of an image with six placeholders: corner, reference pixel and reference position."""
    scale = pixel / 3600.0
    cards = [
        _card("SIMPLE", "T", "conforms to FITS standard"),
        _card("BITPIX", "-32", "array data type"),
        _card("NAXIS", "2", "number of array dimensions"),
        _card("NAXIS1", str(SIDE)),
        _card("NAXIS2", str(SIDE)),
        _card("EXTEND", "T"),
        _card("CUTMINX", _PLACE),
        _card("CUTMINY", _PLACE),
        _card("BUNIT", _text("nJy")),
        _card("WCSAXES", "2", "Number of coordinate axes"),
        _card("CTYPE1", _text("RA---TAN")),
        _card("CTYPE2", _text("DEC--TAN")),
        _card("CUNIT1", _text("deg")),
        _card("CUNIT2", _text("deg")),
        _card("CRPIX1", _PLACE, "Pixel coordinate of reference point"),
        _card("CRPIX2", _PLACE, "Pixel coordinate of reference point"),
        _card("CDELT1", f"{-scale:#.13G}", "Coordinate increment at reference point"),
        _card("CDELT2", f"{scale:#.13G}", "Coordinate increment at reference point"),
        _card("CRVAL1", _PLACE, "Coordinate value at reference point"),
        _card("CRVAL2", _PLACE, "Coordinate value at reference point"),
        _card("RADESYS", _text("ICRS")),
    ]
    header = _header(cards).decode("ascii")
    for number in ("{:20d}",) * 2 + ("{:#20.13G}",) * 4:
        header = header.replace(_PLACE, number, 1)
    return header


def point_source(
    side: int, fwhm: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Gaussian point sources of unit flux.

    Parameters
    ----------
    side : int
        Width and height, pixels.
    fwhm : (n,) float64 array
        Full width at half maximum, pixels.
    x, y : (n,) float64 array
        Centre, pixels from the centre of the first pixel.

    Returns
    -------
    (n, side, side) float64 array
        Row, then column.

    Examples
    --------
    >>> image = point_source(30, np.array([4.0]), np.array([14.5]), np.array([14.5]))
    >>> image.shape, float(image.sum().round(6))
    ((1, 30, 30), 1.0)
    """
    sigma = (fwhm / 2.354820045)[:, None]
    axis = np.arange(side)
    across = np.exp(-0.5 * ((axis - x[:, None]) / sigma) ** 2)
    down = np.exp(-0.5 * ((axis - y[:, None]) / sigma) ** 2)
    image: NDArray[np.float64] = down[:, :, None] * across[:, None, :]
    image /= 2.0 * np.pi * sigma[:, :, None] ** 2
    return image


class CutoutWriter:
    """Writes the three cutouts of many detections.

    Parameters
    ----------
    size : {"none", "small", "real"}
        No cutouts; the image alone (8,640 bytes); or image, variance and point-spread function as Rubin sends them
        (34,560 bytes, the template 69,120).
    pixel : float
        Arcsec.
    """

    def __init__(self, size: CutoutSize, pixel: float) -> None:
        self.size = size
        self.pixel = pixel
        self._start = _image_header(pixel)
        self._tail = {"science": b"", "template": b"", "difference": b""}
        if size == "real":
            for kind, side in (("science", 41), ("difference", 41), ("template", 77)):
                middle = np.array([(side - 1) / 2.0])
                shape = point_source(side, np.array([4.2]), middle, middle)[0]
                variance = np.full((SIDE, SIDE), 400.0)
                self._tail[kind] = _extension("UNCERT", variance, ">f4", unit="VarianceUncertainty") + _extension(
                    "PSFIMAGE", shape, ">f8"
                )

    def write(
        self,
        *,
        ra: NDArray[np.float64],
        dec: NDArray[np.float64],
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        flux: NDArray[np.float64],
        template_flux: NDArray[np.float64],
        noise: NDArray[np.float64],
        fwhm: NDArray[np.float64],
        dipole: NDArray[np.bool_],
        generator: np.random.Generator,
    ) -> list[tuple[bytes, bytes, bytes]] | None:
        """Cutouts of n detections.

        Parameters
        ----------
        ra, dec : (n,) float64 array
            Degrees.
        x, y : (n,) float64 array
            Position on the detector, pixels.
        flux, template_flux : (n,) float64 array
            Fluxes of the difference and of the template, nJy.
        noise : (n,) float64 array
            Uncertainty of the flux, nJy; sets the noise of a pixel.
        fwhm : (n,) float64 array
            Seeing, pixels.
        dipole : (n,) bool array
            Two lobes of opposite sign instead of a point source.
        generator : numpy.random.Generator
            Random number generator.

        Returns
        -------
        list of (science, template, difference) or None
            FITS files; None if no cutouts are wanted.
        """
        if self.size == "none":
            return None
        corner_x, corner_y = np.floor(x).astype(int) - SIDE // 2, np.floor(y).astype(int) - SIDE // 2
        inside_x, inside_y = x - corner_x, y - corner_y
        shape = point_source(SIDE, fwhm, inside_x, inside_y)
        # Noise of an optimally weighted flux is sqrt(4 pi) sigma_psf times that of a pixel.
        pixel_noise = (noise / (np.sqrt(4.0 * np.pi) * fwhm / 2.3548))[:, None, None]
        template = template_flux[:, None, None] * shape
        template += 0.3 * pixel_noise * generator.standard_normal(shape.shape, dtype=np.float32)
        difference = flux[:, None, None] * shape
        if dipole.any():
            apart = point_source(SIDE, fwhm[dipole], inside_x[dipole] + 3.0, inside_y[dipole] + 1.0)
            difference[dipole] -= 0.9 * flux[dipole, None, None] * apart
        difference += pixel_noise * generator.standard_normal(shape.shape, dtype=np.float32)
        science = template + difference
        files = []
        images = [image.astype(">f4") for image in (science, template, difference)]
        tails = [self._tail[kind] for kind in ("science", "template", "difference")]
        padding = b"\x00" * (-(SIDE * SIDE * 4) % _BLOCK)
        places = zip(ra.tolist(), dec.tolist(), inside_x.tolist(), inside_y.tolist(), strict=True)
        for row, (one_ra, one_dec, one_x, one_y) in enumerate(places):
            corner = int(corner_x[row]), int(corner_y[row])
            start = self._start.format(*corner, one_x + 1.0, one_y + 1.0, one_ra, one_dec).encode("ascii")
            one, two, three = (
                b"".join((start, image[row].tobytes(), padding, tail))
                for image, tail in zip(images, tails, strict=True)
            )
            files.append((one, two, three))
        return files
