"""Detections, forced photometry and limits of many objects as one light curve each: the input of statistics.

A visit in which an object was detected has forced photometry of the same image, too: of the two, the detection counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from broker_assets.lightcurves.curves import ordered

SAME_EXPOSURE: Final = 1e-5
"""Days: points of an object in one band that are closer in time than this are from the same image (0.9 s; no survey has
such short exposures)."""


class Columns(NamedTuple):
    """Points in any order; (m,) arrays or sequences."""

    owner: Any
    """Object of each, int, from 0."""
    mjd: Any
    """Time, MJD TAI, float64."""
    flux: Any
    """Difference flux, nJy, for limits the limiting flux; points without a finite time and flux are left out."""
    error: Any
    """Uncertainty of the flux, nJy; NaN where it is unknown."""
    band: Any
    """Place in `photometry.BANDS`, int8, or `NO_BAND`."""

    @classmethod
    def none(cls) -> Columns:
        """No points."""
        empty = np.empty(0)
        return cls(np.empty(0, np.int64), empty, empty, empty, np.empty(0, np.int8))


@dataclass(frozen=True)
class JoinedCurves:
    """Light curves of n objects: m points, and l limits of images without a detection."""

    offsets: NDArray[np.int64]
    """(n + 1,) where the points of each object begin."""
    mjd: NDArray[np.float64]
    """(m,) time, MJD TAI, ascending within an object."""
    flux: NDArray[np.float64]
    """(m,) point-source flux on the difference image, nJy; finite."""
    error: NDArray[np.float64]
    """(m,) its uncertainty, nJy; NaN where unknown."""
    band: NDArray[np.int8]
    """(m,) place in `photometry.BANDS`, or `NO_BAND`."""
    detected: NDArray[np.bool_]
    """(m,) whether the point is a detection, not forced photometry."""
    limit_offsets: NDArray[np.int64]
    """(n + 1,) where the limits of each object begin."""
    limit_mjd: NDArray[np.float64]
    """(l,) time, MJD TAI, ascending within an object."""
    limit_flux: NDArray[np.float64]
    """(l,) five-sigma limiting flux, nJy."""
    limit_band: NDArray[np.int8]
    """(l,) place in `photometry.BANDS`, or `NO_BAND`."""

    @classmethod
    def of(
        cls, objects: int, detections: Columns, forced: Columns | None = None, limits: Columns | None = None
    ) -> JoinedCurves:
        """Join points, which may be in any order.

        Parameters
        ----------
        objects : int
            n.
        detections, forced, limits : Columns
            Points of each kind; forced points of an image with a detection in the same band are left out.

        Raises
        ------
        ValueError
            If a point belongs to no object.

        Examples
        --------
        >>> curves = JoinedCurves.of(
        ...     1, Columns([0], [5.0], [7.0], [1.0], [1]), Columns([0, 0], [5.0, 4.0], [6.0, 2.0], [1.0, 1.0], [1, 1])
        ... )
        >>> curves.mjd, curves.flux, curves.detected
        (array([4., 5.]), array([2., 7.]), array([False,  True]))
        """
        parts = [detections, Columns.none() if forced is None else forced]
        owner, band = _joined(parts, "owner", np.int64), _joined(parts, "band", np.int8)
        mjd, flux, error = (_joined(parts, name, np.float64) for name in ("mjd", "flux", "error"))
        detected = np.arange(len(owner)) < len(np.atleast_1d(np.asarray(detections.owner)))
        offsets, order = _in_order(objects, owner, mjd, flux)
        mjd, flux, error, band, detected = mjd[order], flux[order], error[order], band[order], detected[order]
        kept = _counted(offsets, mjd, band, detected)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept, dtype=np.int64)])[offsets]
        given = [Columns.none() if limits is None else limits]
        limit_mjd, limit_flux = _joined(given, "mjd", np.float64), _joined(given, "flux", np.float64)
        limit_offsets, order = _in_order(objects, _joined(given, "owner", np.int64), limit_mjd, limit_flux)
        return cls(
            offsets, mjd[kept], flux[kept], np.where(error > 0.0, error, np.nan)[kept], band[kept], detected[kept],
            limit_offsets, limit_mjd[order], limit_flux[order], _joined(given, "band", np.int8)[order],
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.offsets) - 1


def _joined(parts: list[Columns], name: str, kind: type) -> NDArray[Any]:
    return np.concatenate([np.atleast_1d(np.asarray(getattr(part, name), kind)) for part in parts])


def _in_order(
    objects: int, owner: NDArray[np.int64], mjd: NDArray[np.float64], flux: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if len(owner) and not 0 <= owner.min() <= owner.max() < objects:
        raise ValueError(f"a point belongs to no object: there are {objects}")
    found: tuple[NDArray[np.int64], NDArray[np.int64]] = ordered(objects, owner, mjd, flux)
    return found


@njit(cache=True, nogil=True)
def _counted(
    offsets: NDArray[np.int64], mjd: NDArray[np.float64], band: NDArray[np.int8], detected: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether each point is a detection, or forced photometry of an image without one."""
    counted = np.ones(mjd.size, np.bool_)
    for number in range(offsets.size - 1):
        begin, end = offsets[number], offsets[number + 1]
        for at in range(begin, end):
            if detected[at]:
                continue
            other = at - 1
            while other >= begin and mjd[at] - mjd[other] < SAME_EXPOSURE:
                if detected[other] and band[other] == band[at]:
                    counted[at] = False
                other -= 1
            other = at + 1
            while other < end and mjd[other] - mjd[at] < SAME_EXPOSURE:
                if detected[other] and band[other] == band[at]:
                    counted[at] = False
                other += 1
    return counted
