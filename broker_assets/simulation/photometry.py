"""Running statistics of the objects, as published by the survey in `diaObject`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class ObjectStatistics:
    """Sums of detections and forced photometry per object and band, updated with each detection.

    Parameters
    ----------
    objects : int
        Number of objects.
    bands : tuple of str
        Names of the bands.
    """

    def __init__(self, objects: int, bands: tuple[str, ...]) -> None:
        shape = (objects, len(bands))
        self.bands = bands
        self._count = np.zeros(shape, dtype=np.int64)
        self._mean = np.zeros(shape)
        self._squares = np.zeros(shape)
        self._error_sum = np.zeros(shape)
        self._low = np.full(shape, np.inf)
        self._high = np.full(shape, -np.inf)
        self._slope = np.full(shape, np.nan)
        self._last_time = np.full(shape, np.nan)
        self._last_flux = np.full(shape, np.nan)
        self._weights = {name: np.zeros(shape) for name in ("psf", "science", "fp")}
        self._weighted = {name: np.zeros(shape) for name in ("psf", "science", "fp")}
        self.first = np.full(objects, np.nan)
        self.last = np.full(objects, np.nan)
        self.total = np.zeros(objects, dtype=np.int64)

    def _weigh(
        self,
        name: str,
        at: tuple[NDArray[np.int64], NDArray[np.int64]],
        flux: NDArray[np.float64],
        error: NDArray[np.float64],
    ) -> None:
        self._weights[name][at] += error**-2.0
        self._weighted[name][at] += flux * error**-2.0

    def detect(
        self,
        rows: NDArray[np.int64],
        band: NDArray[np.int64],
        mjd: NDArray[np.float64],
        flux: NDArray[np.float64],
        error: NDArray[np.float64],
        science: NDArray[np.float64],
        science_error: NDArray[np.float64],
    ) -> None:
        """Add one detection of each of these objects (without duplicates), later than earlier ones.

        Parameters
        ----------
        rows : (n,) int64 array
            Objects, without duplicates.
        band : (n,) int64 array
            Place of the band in `bands`.
        mjd : (n,) float64 array
            MJD TAI.
        flux, error, science, science_error : (n,) float64 array
            Fluxes on the difference and on the science image with their errors, nJy.
        """
        at = (rows, band)
        self._count[at] += 1
        change = flux - self._mean[at]
        self._mean[at] += change / self._count[at]
        # Welford 1962, Technometrics 4, 419: sums of squares of large fluxes would lose significant digits.
        self._squares[at] += change * (flux - self._mean[at])
        self._error_sum[at] += error
        self._low[at] = np.minimum(self._low[at], flux)
        self._high[at] = np.maximum(self._high[at], flux)
        with np.errstate(invalid="ignore", divide="ignore"):
            slope = (flux - self._last_flux[at]) / (mjd - self._last_time[at])
        self._slope[at] = np.fmax(self._slope[at], slope)
        self._last_time[at], self._last_flux[at] = mjd, flux
        self._weigh("psf", at, flux, error)
        self._weigh("science", at, science, science_error)
        self.first[rows] = np.fmin(self.first[rows], mjd)
        self.last[rows] = mjd
        self.total[rows] += 1

    def force(
        self, rows: NDArray[np.int64], band: NDArray[np.int64], flux: NDArray[np.float64], error: NDArray[np.float64]
    ) -> None:
        """Add one forced measurement of each of these objects.

        Parameters
        ----------
        rows : (n,) int64 array
            Objects, without duplicates.
        band : (n,) int64 array
            Place of the band in `bands`.
        flux, error : (n,) float64 array
            nJy.
        """
        self._weigh("fp", (rows, band), flux, error)

    def columns(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
        """The current published columns of these objects; NaN where there is no value."""
        published: dict[str, NDArray[np.float64] | NDArray[np.int64]] = {
            "firstDiaSourceMjdTai": self.first[rows],
            "lastDiaSourceMjdTai": self.last[rows],
            "nDiaSources": self.total[rows],
        }
        with np.errstate(invalid="ignore", divide="ignore"):
            for index, band in enumerate(self.bands):
                at = (rows, index)
                count = self._count[at]
                known = count > 0
                published[f"{band}_psfFluxNdata"] = count
                published[f"{band}_psfFluxSigma"] = np.where(
                    count > 1, np.sqrt(self._squares[at] / np.maximum(count - 1, 1)), np.nan
                )
                published[f"{band}_psfFluxMin"] = np.where(known, self._low[at], np.nan)
                published[f"{band}_psfFluxMax"] = np.where(known, self._high[at], np.nan)
                published[f"{band}_psfFluxMaxSlope"] = self._slope[at]
                published[f"{band}_psfFluxErrMean"] = np.where(
                    known, self._error_sum[at] / np.maximum(count, 1), np.nan
                )
                for name in ("psf", "science", "fp"):
                    weights = self._weights[name][at]
                    published[f"{band}_{name}FluxMean"] = np.where(
                        weights > 0, self._weighted[name][at] / weights, np.nan
                    )
                    published[f"{band}_{name}FluxMeanErr"] = np.where(weights > 0, weights**-0.5, np.nan)
        return published
