"""Identities of the points of light curves, as 64-bit hashes: points with equal identities are the same point.

A source or a forced point is identified within its object by its number, a limit by its exposure and band. The time is
a value and not part of the identity: surveys send the same point again with a time that differs in the last digit. The
hashes of a month of points can be summed, and equal sums prove equal sets of points, up to a probability of 2⁻⁶⁴.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

WITHDRAWN: Final = "timewithdrawnmjdtai"
"""Column that marks points which the survey withdrew."""

MJD_MINIMUM: Final = 40_000.0
MJD_MAXIMUM: Final = 100_000.0
"""Times outside these limits (1968 to 2132) are considered damaged: no point with such a time is stored."""

MARGIN: Final = 1.0 / 1440
"""Days by which times of the same point may differ without one of them being wrong: packets differ in the last digit.
"""

TENTHS_OF_A_SECOND: Final = 864_000
"""Number per day. An exposure without a number is identified by its time: no survey takes two of a field within a tenth
of a second."""


class PointKind(IntEnum):
    """Kinds of points, each with a table and an identity of its own."""

    SOURCE = 0
    FORCED = 1
    LIMIT = 2


IDENTIFYING: Final[Mapping[PointKind, tuple[str, ...]]] = {
    PointKind.SOURCE: ("diasourceid",),
    PointKind.FORCED: ("diaforcedsourceid",),
    PointKind.LIMIT: ("exposure", "band"),
}
"""Columns that identify a point within its object."""


def sane_time(mjd: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether times (MJD, days) are within `MJD_MINIMUM` and `MJD_MAXIMUM`; NaN is not.

    Examples
    --------
    >>> sane_time(np.array([61000.5, 2461001.0, float("nan")]))
    array([ True, False, False])
    """
    return (mjd >= MJD_MINIMUM) & (mjd <= MJD_MAXIMUM)


def mix(values: NDArray[np.int64]) -> Hashes:
    """Scatter integers over 64 bits, one to one: the finaliser of SplitMix64 (Steele, Lea and Flood 2014, OOPSLA).

    Examples
    --------
    >>> mix(np.array([0, 1])).tolist()
    [16294208416658607535, 10451216379200822465]
    """
    x = values.astype(np.int64).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def unmix(values: Hashes) -> NDArray[np.int64]:
    """The integers that `mix` scattered.

    Examples
    --------
    >>> unmix(mix(np.array([0, 1, -7]))).tolist()
    [0, 1, -7]
    """
    # Multiply by the inverses of the two factors modulo 2⁶⁴; a shift is undone by repeating it while bits are left.
    x = values ^ (values >> np.uint64(31)) ^ (values >> np.uint64(62))
    x = x * np.uint64(pow(0x94D049BB133111EB, -1, 2**64))
    x = x ^ (x >> np.uint64(27)) ^ (x >> np.uint64(54))
    x = x * np.uint64(pow(0xBF58476D1CE4E5B9, -1, 2**64))
    x = x ^ (x >> np.uint64(30)) ^ (x >> np.uint64(60))
    found: NDArray[np.int64] = (x - np.uint64(0x9E3779B97F4A7C15)).view(np.int64)
    return found


def keys(diaobjectid: NDArray[np.int64], identity: Hashes) -> Hashes:
    """A hash of each object and identity; two different points have the same with a probability of 2⁻⁶⁴.

    Parameters
    ----------
    diaobjectid : (n,) int64 array
        Objects.
    identity : (n,) uint64 array
        Identities of points within them.

    Returns
    -------
    (n,) uint64 array
    """
    # Mixed twice: an object often has the number of its first source, whose identity is mixed once.
    return identity ^ mix(mix(diaobjectid).view(np.int64))


def identities(kind: PointKind, columns: Mapping[str, Any] | pa.Table) -> Hashes:
    """Hash the identities of points.

    Parameters
    ----------
    kind : PointKind
        Kind of all the points.
    columns : mapping of str to array, or Table
        The columns `IDENTIFYING` of the kind, (n,) each.

    Returns
    -------
    (n,) uint64 array
    """
    number = _integers(columns[IDENTIFYING[kind][0]])
    if kind is not PointKind.LIMIT:
        return mix(number)
    return mix((mix(number) ^ mix(_texts_as_numbers(columns["band"]))).view(np.int64))


def exposures(columns: Mapping[str, Any] | pa.Table, *, numbered: bool) -> NDArray[np.int64]:
    """Number of the exposure of each limit.

    Parameters
    ----------
    columns : mapping of str to array, or Table
        `midpointmjdtai` (MJD TAI, days), and `ccdvisitid`, `visit`, `detector` where the survey has them.
    numbered : bool
        Whether the survey numbers its exposures.

    Returns
    -------
    (n,) int64 array
        `ccdvisitid`, else visit and detector; where the survey gives neither, minus the time in tenths of a second.
    """
    names = columns.column_names if isinstance(columns, pa.Table) else columns
    times = np.asarray(columns["midpointmjdtai"], dtype=np.float64)
    # Such a time is not valid, and a point with it is not stored.
    found = -np.round(np.where(np.abs(times) < 1e9, times, 0.0) * TENTHS_OF_A_SECOND).astype(np.int64)
    if not numbered:
        return found
    if "visit" in names:
        visit = _integers(columns["visit"])
        detector = _integers(columns["detector"]) if "detector" in names else np.zeros(visit.size, np.int64)
        found = np.where(visit > 0, visit * 1000 + detector, found)
    if "ccdvisitid" in names:
        both = _integers(columns["ccdvisitid"])
        found = np.where(both > 0, both, found)
    return np.asarray(found, np.int64)


def _integers(column: Any) -> NDArray[np.int64]:
    if isinstance(column, np.ndarray):
        return column.astype(np.int64)
    return np.asarray(pc.fill_null(pc.cast(column, pa.int64()), 0).to_numpy(), dtype=np.int64)


def _texts_as_numbers(column: Any) -> NDArray[np.int64]:
    """Short texts as numbers, equal if and only if their first eight bytes are; null as zero."""
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    codes = pc.dictionary_encode(values)
    words = [0, *(int.from_bytes(str(text).encode()[:8], "little", signed=True) for text in codes.dictionary)]
    found: NDArray[np.int64] = np.array(words, np.int64)[np.asarray(pc.fill_null(codes.indices, -1)) + 1]
    return found
