"""Objects on the sky: the catalogue of a simulated survey and its light curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.simulation.cadence import Instrument

KINDS = ("SN Ia", "SN II", "SN Ibc", "RR Lyrae", "eclipsing binary", "AGN", "flare star", "dipole")
SN_IA, SN_II, SN_IBC, RR_LYRAE, ECLIPSING, AGN, FLARE, DIPOLE = range(8)
SHARES = (0.30, 0.16, 0.06, 0.12, 0.10, 0.18, 0.05, 0.03)

HUBBLE_DISTANCE = 299792.458 / 70.0
"""Mpc."""
DECELERATION = -0.55
_WAVELENGTHS = np.array([300.0, 368.0, 480.0, 622.0, 754.0, 869.0, 971.0])
# Absolute AB magnitude at peak and decline time (days) at the wavelengths above; rounded from light curves in the
# literature (Hamuy 2002, Richardson 2014); sufficient to exercise a broker, not for science.
_SUPERNOVAE = {
    SN_IA: ((-17.3, -18.6, -19.2, -19.2, -18.7, -18.5, -18.4), (9, 12, 16, 22, 26, 28, 30), 4.0, 0.15, 0.45),
    SN_II: ((-15.9, -16.8, -17.1, -17.2, -17.1, -17.0, -16.9), (12, 20, 60, 90, 100, 100, 100), 3.0, 0.8, 0.20),
    SN_IBC: ((-15.3, -16.3, -17.2, -17.6, -17.5, -17.3, -17.2), (8, 10, 14, 18, 22, 24, 26), 4.0, 0.5, 0.20),
}
_PULSATION = np.interp([368, 480, 622, 754, 869, 971], [368, 480, 622, 754, 869, 971], [1.2, 1.25, 0.9, 0.7, 0.6, 0.55])


def distance_modulus(redshift: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance modulus in magnitudes, to second order in redshift (H0 = 70 km/s/Mpc, q0 = -0.55); for z < 0.6.

    Examples
    --------
    >>> distance_modulus(np.array([0.1])).round(2)
    array([38.32])
    """
    distance = HUBBLE_DISTANCE * redshift * (1.0 + 0.5 * (1.0 - DECELERATION) * redshift)
    return np.asarray(5.0 * np.log10(distance) + 25.0)


def flux_of(magnitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """AB magnitude to nJy.

    Examples
    --------
    >>> flux_of(np.array([31.4, 28.9])).round(6)
    array([ 1., 10.])
    """
    return np.asarray(10.0 ** ((31.4 - magnitude) / 2.5))


def burst(days: NDArray[np.float64], rise: NDArray[np.float64], fall: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rise and decline of Bazin et al. 2009 (A&A 499, 653, eq. 1), 1 at its peak, which is at `days` = 0.

    Examples
    --------
    >>> burst(np.array([-60.0, 0.0, 20.0]), np.full(3, 4.0), np.full(3, 20.0)).round(3)
    array([0.   , 1.   , 0.459])
    """
    peak = rise * np.log(fall / rise - 1.0)

    def shape(time: NDArray[np.float64]) -> NDArray[np.float64]:
        # Written with one negative exponential on each side, so that neither overflows.
        early = np.exp(np.minimum(time, 0.0) * (1.0 / rise - 1.0 / fall)) / (1.0 + np.exp(np.minimum(time, 0.0) / rise))
        late = np.exp(-np.maximum(time, 0.0) / fall) / (1.0 + np.exp(-np.maximum(time, 0.0) / rise))
        return np.where(time < 0.0, early, late)

    return np.asarray(shape(days + peak) / shape(peak))


@dataclass
class Catalogue:
    """The true objects; arrays of equal length."""

    kind: NDArray[np.int64]
    """Index into `KINDS`."""
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    """ICRS, degrees."""
    redshift: NDArray[np.float64]
    """NaN for stars."""
    peak_time: NDArray[np.float64]
    """Supernovae: time of the peak; periodic objects: of phase zero. MJD TAI."""
    magnitude: NDArray[np.float64]
    """(n, bands) AB magnitude: supernovae: at peak; others: mean or quiescent state."""
    amplitude: NDArray[np.float64]
    """Magnitudes: pulsation, eclipse depth, structure function of the random walk; dipoles: sigma."""
    period: NDArray[np.float64]
    """Periodic objects: days; random walks: damping time, days; flares: per day."""
    rise: NDArray[np.float64]
    fall: NDArray[np.float64]
    """(n, bands) for supernovae, days in the observer's frame."""
    host: NDArray[np.float64]
    """(n, bands) flux of the template at the position, nJy."""
    walk: NDArray[np.float64]
    """Current random walk, magnitudes."""
    walk_time: NDArray[np.float64]
    """When `walk` was drawn, MJD TAI."""
    object_id: NDArray[np.int64]
    """diaObjectId, assigned at the first detection; 0 before."""

    def __len__(self) -> int:
        return len(self.kind)

    def truth(self, instrument: Instrument) -> pa.Table:
        """True class and parameters, one row per object. `diaobjectid` is null until it is detected."""
        known = self.object_id != 0
        supernova = self.kind <= SN_IBC
        columns: dict[str, pa.Array] = {
            "diaobjectid": pa.array(self.object_id, mask=~known),
            "class": pa.array(np.array(KINDS)[self.kind]),
            "ra": pa.array(self.ra),
            "dec": pa.array(self.dec),
            "redshift": pa.array(self.redshift, mask=~np.isfinite(self.redshift)),
            "peakmjdtai": pa.array(self.peak_time, mask=~supernova),
            "period": pa.array(self.period, mask=~np.isin(self.kind, (RR_LYRAE, ECLIPSING))),
            "amplitude": pa.array(self.amplitude, mask=supernova),
        }
        for index, band in enumerate(instrument.bands):
            columns[f"{band}_magnitude"] = pa.array(self.magnitude[:, index])
        return pa.table(columns)


def draw_catalogue(
    instrument: Instrument,
    count: int,
    origin: float,
    generator: np.random.Generator,
    shares: tuple[float, ...] = SHARES,
) -> Catalogue:
    """Draw random objects, uniformly over the footprint.

    Parameters
    ----------
    instrument : Instrument
        The survey; defines footprint, bands and the range of magnitudes.
    count : int
        Number of objects.
    origin : float
        MJD of the first night; supernovae peak from 40 days before to 325 days after it.
    generator : numpy.random.Generator
        Random number generator.
    shares : tuple of float
        Fraction of each of `KINDS`.
    """
    bands = len(instrument.bands)
    waves = np.array(instrument.wavelengths)
    kind = generator.choice(len(KINDS), size=count, p=np.array(shares) / np.sum(shares))
    low, high = np.sin(np.radians(instrument.declinations))
    dec = np.degrees(np.arcsin(generator.uniform(low, high, count)))
    ra = generator.uniform(0.0, 360.0, count)
    redshift = np.full(count, np.nan)
    magnitude = np.empty((count, bands))
    rise = np.ones(count)
    fall = np.full((count, bands), 10.0)
    peak_time = origin + generator.uniform(-40.0, 325.0, count)
    shallower = 24.0 - float(np.median(instrument.depths))
    for code, (absolute, decline, rising, scatter, furthest) in _SUPERNOVAE.items():
        rows = np.flatnonzero(kind == code)
        limit = furthest * 10.0 ** (-0.2 * shallower)
        redshift[rows] = np.maximum(limit * generator.uniform(0, 1, len(rows)) ** (1 / 3), 0.003)
        dilation = 1.0 + redshift[rows, None]
        emitted = waves / dilation
        modulus = distance_modulus(redshift[rows])[:, None]
        offset = generator.normal(0.0, scatter, len(rows))[:, None]
        # The K correction of a spectrum flat in frequency is -2.5 log10(1 + z) (Hogg et al. 2002).
        magnitude[rows] = np.interp(emitted, _WAVELENGTHS, absolute) + offset + modulus - 2.5 * np.log10(dilation)
        stretch = np.clip(generator.normal(1.0, 0.1, len(rows)), 0.7, 1.3)[:, None]
        fall[rows] = np.interp(emitted, _WAVELENGTHS, decline) * stretch * dilation
        rise[rows] = rising * dilation[:, 0]
    stars = np.flatnonzero(kind > SN_IBC)
    bright, faint = 16.5 - shallower / 2, 21.5 - shallower
    colour = np.interp(waves, [368, 480, 622, 754, 869, 971], [1.0, 0.4, 0.0, -0.15, -0.2, -0.25])
    steepness = np.where(kind[stars] == FLARE, 2.5, generator.uniform(0.3, 1.5, len(stars)))
    magnitude[stars] = generator.uniform(bright, faint, len(stars))[:, None] + steepness[:, None] * colour
    amplitude = np.zeros(count)
    period = np.ones(count)
    for code, amplitudes, periods in (
        (RR_LYRAE, (0.4, 1.2), (0.35, 0.8)),
        (ECLIPSING, (0.2, 1.0), (0.3, 6.0)),
        (AGN, (0.15, 0.5), (50.0, 400.0)),
        (FLARE, (0.5, 4.0), (0.02, 0.25)),
        (DIPOLE, (4.0, 12.0), (1.0, 1.0)),
    ):
        rows = np.flatnonzero(kind == code)
        amplitude[rows] = generator.uniform(*amplitudes, len(rows))
        period[rows] = periods[0] * (periods[1] / periods[0]) ** generator.uniform(size=len(rows))
    host = flux_of(magnitude)
    supernovae = np.flatnonzero(kind <= SN_IBC)
    galaxies = generator.uniform(19.0, 23.5, len(supernovae))[:, None] - shallower + 0.6 * colour
    host[supernovae] = flux_of(galaxies)
    return Catalogue(
        kind=kind,
        ra=ra,
        dec=dec,
        redshift=redshift,
        peak_time=peak_time,
        magnitude=magnitude,
        amplitude=amplitude,
        period=period,
        rise=rise,
        fall=fall,
        host=host,
        walk=amplitude * generator.normal(0.0, 1.0, count) / np.sqrt(2.0),
        walk_time=np.full(count, origin),
        object_id=np.zeros(count, dtype=np.int64),
    )


def difference_flux(
    catalogue: Catalogue,
    rows: NDArray[np.int64],
    band: NDArray[np.int64],
    mjd: NDArray[np.float64],
    sigma: NDArray[np.float64],
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """True flux minus template flux of objects at times, nJy; the random walks are advanced.

    Parameters
    ----------
    catalogue : Catalogue
        The objects.
    rows : (n,) int64 array
        Objects, without duplicates: a random walk only advances.
    band : (n,) int64 array
        Index of the band.
    mjd : (n,) float64 array
        MJD TAI.
    sigma : (n,) float64 array
        Sky noise, nJy; scales the residuals of dipoles.
    generator : numpy.random.Generator
        Random number generator; the number of draws does not depend on the objects.
    """
    kind = catalogue.kind[rows]
    normal = generator.normal(size=len(rows))
    uniform = generator.uniform(size=len(rows))
    flux = np.zeros(len(rows))
    mean = flux_of(catalogue.magnitude[rows, band])

    chosen = np.flatnonzero(kind <= SN_IBC)
    which = rows[chosen]
    days = mjd[chosen] - catalogue.peak_time[which]
    flux[chosen] = mean[chosen] * burst(days, catalogue.rise[which], catalogue.fall[which, band[chosen]])

    def against_mean(chosen: NDArray[np.int64], change: NDArray[np.float64]) -> None:
        flux[chosen] = mean[chosen] * (10.0 ** (-0.4 * change) - 1.0)

    chosen = np.flatnonzero(kind == RR_LYRAE)
    which = rows[chosen]
    phase = 2.0 * np.pi * (mjd[chosen] - catalogue.peak_time[which]) / catalogue.period[which]
    saw = sum(np.sin(order * phase + 0.4 * order) / order for order in (1, 2, 3))
    strength = _PULSATION[np.minimum(band[chosen], len(_PULSATION) - 1)]
    against_mean(chosen, 0.5 * strength * catalogue.amplitude[which] * saw)

    chosen = np.flatnonzero(kind == ECLIPSING)
    which = rows[chosen]
    phase = np.mod((mjd[chosen] - catalogue.peak_time[which]) / catalogue.period[which], 1.0)
    primary = np.exp(-0.5 * (np.minimum(phase, 1.0 - phase) / 0.04) ** 2)
    secondary = 0.5 * np.exp(-0.5 * ((phase - 0.5) / 0.04) ** 2)
    against_mean(chosen, catalogue.amplitude[which] * (primary + secondary))

    chosen = np.flatnonzero(kind == AGN)
    which = rows[chosen]
    # Exact step of the Ornstein-Uhlenbeck process (Kelly et al. 2009, ApJ 698, 895).
    kept = np.exp(-np.maximum(mjd[chosen] - catalogue.walk_time[which], 0.0) / catalogue.period[which])
    spread = catalogue.amplitude[which] / np.sqrt(2.0)
    walk = catalogue.walk[which] * kept + spread * np.sqrt(1.0 - kept**2) * normal[chosen]
    catalogue.walk[which], catalogue.walk_time[which] = walk, mjd[chosen]
    against_mean(chosen, walk)

    chosen = np.flatnonzero(kind == FLARE)
    which = rows[chosen]
    flaring = uniform[chosen] < catalogue.period[which]
    blue = np.array([1.0, 0.6, 0.35, 0.2, 0.15, 0.1])[np.minimum(band[chosen], 5)]
    against_mean(chosen, -np.where(flaring, catalogue.amplitude[which] * blue * np.abs(normal[chosen]), 0.0))

    chosen = np.flatnonzero(kind == DIPOLE)
    flux[chosen] = catalogue.amplitude[rows[chosen]] * sigma[chosen] * normal[chosen]
    return flux
