"""Time windows of cones: only cones of moving lists have them, so they are kept apart from the cones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class TimeWindows:
    """The rows of an index that are valid only for some time; all others always are."""

    row: NDArray[np.int64]
    """(w,) rows, ascending."""
    since: NDArray[np.float64]
    """(w,) beginning, MJD TAI; it is part of the window."""
    until: NDArray[np.float64]
    """(w,) end, MJD TAI; it is part of the window."""

    def __len__(self) -> int:
        return len(self.row)

    @classmethod
    def of(cls, since: ArrayLike, until: ArrayLike) -> Self:
        """The windows of rows in their order.

        Parameters
        ----------
        since, until : (n,) float array
            MJD TAI; NaN where there is no bound. A row without both has no window.

        Raises
        ------
        ValueError
            If a window ends before it begins; the message names the first such row.

        Examples
        --------
        >>> TimeWindows.of([np.nan, 61000.0], [np.nan, 61014.0]).row
        array([1])
        """
        begin, end = np.asarray(since, np.float64), np.asarray(until, np.float64)
        bad = np.flatnonzero(end < begin)
        if len(bad):
            first = bad[0]
            raise ValueError(f"the window of row {first} ends at {end[first]} and begins at {begin[first]}")
        row = np.flatnonzero(~np.isnan(begin) | ~np.isnan(end)).astype(np.int64)
        begin, end = begin[row], end[row]
        return cls(row, np.where(np.isnan(begin), -np.inf, begin), np.where(np.isnan(end), np.inf, end))

    def hold(self, row: NDArray[np.int64], mjd: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether rows are valid at given times.

        Parameters
        ----------
        row : (m,) int64 array
            Rows of the index, in any order.
        mjd : (m,) float64 array
            Time for each, MJD TAI; a row with a window is not valid at an unknown time (NaN).

        Returns
        -------
        (m,) bool array
        """
        if len(self) == 0:
            return np.ones(len(row), bool)
        place = np.minimum(np.searchsorted(self.row, row), len(self) - 1)
        within = (mjd >= self.since[place]) & (mjd <= self.until[place])
        held: NDArray[np.bool_] = within | (self.row[place] != row)
        return held

    def replaced(self, keep: NDArray[np.bool_], added: TimeWindows) -> TimeWindows:
        """The windows after rows that are not kept were removed and others were appended.

        Parameters
        ----------
        keep : (n,) bool array
            Rows that stay; they are numbered again from 0.
        added : TimeWindows
            Windows of the appended rows, which are numbered from 0.
        """
        if len(self) == 0 and len(added) == 0:
            return self
        stay = keep[self.row]
        renumbered = np.cumsum(keep) - 1
        return TimeWindows(
            np.concatenate([renumbered[self.row[stay]], added.row + int(keep.sum())]).astype(np.int64),
            np.concatenate([self.since[stay], added.since]),
            np.concatenate([self.until[stay], added.until]),
        )


NO_WINDOWS = TimeWindows(np.empty(0, np.int64), np.empty(0), np.empty(0))
"""All rows are always valid."""
