"""Puts simulated objects at the positions of real galaxies and stars, so that catalogues have a source near them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.simulation.models import ECLIPSING, RR_LYRAE, SN_IBC, Catalogue

HOSTED: Final = 0.7
"""Share of supernovae that are put into galaxies; the hosts of the others are too faint for catalogues."""
KNOWN: Final = 0.5
"""Share of periodic variables that are put onto known ones."""
NEAREST: Final = 50
"""Number of galaxies with similar redshifts to a supernova from which its host is drawn."""
LIKE: Final = 0.05
"""Largest relative difference of the redshifts of a supernova and of its host."""
SCATTER: Final = 0.05
"""Arcseconds by which a star is offset from its position in a catalogue."""


@dataclass(frozen=True)
class Places:
    """Sources of catalogues: galaxies and variable stars, arrays of equal length each; ICRS, degrees."""

    host_ra: NDArray[np.float64]
    host_dec: NDArray[np.float64]
    host_redshift: NDArray[np.float64]
    host_radius: NDArray[np.float64]
    """Half of the major axis, arcseconds."""
    star_ra: NDArray[np.float64]
    star_dec: NDArray[np.float64]


def settled(
    catalogue: Catalogue, places: Places, declinations: tuple[float, float], generator: np.random.Generator
) -> Catalogue:
    """Move some objects to positions of catalogue sources.

    Supernovae get hosts of about their redshift, take the redshift of the host, and are distributed like its light
    (an exponential disc) within its radius; periodic variables are put onto known ones.

    Parameters
    ----------
    catalogue : Catalogue
        The objects.
    places : Places
        Where they may be.
    declinations : (float, float)
        Limits of the survey, degrees; places outside are not used.
    generator : numpy.random.Generator
        Random number generator.
    """
    ra, dec, redshift = catalogue.ra.copy(), catalogue.dec.copy(), catalogue.redshift.copy()
    low, high = declinations
    inside = np.flatnonzero((places.host_dec > low) & (places.host_dec < high) & (places.host_redshift > 0.0))
    hosts = inside[np.argsort(places.host_redshift[inside], kind="stable")]
    rows = np.flatnonzero((catalogue.kind <= SN_IBC) & (generator.random(len(catalogue)) < HOSTED))
    if hosts.size:
        at = np.searchsorted(places.host_redshift[hosts], redshift[rows])
        at = at + generator.integers(-NEAREST // 2, NEAREST // 2, len(rows))
        near = (at >= 0) & (at < hosts.size)  # farther than all galaxies of the catalogue, which has no host for it
        rows, host = rows[near], hosts[at[near]]
        like = np.abs(places.host_redshift[host] - redshift[rows]) < LIKE * redshift[rows]
        rows, host = rows[like], host[like]
        radius = np.minimum(generator.exponential(0.35, len(rows)), 1.0) * places.host_radius[host]
        angle = generator.uniform(0.0, 2.0 * np.pi, len(rows))
        dec[rows] = places.host_dec[host] + radius * np.sin(angle) / 3600.0
        ra[rows] = np.mod(places.host_ra[host] + radius * np.cos(angle) / 3600.0 / np.cos(np.radians(dec[rows])), 360.0)
        redshift[rows] = places.host_redshift[host]
    stars = np.flatnonzero((places.star_dec > low) & (places.star_dec < high))
    periodic = np.isin(catalogue.kind, (RR_LYRAE, ECLIPSING))
    rows = np.flatnonzero(periodic & (generator.random(len(catalogue)) < KNOWN))
    if stars.size:
        star = generator.choice(stars, len(rows))
        dec[rows] = places.star_dec[star] + generator.normal(0.0, SCATTER / 3600.0, len(rows))
        shift = generator.normal(0.0, SCATTER / 3600.0, len(rows)) / np.cos(np.radians(dec[rows]))
        ra[rows] = np.mod(places.star_ra[star] + shift, 360.0)
    return replace(catalogue, ra=ra, dec=np.clip(dec, low, high), redshift=redshift)
