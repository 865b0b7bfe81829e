"""One-byte compression of counters: s sign, k exponent and m mantissa bits.

A stored byte represents the interval of integers that compress to it; it decompresses to the middle of that interval,
with the variance of a uniform distribution over it (contract, chapter 2.1). There are only 256 bytes, so a scheme is
a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = 2**64 - 1


class CompressionError(ValueError):
    """A scheme or a byte cannot be decompressed; the message says which."""


@dataclass(frozen=True)
class SchemeTable:
    """What each of the 256 bytes represents."""

    scheme: tuple[int, int, int]
    values: NDArray[Any]
    """(256,) uint64, or int64 where the scheme has a sign."""
    variances: NDArray[np.float64]
    """(256,) variance of the value."""
    representable: NDArray[np.bool_]
    """(256,) False where the value would not fit 64 bits."""

    @property
    def complete(self) -> bool:
        """Whether every byte has a value."""
        return bool(self.representable.all())


def decompress_one(byte: int, s: int, k: int, m: int) -> tuple[int, float]:
    """Value and variance of one stored byte, in exact integers.

    Parameters
    ----------
    byte : int
        0 to 255.
    s, k, m : int
        Bits of sign, exponent and mantissa.

    Returns
    -------
    value : int
        Middle of the interval.
    variance : float

    Raises
    ------
    CompressionError
        If the byte or the scheme is not valid.

    Examples
    --------
    >>> decompress_one(92, 0, 5, 3)
    (12799, 87381.5)
    >>> decompress_one(255, 1, 3, 4)[0]
    -2015
    """
    check_scheme(s, k, m)
    if not 0 <= byte <= 255:
        raise CompressionError(f"compressed value {byte} is not a byte")
    magnitude = byte & 127 if s else byte
    if magnitude < 2 << m:
        value, variance = magnitude, 0.0
    else:
        exponent = (magnitude >> m) - 1
        mantissa = (1 << m) + (magnitude & ((1 << m) - 1))
        value = (mantissa << exponent) + (1 << (exponent - 1)) - 1
        variance = ((1 << exponent) ** 2 + 2) / 12
    return (-value if s and byte >= 128 else value), variance


def check_scheme(s: int, k: int, m: int) -> None:
    """Refuse a scheme that has more than 8 bits or reaches beyond 64-bit integers.

    Raises
    ------
    CompressionError
        Naming the scheme.

    Examples
    --------
    >>> check_scheme(0, 7, 1)
    Traceback (most recent call last):
    ...
    broker_assets.telemetry.decoding.compression.CompressionError: scheme (0, 7, 1) reaches beyond 64 bits
    """
    if s not in (0, 1) or k < 0 or m < 0 or s + k + m > 8:
        raise CompressionError(f"scheme ({s}, {k}, {m}) does not fit a byte")
    # 2^(2^k - 2) * 2^(m + 1) - 1, the largest value the scheme can hold.
    if 2**k - 2 + m + 1 > 64:
        raise CompressionError(f"scheme ({s}, {k}, {m}) reaches beyond 64 bits")


@lru_cache(maxsize=256)
def scheme_table(s: int, k: int, m: int) -> SchemeTable:
    """All 256 values of a scheme.

    Raises
    ------
    CompressionError
        If the scheme is not valid.

    Examples
    --------
    >>> scheme_table(0, 5, 3).values[[7, 92]].tolist()
    [7, 12799]
    """
    check_scheme(s, k, m)
    low, high = (-(2**63), 2**63 - 1) if s else (0, LARGEST)
    pairs = [decompress_one(byte, s, k, m) for byte in range(256)]
    fits = np.array([low <= value <= high for value, _ in pairs])
    values = np.array([value if low <= value <= high else 0 for value, _ in pairs], dtype=np.int64 if s else np.uint64)
    variances = np.array([variance for _, variance in pairs])
    for array in (fits, values, variances):
        array.flags.writeable = False
    return SchemeTable((s, k, m), values, variances, fits)


def decompress(
    stored: NDArray[np.uint8], s: int, k: int, m: int
) -> tuple[NDArray[np.uint64] | NDArray[np.int64], NDArray[np.float64]]:
    """Decompress an array of bytes with one scheme.

    Parameters
    ----------
    stored : (…) uint8 array
        Compressed values.
    s, k, m : int
        The scheme.

    Returns
    -------
    values : (…) uint64 array, int64 where the scheme has a sign
    variances : (…) float64 array

    Raises
    ------
    CompressionError
        If the scheme is not valid or a byte represents more than 64 bits.

    Examples
    --------
    >>> decompress(np.array([0, 7, 92], dtype=np.uint8), 0, 5, 3)[0].tolist()
    [0, 7, 12799]
    """
    table = scheme_table(s, k, m)
    if not table.representable[stored].all():
        raise CompressionError(f"a byte of scheme {table.scheme} represents more than 64 bits")
    return table.values[stored], table.variances[stored]
