"""Finds the packets that make a whole pass fail, without affecting their neighbours."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from broker_assets.packets.failures import PacketFailure
from broker_assets.packets.limits import BatchTooLarge

T = TypeVar("T")


def isolated(
    rows: NDArray[np.int64],
    work: Callable[[NDArray[np.int64]], T],
    failures: list[PacketFailure],
    *,
    packets: NDArray[np.int32] | None = None,
) -> list[T]:
    """Results of `work` on all rows; if it raises, on halves, until only the rows that make it raise are left out."""
    if len(rows) == 0:
        return []
    already = len(failures)
    try:
        return [work(rows)]
    except BatchTooLarge:
        raise
    except Exception as error:  # noqa: BLE001 (isolation boundary: a packet may break an adapter in any way)
        del failures[already:]
        if len(rows) == 1:
            packet = int(rows[0] if packets is None else packets[rows[0]])
            reason = f"{type(error).__name__}: {error}"
            failures.append(PacketFailure(packet, reason, traceback.format_exc()))
            return []
    middle = len(rows) // 2
    return [
        *isolated(rows[:middle], work, failures, packets=packets),
        *isolated(rows[middle:], work, failures, packets=packets),
    ]
