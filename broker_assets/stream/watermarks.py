"""Watermarks as they will be once the batches ahead are committed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Times = NDArray[np.float64]


@dataclass(frozen=True)
class NewestTimes:
    """Latest source and latest forced point of some objects, MJD TAI; −inf if there is none."""

    objects: Ids
    """Ascending, without repetition."""
    source: Times
    forced: Times

    @classmethod
    def of(cls, source_objects: Ids, source_times: Times, forced_objects: Ids, forced_times: Times) -> NewestTimes:
        """From the rows of a batch, in any order.

        Examples
        --------
        >>> newest = NewestTimes.of(np.array([7, 7, 3]), np.array([1.0, 2.0, 5.0]), np.array([3]), np.array([4.0]))
        >>> newest.objects, newest.source, newest.forced
        (array([3, 7]), array([5., 2.]), array([  4., -inf]))
        """
        known = source_objects != 0  # 0 means no object
        source_objects, source_times = source_objects[known], source_times[known]
        objects = np.unique(np.concatenate([source_objects, forced_objects]))
        source = np.full(objects.size, -np.inf)
        forced = np.full(objects.size, -np.inf)
        # fmax: a time that is not a number never becomes a watermark.
        np.fmax.at(source, np.searchsorted(objects, source_objects), source_times)
        np.fmax.at(forced, np.searchsorted(objects, forced_objects), forced_times)
        return cls(objects, source, forced)


class Overlay:
    """The latest times of the last few batches, overlaid on the watermarks read from the database.

    A batch is decoded while those ahead of it are still being written. Reading the database and then raising each
    watermark according to the batches ahead gives the same thresholds as waiting for their commit; a batch that is
    already committed does no harm, since the larger time is used. The last `depth` batches are kept.
    """

    def __init__(self, depth: int) -> None:
        self._batches: deque[NewestTimes] = deque(maxlen=depth)

    def add(self, newest: NewestTimes) -> None:
        """Store the watermarks of a batch."""
        self._batches.append(newest)

    def raise_watermarks(self, objects: Ids, source: Times, forced: Times) -> tuple[Times, Times]:
        """Watermarks of `objects`, raised where a stored batch is newer.

        Examples
        --------
        >>> overlay = Overlay(2)
        >>> overlay.add(NewestTimes(np.array([3, 7]), np.array([5.0, 2.0]), np.array([4.0, -np.inf])))
        >>> overlay.raise_watermarks(np.array([7, 8]), np.array([1.0, np.nan]), np.array([3.0, np.nan]))
        (array([ 2., nan]), array([ 3., nan]))
        """
        source, forced = source.copy(), forced.copy()
        for batch in self._batches:
            if batch.objects.size == 0:
                continue
            at = np.minimum(np.searchsorted(batch.objects, objects), batch.objects.size - 1)
            hit = batch.objects[at] == objects
            source[hit] = np.fmax(source[hit], batch.source[at[hit]])
            forced[hit] = np.fmax(forced[hit], batch.forced[at[hit]])
        return source, forced
