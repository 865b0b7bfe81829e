"""Trigger counters that the on-board software divided instead of compressing.

Scheme (0, 0, 7) marks them: stored = floor(triggers / (factor · integrations · groups)). The result is the middle of
the interval, with half its width as standard deviation (contract, chapter 2.3).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.decoding.masks import DETECTORS, bits

SCALED: Final = (0, 0, 7)
"""The scheme that means: divided, not compressed."""
DEFAULT_FACTOR: Final = 30
GROUP_DETECTORS: Final = (
    (1, 6, 5, 12, 14, 10, 8, 3, 31, 26, 22, 20, 18, 17, 24, 29),
    (2, 7, 11, 13, 15, 16, 9, 4, 32, 27, 28, 21, 19, 23, 25, 30),
)
"""The two detectors (numbered from 1) of each of the 16 trigger groups."""


def active_groups(detector_mask: NDArray[Any]) -> NDArray[np.uint8]:
    """Which trigger groups have at least one active detector.

    Parameters
    ----------
    detector_mask : (…) integer array
        32 bits, bit i for detector i + 1.

    Returns
    -------
    (…, 16) uint8 array of 0 and 1

    Examples
    --------
    >>> active_groups(np.array([1 << 9])).nonzero()[1].tolist(), int(active_groups(np.array([2**32 - 1])).sum())
    ([5], 16)
    """
    detectors = bits(detector_mask, DETECTORS)
    first, second = (np.array(row) - 1 for row in GROUP_DETECTORS)
    return detectors[..., first] | detectors[..., second]


def unscale(
    stored: NDArray[Any], integrations: NDArray[Any] | float, groups: NDArray[Any] | int, factor: int = DEFAULT_FACTOR
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Triggers that stored numbers represent.

    Parameters
    ----------
    stored : (…) integer array
        As in the packet.
    integrations : array or float
        Bin duration in units of 0.1 s.
    groups : array or int
        Number of active trigger groups summed in a value; 0 gives 0.
    factor : int
        From the request, or `DEFAULT_FACTOR`.

    Returns
    -------
    triggers : (…) float64 array
    variance : (…) float64 array

    Examples
    --------
    >>> [part.tolist() for part in unscale(np.array([0, 3]), 40, 16, 30)]
    [[9600.0, 67200.0], [92160000.0, 92160000.0]]
    """
    step = np.asarray(groups, dtype=np.float64) * integrations * factor
    half = 0.5 * step
    triggers = stored * step + half
    return triggers, np.broadcast_to(half**2, triggers.shape).copy()
