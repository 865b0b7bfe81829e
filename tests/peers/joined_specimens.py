"""Random light curves with uncertainties, forced photometry and limits, in any order."""

from __future__ import annotations

import numpy as np

from broker_assets.lightcurves.joined_curves import Columns, JoinedCurves


def columns(random: np.random.Generator, objects: int, *, each: int, unknown: float = 0.0) -> Columns:
    """About `each` points of each object within 100 days; a share of the uncertainties is unknown."""
    owner = np.repeat(np.arange(objects), random.integers(1, 2 * each, objects))
    number = len(owner)
    error = random.uniform(20.0, 150.0, number)
    error[random.random(number) < unknown] = np.nan
    flux = random.normal(random.choice([0.0, 1500.0], objects)[owner], 300.0)
    return Columns(owner, 61000.0 + random.uniform(0, 100, number), flux, error, random.integers(-1, 6, number))


def curves(seed: int, objects: int = 40, *, each: int = 30, unknown: float = 0.0) -> JoinedCurves:
    """Joined light curves."""
    random = np.random.default_rng(seed)
    detections = columns(random, objects, each=each, unknown=unknown)
    forced = columns(random, objects, each=each // 2)
    limits = columns(random, objects, each=4)
    return JoinedCurves.of(objects, detections, forced, limits._replace(flux=np.abs(limits.flux)))


def rows(found: JoinedCurves, number: int, band: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, fluxes and uncertainties of a band of an object; of band 6 those of all, less the mean of each band."""
    inside = slice(found.offsets[number], found.offsets[number + 1])
    mjd, flux, error, bands = (part[inside].copy() for part in (found.mjd, found.flux, found.error, found.band))
    if band < 6:
        chosen = bands == band
        return mjd[chosen], flux[chosen], error[chosen]
    for code in range(6):
        chosen = bands == code
        known = chosen & np.isfinite(error)
        if known.any():
            flux[chosen] -= np.average(flux[known], weights=error[known] ** -2)
        elif chosen.any():
            flux[chosen] -= flux[chosen].mean()
    chosen = bands >= 0
    return mjd[chosen], flux[chosen], error[chosen]
