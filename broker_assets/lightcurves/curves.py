"""Light curves of many objects in flat arrays: the input of every feature.

The points of all objects lie one after the other; `offsets` says where those of each object begin. Within an object
they are ordered by time; points of one time keep their order.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Points:
    """Photometric points of n objects; m points in all."""

    offsets: NDArray[np.int64]
    """(n + 1,) where the points of each object begin."""
    mjd: NDArray[np.float64]
    """(m,) time, MJD TAI, ascending within an object."""
    flux: NDArray[np.float64]
    """(m,) point-source flux on the difference image, nJy; finite."""
    band: NDArray[np.int8]
    """(m,) place in `photometry.BANDS`, or `NO_BAND`."""
    reliability: NDArray[np.float64]
    """(m,) between 0 and 1; NaN where it is not given."""

    @classmethod
    def of(
        cls,
        objects: int,
        owner: ArrayLike,
        mjd: ArrayLike,
        flux: ArrayLike,
        band: ArrayLike,
        reliability: ArrayLike | None = None,
    ) -> Points:
        """Light curves from points in any order; points without a finite time and flux are left out.

        Parameters
        ----------
        objects : int
            Number of objects.
        owner : (m,) int array
            Object of each point, 0 to `objects` − 1.
        mjd, flux : (m,) float array
            See the attributes.
        band : (m,) int8 array
            See `photometry.band_codes`.
        reliability : (m,) float array, optional
            Unknown if not given.

        Raises
        ------
        ValueError
            If a point belongs to no object, or the arrays differ in length.

        Examples
        --------
        >>> points = Points.of(2, [1, 0, 1], [5.0, 3.0, 4.0], [7.0, 8.0, 9.0], [0, 1, 2])
        >>> points.offsets, points.mjd
        (array([0, 1, 3]), array([3., 4., 5.]))
        """
        owners = np.ascontiguousarray(owner, np.int64)
        times, fluxes = np.ascontiguousarray(mjd, np.float64), np.ascontiguousarray(flux, np.float64)
        bands = np.ascontiguousarray(band, np.int8)
        reliable = np.full(len(times), np.nan) if reliability is None else np.ascontiguousarray(reliability, np.float64)
        if not len(owners) == len(times) == len(fluxes) == len(bands) == len(reliable):
            raise ValueError("the columns of the points differ in length")
        if len(owners) and not 0 <= owners.min() <= owners.max() < objects:
            raise ValueError(f"a point belongs to no object: there are {objects}")
        offsets, order = ordered(objects, owners, times, fluxes)
        return cls(offsets, times[order], fluxes[order], bands[order], reliable[order])

    @classmethod
    def none(cls, objects: int) -> Points:
        """No points at all."""
        empty = np.empty(0)
        return cls(np.zeros(objects + 1, np.int64), empty, empty, np.empty(0, np.int8), empty)

    def __len__(self) -> int:
        return len(self.mjd)


@njit(cache=True, nogil=True)
def ordered(
    objects: int, owner: NDArray[np.int64], mjd: NDArray[np.float64], flux: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Offsets of the objects, and indices of the usable points by object and time, the order of most packets."""
    offsets = np.zeros(objects + 1, np.int64)
    for row in range(owner.size):
        if np.isfinite(mjd[row]) and np.isfinite(flux[row]):
            offsets[owner[row] + 1] += 1
    for number in range(objects):
        offsets[number + 1] += offsets[number]
    place = offsets[:-1].copy()
    order = np.empty(offsets[-1], np.int64)
    for row in range(owner.size):
        if np.isfinite(mjd[row]) and np.isfinite(flux[row]):
            order[place[owner[row]]] = row
            place[owner[row]] += 1
    for number in range(objects):
        begin, end = offsets[number], offsets[number + 1]
        disordered = 0
        for at in range(begin + 1, end):
            disordered += mjd[order[at]] < mjd[order[at - 1]]
        if disordered > 8:
            part = order[begin:end].copy()
            order[begin:end] = part[np.argsort(mjd[part], kind="mergesort")]
        elif disordered:  # a few runs: each point moves back past later ones only
            for at in range(begin + 1, end):
                moved = order[at]
                to = at
                while to > begin and mjd[order[to - 1]] > mjd[moved]:
                    order[to] = order[to - 1]
                    to -= 1
                order[to] = moved
    return offsets, order


def _unknown(objects: int) -> NDArray[np.float64]:
    return np.full(objects, np.nan)


@dataclass(frozen=True)
class LightCurves:
    """What features are computed from: arrays over n objects."""

    sources: Points
    """Detections on difference images: the source of the packet and those that it lists."""
    forced: Points
    """Forced photometry of the packet."""
    ra: NDArray[np.float64]
    """ICRS, degrees; NaN where unknown."""
    dec: NDArray[np.float64]
    """ICRS, degrees."""
    ebv: NDArray[np.float64]
    """E(B−V) on the SFD scale, mag; NaN where unknown: fluxes are then not corrected."""
    explosive: NDArray[np.bool_]
    """Whether the sky context allows an explosion: class SN, NT or ORPHAN."""
    distance: NDArray[np.float64]
    """Best distance of the host, Mpc; NaN where unknown."""
    redshift: NDArray[np.float64]
    """Spectroscopic redshift of the host; NaN where unknown."""
    photometric_redshift: NDArray[np.float64]
    """Photometric redshift of the host; NaN where unknown."""
    first_mjd: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    """The survey's own time of the first source, MJD TAI; NaN where it does not say."""

    @classmethod
    def of(cls, sources: Points, forced: Points | None = None, **known: Any) -> LightCurves:
        """Light curves of which only some of the attributes are known.

        Examples
        --------
        >>> LightCurves.of(Points.none(2), ebv=np.array([0.1, 0.2])).distance
        array([nan, nan])
        """
        count = len(sources.offsets) - 1
        unknown = {
            name: _unknown(count)
            for name in ("ra", "dec", "ebv", "distance", "redshift", "photometric_redshift", "first_mjd")
        }
        filled = {**unknown, "explosive": np.zeros(count, bool), **known}
        return cls(sources, Points.none(count) if forced is None else forced, **filled)

    def with_(self, **changed: Any) -> LightCurves:
        """The same light curves with other attributes."""
        return replace(self, **changed)

    def __len__(self) -> int:
        return len(self.ra)
