"""Bit masks and time stamps inside packets, as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

DETECTORS = 32
PIXELS = 12
SUB_SPECTRA = 8
ENERGY_EDGES = 33


def bits(words: NDArray[Any], count: int) -> NDArray[np.uint8]:
    """Expand words to bits, least significant first.

    Parameters
    ----------
    words : (…) integer array
        Detector mask NIX00407 (32 bits), pixel mask NIXD0407 (12) or sub-spectrum mask NIX00160 (8).
    count : int
        Bits of a word.

    Returns
    -------
    (…, count) uint8 array
        Element i is bit i.

    Examples
    --------
    >>> bits(np.array([0b101]), 4).tolist()
    [[1, 0, 1, 0]]
    """
    shifted = words.astype(np.uint64)[..., np.newaxis] >> np.arange(count, dtype=np.uint64)
    return (shifted & np.uint64(1)).astype(np.uint8)


def energy_edges(low: NDArray[Any], upper: NDArray[Any]) -> NDArray[np.uint8]:
    """The mask of energy edges.

    Parameters
    ----------
    low : (…) integer array
        NIX00266, edges 0 to 31.
    upper : (…) integer array
        Edge 32: NIXD0107 (light curves) or NIXD0111 (background).

    Returns
    -------
    (…, 33) uint8 array

    Examples
    --------
    >>> energy_edges(np.array([2]), np.array([1]))[0, [0, 1, 32]].tolist()
    [0, 1, 1]
    """
    return np.concatenate([bits(low, 32), upper.astype(np.uint8)[..., np.newaxis]], axis=-1)


def measurement_time(stamp: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """On-board time of a science request from the 48-bit stamp NIX00402.

    Parameters
    ----------
    stamp : (n,) integer array
        Stamps of one product: if any value has more than 32 bits, all are seconds and 1/65536 seconds; otherwise all
        are seconds.

    Returns
    -------
    coarse, fine : (n,) int64 arrays

    Examples
    --------
    >>> [part.tolist() for part in measurement_time(np.array([42152675573760]))]
    [[643198785], [0]]
    """
    stamp = stamp.astype(np.int64)
    if (stamp > 2**32 - 1).any():
        return stamp >> 16, stamp & 0xFFFF
    return stamp, np.zeros_like(stamp)
