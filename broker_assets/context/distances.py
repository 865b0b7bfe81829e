"""Distances and scales of host galaxies from their redshifts."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.sky.separation import ARCSEC_PER_RADIAN

if TYPE_CHECKING:
    from astropy.cosmology import FlatLambdaCDM

HUBBLE: Final = 70.0
"""Hubble constant, km/s/Mpc."""
MATTER: Final = 0.3
"""Density of matter in units of the critical density; the universe is flat."""

LOWEST, HIGHEST, STEPS = 1e-6, 12.0, 20_001
"""Redshifts of the table; outside it there is no distance."""


def cosmology() -> FlatLambdaCDM:
    """The cosmology of `HUBBLE` and `MATTER`."""
    from astropy.cosmology import FlatLambdaCDM  # imports SciPy's optimisation: 46 MB, only needed to compute distances

    return FlatLambdaCDM(H0=HUBBLE, Om0=MATTER)


@cache
def _table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    redshift = np.geomspace(LOWEST, HIGHEST, STEPS)
    return np.log(redshift), np.log(np.asarray(cosmology().luminosity_distance(redshift).to_value("Mpc")))


def luminosity_distance(redshift: NDArray[np.float64]) -> NDArray[np.float64]:
    """Luminosity distance (Hogg 1999, astro-ph/9905116, equation 21) in `cosmology`.

    Parameters
    ----------
    redshift : (n,) float64 array

    Returns
    -------
    (n,) float64 array
        Mpc, interpolated to a relative error below 1e-6; NaN where the redshift is not in [`LOWEST`, `HIGHEST`].
    """
    known = (redshift >= LOWEST) & (redshift <= HIGHEST)
    logarithm, distance = _table()
    found = np.full(np.shape(redshift), np.nan)
    found[known] = np.exp(np.interp(np.log(redshift[known]), logarithm, distance))
    return found


def kiloparsecs_per_arcsecond(distance: NDArray[np.float64], redshift: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale at a source: from its distance if that is known, else from its redshift.

    Parameters
    ----------
    distance : (n,) float64 array
        Mpc; NaN where it is not known.
    redshift : (n,) float64 array
        NaN where it is not known.

    Returns
    -------
    (n,) float64 array
        kpc per arcsecond; NaN where neither is known. The angular diameter distance is the luminosity distance over
        (1 + z)² (Hogg 1999, equation 20).
    """
    from_redshift = luminosity_distance(redshift) / (1.0 + redshift) ** 2
    near = np.where(distance > 0.0, distance, from_redshift)
    return near * 1000.0 / ARCSEC_PER_RADIAN
