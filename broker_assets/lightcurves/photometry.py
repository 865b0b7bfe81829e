"""Bands, magnitudes, extinction, black bodies and distances: the constants and formulas that features share.

Fluxes are nJy, times MJD (TAI) in days, wavelengths micrometres, temperatures kilo-kelvin, distances Mpc.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

BANDS: Final = ("u", "g", "r", "i", "z", "y")
"""Bands, blue to red; arrays of bands hold indices into this."""
NO_BAND: Final = -1
"""Code of a point whose band is not one of these."""
EXTINCTION: Final = np.array([4.145, 3.237, 2.273, 1.684, 1.323, 1.088])
"""A(band) / E(B−V) on the SFD scale for R_V = 3.1 (Schlafly & Finkbeiner 2011, ApJ 737, 103, table 6)."""
WAVELENGTH: Final = np.array([0.380, 0.500, 0.620, 0.740, 0.880, 1.000])
"""Effective wavelengths of the bands, µm, rounded as in Lasair's black-body features."""
_INVERSE_CUBE: Final = WAVELENGTH**-3.0
ZERO_POINT: Final = 31.4
"""AB magnitude of 1 nJy: 8.9 + 22.5 (Oke & Gunn 1983, ApJ 266, 713)."""
ERROR_FACTOR: Final = 2.5 / math.log(10.0)
"""Error of a magnitude for a relative error of the flux, magnitudes."""
SECOND_RADIATION_CONSTANT: Final = 14.387
"""h·c/k, µm·kK."""

HUBBLE_CONSTANT: Final = 70.0
"""km/s/Mpc; this and the densities below are the cosmology of Lasair's distances."""
MATTER: Final = 0.3
DARK_ENERGY: Final = 0.7
RADIATION: Final = 4.165e-5 / (HUBBLE_CONSTANT / 100.0) ** 2
CURVATURE: Final = 1.0 - MATTER - DARK_ENERGY - RADIATION
SPEED_OF_LIGHT: Final = 299_792.458
"""km/s."""
_STEPS: Final = 1000


@njit(cache=True, nogil=True, error_model="numpy")
def black_body(band: int, temperature: float) -> float:
    """Black body per unit frequency without its constant factor, λ⁻³ / (exp(14.387/(λT)) − 1).

    Parameters
    ----------
    band : int
        Place in `BANDS`.
    temperature : float
        kK.
    """
    return float(_INVERSE_CUBE[band]) / (math.exp(SECOND_RADIATION_CONSTANT / (WAVELENGTH[band] * temperature)) - 1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def dereddening(ebv: float) -> NDArray[np.float64]:
    """Factors by which fluxes of the six bands are multiplied to correct for extinction, 10^(0.4·E(B−V)·C)."""
    factors = np.ones(6)
    if not math.isnan(ebv):
        for band in range(6):
            factors[band] = 10.0 ** (ebv * EXTINCTION[band] / 2.5)
    return factors


@njit(cache=True, nogil=True, error_model="numpy")
def modulus(redshift: float) -> float:
    """Distance modulus of a redshift, mag; NaN unless it is positive.

    Notes
    -----
    H₀ = 70 km/s/Mpc, Ω_m = 0.3, Ω_Λ = 0.7, Ω_r = 4.165·10⁻⁵/h², the rest curvature; Hogg 1999, arXiv:astro-ph/9905116.
    The comoving integral is a midpoint rule of 1,000 steps in the scale factor.

    Examples
    --------
    >>> [round(modulus(z), 5) for z in (0.05, 0.1, 1.0)]
    [36.73459, 38.31519, 44.10008]
    """
    if not redshift > 0.0:
        return math.nan
    first = 1.0 / (1.0 + redshift)
    total = 0.0
    for step in range(_STEPS):
        scale = first + (1.0 - first) * (step + 0.5) / _STEPS
        rate = math.sqrt(CURVATURE + MATTER / scale + RADIATION / (scale * scale) + DARK_ENERGY * scale * scale)
        total += 1.0 / (scale * rate)
    comoving = (1.0 - first) * total / _STEPS
    root = math.sqrt(abs(CURVATURE))
    transverse = math.sin(root * comoving) / root  # the curvature of these densities is negative
    luminosity = SPEED_OF_LIGHT / HUBBLE_CONSTANT * transverse * (1.0 + redshift)
    return 5.0 * math.log10(luminosity * 1e6) - 5.0


def magnitude(flux: ArrayLike) -> NDArray[np.float64]:
    """AB magnitude of fluxes.

    Parameters
    ----------
    flux : float array
        nJy.

    Returns
    -------
    float64 array
        mag; NaN where the flux is not positive.

    Examples
    --------
    >>> magnitude([1.0, 1e5, -3.0])
    array([31.4, 18.9,  nan])
    """
    values = np.asarray(flux, np.float64)
    return np.asarray(ZERO_POINT - 2.5 * np.log10(np.where(values > 0.0, values, np.nan)))


def band_codes(names: ArrayLike) -> NDArray[np.int8]:
    """Places of bands in `BANDS`, `NO_BAND` for others.

    Examples
    --------
    >>> band_codes(["g", "y", "w"])
    array([ 1,  5, -1], dtype=int8)
    """
    texts = np.asarray(names, dtype="U8")
    codes = np.full(texts.shape, NO_BAND, np.int8)
    for code, band in enumerate(BANDS):
        codes[texts == band] = code
    return codes
