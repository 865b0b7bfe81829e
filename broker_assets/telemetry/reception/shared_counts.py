"""Sequence counts that several kinds of packets and several requests share, and which of them stored packets have.

A count that another packet has is not a loss for a request; a packet that arrives later may fill an apparent gap.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from broker_assets.telemetry.idb.instrument_rules import StructureKey
from broker_assets.telemetry.reception.packet_store import NO_SSID, CountPlace, PacketStore, of_kind

COUNTS: Final = 1 << 14
"""Number at which sequence counts roll over."""
COUNT_TICKS: Final = 86400 << 16
"""Packets closer in time than this, 1/65536 seconds (a day), belong to one turn of a sequence count: the downlink
carries fewer than 16384 packets of an application process a day."""


NEIGHBOUR_TICKS: Final = 60 << 16
"""Packets of another application process count within this time, 1/65536 seconds, around two fragments."""


def held_between(store: PacketStore, key: StructureKey, before: CountPlace, after: CountPlace) -> set[int]:
    """Sequence counts strictly between two of a kind that other stored packets have.

    Packets of the same application process share its count; those of others only where their time lies between the
    two or close to them, since each process may have a count of its own. Packets far in time belong to other turns of
    the count. Packets of the kind that cannot be decoded are ignored, since they may be the missing ones.
    """
    size = (after.sequence_count - before.sequence_count - 1) % COUNTS
    counts = json.dumps([(before.sequence_count + 1 + number) % COUNTS for number in range(size)])
    first, last = sorted((before.scet, after.scet))
    between = (first - NEIGHBOUR_TICKS, last + NEIGHBOUR_TICKS)
    undecoded, kind = of_kind(key, "failure IS NOT NULL")
    found: set[int] = set()
    for time in {first, last}:
        rows: list[tuple[Any, ...]] = store.index.rows(
            "SELECT DISTINCT sequence_count FROM packet WHERE sequence_count IN (SELECT value FROM json_each(?))"  # noqa: S608
            f" AND scet BETWEEN ? AND ? AND (apid = ? OR scet BETWEEN ? AND ?) AND NOT ({undecoded})",
            (counts, time - COUNT_TICKS, time + COUNT_TICKS, before.apid, *between, *kind),
        )
        found |= {count for (count,) in rows}
    return found


def counts_of_request(store: PacketStore, key: StructureKey, request: tuple[int, int]) -> list[CountPlace]:
    """Places of the packets of a request in the counts of their application processes."""
    where, values = of_kind(key, "sequence_control = ? AND request = ?", *request)
    rows: list[tuple[Any, ...]] = store.index.rows(
        f"SELECT apid, sequence_count, scet FROM packet WHERE {where}",  # noqa: S608
        values,
    )
    return [CountPlace(*row) for row in rows]


def requests_sharing(store: PacketStore, places: Sequence[CountPlace]) -> set[tuple[StructureKey, tuple[int, int]]]:
    """Requests between whose sequence counts packets may be (see `held_between`); a few others may be included."""
    counts, times, apids = (
        np.array([getattr(place, name) for place in places], dtype=np.int64)
        for name in ("sequence_count", "scet", "apid")
    )
    days = times // COUNT_TICKS
    found = set()
    for day in np.unique(days).tolist():
        rows: list[tuple[Any, ...]] = store.index.rows(
            "SELECT service, subservice, ssid, sequence_control, request, apid, min(scet), max(scet),"
            " min(sequence_count), max(sequence_count) FROM packet"
            " WHERE request IS NOT NULL AND scet BETWEEN ? AND ? GROUP BY 1, 2, 3, 4, 5, 6",
            ((day - 1) * COUNT_TICKS, (day + 2) * COUNT_TICKS),
        )
        for service, subservice, ssid, control, request, apid, begin, end, low, high in rows:
            close = (times >= begin - NEIGHBOUR_TICKS) & (times <= end + NEIGHBOUR_TICKS)
            near = (days == day) & ((apids == apid) | close)
            # Counts that span more than half a turn have rolled over.
            if high - low < COUNTS // 2:
                near &= (counts > low) & (counts < high)
            if near.any():
                found.add(((service, subservice, None if ssid == NO_SSID else ssid), (control, request)))
    return found
