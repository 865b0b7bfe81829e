"""The alert of a detection, reconstructed from the tables of the survey: which points its history has.

An alert has the earlier detections of its object within some days, and the forced points within the same days from 30
days before the first detection on, these only if the first detection is more than half a day old. Points of the same
night are included, since the simulation has them. Points at equal times are ordered by number.

Everything works on `LightCurves`: the points of some objects, each sorted by object, time and number, so that a history
is a range of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

DAYS: Final = 365.0
"""Days of history in an alert."""
LIMITED_DAYS: Final = 30.0
"""Days of history in an alert of the deep fields' limited stream."""
BEFORE_FIRST_DAYS: Final = 30.0
"""Forced photometry in an alert begins this many days before the first detection."""
FORCED_AFTER_DAYS: Final = 0.5
"""Age of the first detection, days, from which alerts have forced photometry."""


@dataclass(frozen=True)
class LightCurves:
    """Points of some objects."""

    objects: pa.Table
    """Columns of the table of objects, sorted by `diaobject_id`."""
    sources: pa.Table
    """Detections, sorted by `diaobject_id`, `midpointtai`, `diasource_id`."""
    forced: pa.Table
    """Forced photometry, sorted in the same way."""

    @classmethod
    def of(cls, objects: pa.Table, sources: pa.Table, forced: pa.Table) -> LightCurves:
        """Sort the tables."""
        return cls(
            objects.sort_by("diaobject_id"),
            sources.sort_by([(name, "ascending") for name in ("diaobject_id", "midpointtai", "diasource_id")]),
            forced.sort_by([(name, "ascending") for name in ("diaobject_id", "midpointtai", "diaforcedsource_id")]),
        )


class Histories(NamedTuple):
    """Rows that make up some alerts; each field is an (n,) int64 array."""

    source: NDArray[np.int64]
    """Row of the detection in `LightCurves.sources`."""
    object: NDArray[np.int64]
    """Row of its object in `LightCurves.objects`."""
    first_source: NDArray[np.int64]
    """First row of its earlier detections."""
    end_source: NDArray[np.int64]
    """Row after the last of them."""
    first_forced: NDArray[np.int64]
    """First row of its forced points."""
    end_forced: NDArray[np.int64]
    """Row after the last of them."""


def histories(
    curves: LightCurves, source_ids: NDArray[np.int64], *, days: float = DAYS, most_forced: int | None = None
) -> Histories:
    """Find the history of the alerts of some detections.

    Parameters
    ----------
    curves : LightCurves
        All detections of their objects up to the latest of these, and the forced points.
    source_ids : (n,) int64 array
        Detections, in any order.
    days : float
        Length of the history, days.
    most_forced : int, optional
        Most forced points; the latest are kept.

    Raises
    ------
    LookupError
        If there is no such detection, or its object is missing; the message names the first.
    """
    numbers = _column(curves.sources, "diasource_id", np.int64)
    order = np.argsort(numbers, kind="stable")
    wanted = np.asarray(source_ids, np.int64)
    row = _rows(numbers[order], wanted, "detection")
    row = order[row]
    object_of_source = _column(curves.sources, "diaobject_id", np.int64)
    objects = _column(curves.objects, "diaobject_id", np.int64)
    object_row = _rows(objects, object_of_source[row], "object")
    object_of_forced = _column(curves.forced, "diaobject_id", np.int64)
    ranges = np.zeros((4, len(wanted)), np.int64)
    _ranges(
        row,
        _column(curves.sources, "midpointtai", np.float64),
        np.searchsorted(object_of_source, objects[object_row], side="left"),
        _column(curves.forced, "midpointtai", np.float64),
        np.searchsorted(object_of_forced, objects[object_row], side="left"),
        np.searchsorted(object_of_forced, objects[object_row], side="right"),
        float(days),
        -1 if most_forced is None else int(most_forced),
        ranges,
    )
    return Histories(row, object_row, *ranges)


def _column(table: pa.Table, name: str, kind: type[np.generic]) -> NDArray[Any]:
    # Writable copies, so that the compiled function gets one kind of array, whatever Arrow returns.
    return np.require(pc.fill_null(table.column(name), 0).to_numpy(), dtype=kind, requirements=("C", "W"))


def _rows(known: NDArray[np.int64], wanted: NDArray[np.int64], what: str) -> NDArray[np.int64]:
    """Rows of wanted numbers in sorted ones."""
    found = np.searchsorted(known, wanted)
    inside = np.minimum(found, max(len(known) - 1, 0))
    missing = np.ones(len(wanted), np.bool_) if not len(known) else known[inside] != wanted
    if missing.any():
        raise LookupError(f"there is no {what} {wanted[missing][0]}")
    return inside


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _first_at_or_after(times: NDArray[np.float64], low: int, high: int, moment: float) -> int:
    while low < high:
        middle = (low + high) // 2
        if times[middle] < moment:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _ranges(
    row: NDArray[np.int64],
    source_time: NDArray[np.float64],
    source_start: NDArray[np.int64],
    forced_time: NDArray[np.float64],
    forced_start: NDArray[np.int64],
    forced_end: NDArray[np.int64],
    days: float,
    most_forced: int,
    ranges: NDArray[np.int64],
) -> None:
    for alert in range(row.size):
        now = source_time[row[alert]]
        start = source_start[alert]
        # Detections at the same time are not earlier ones.
        end = _first_at_or_after(source_time, start, row[alert], now)
        ranges[0, alert] = _first_at_or_after(source_time, start, end, now - days)
        ranges[1, alert] = end
        first = source_time[start]
        if now - first > FORCED_AFTER_DAYS:
            begin = max(now - days, first - BEFORE_FIRST_DAYS)
            low = _first_at_or_after(forced_time, forced_start[alert], forced_end[alert], begin)
            high = _first_at_or_after(forced_time, low, forced_end[alert], now)
            if most_forced >= 0:
                low = max(low, high - most_forced)
            ranges[2, alert] = low
            ranges[3, alert] = high
        else:
            ranges[2, alert] = forced_start[alert]
            ranges[3, alert] = forced_start[alert]
