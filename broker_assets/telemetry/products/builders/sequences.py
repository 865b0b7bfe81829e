"""Answers to requests come in sequences of packets; only complete ones become products.

Packets of a sequence are ordered by their sequence count, which rolls over at 2¹⁴, not by time: the on-board clock may
be set between two of them, and several may have the same time. Times only separate deliveries of one request that are
further apart than the count takes to roll over (`COUNT_SECONDS`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.packets.headers import parse_primary
from broker_assets.telemetry.reception.packet_store import CountPlace, StoredPacket
from broker_assets.telemetry.reception.shared_counts import COUNT_TICKS, COUNTS

CONTINUED, FIRST, LAST, STANDALONE = 0, 1, 2, 3
"""Sequence flags."""

Held = Callable[[CountPlace, CountPlace], set[int]]
"""Counts strictly between two places that stored packets of their application process have."""


MOST_SHARED = 1024
"""Counts between two fragments that others may hold; a longer gap is a loss, whichever packets have counts in it."""


@dataclass(frozen=True)
class PacketSequence:
    """Packets that belong together, and what is missing; empty if nothing is."""

    packets: tuple[StoredPacket, ...]
    missing: str = ""


def nothing_held(_before: CountPlace, _after: CountPlace) -> set[int]:
    """No other packets are known."""
    return set()


def sequences(packets: Iterable[StoredPacket], held: Held = nothing_held) -> list[PacketSequence]:
    """Divide packets of a request into sequences by their counts and flags.

    A sequence is complete if it is one standalone packet, or begins with a first, ends with a last and no count between
    is lost. Several kinds of packets and several requests share the counts of an application process, so a count
    that another stored packet has is not a loss.

    Parameters
    ----------
    packets : iterable of StoredPacket
        Of one request and kind, in any order.
    held : callable
        See `Held`; by default no other packets are known, and each gap is a loss.

    Returns
    -------
    list of PacketSequence
        In the order of the time of their first packets.
    """
    groups: list[list[StoredPacket]] = []
    for delivery in _deliveries(packets):
        groups += _cut(delivery)
    groups = _joined(groups, held)
    groups.sort(key=lambda group: group[0].scet)
    return [PacketSequence(tuple(group), _missing(group, held)) for group in groups]


def count_order(counts: NDArray[Any]) -> NDArray[np.int64]:
    """Order of sequence counts that may have rolled over: it begins after the largest gap.

    Parameters
    ----------
    counts : (n,) integer array

    Returns
    -------
    (n,) int64 array
        Indices; equal counts keep their order.

    Examples
    --------
    >>> counts = np.array([16383, 1, 0, 16382])
    >>> counts[count_order(counts)].tolist()
    [16382, 16383, 0, 1]
    """
    order = np.argsort(counts, kind="stable")
    if len(order) < 2:
        return order
    ordered = counts[order].astype(np.int64)
    gaps = np.diff(ordered, prepend=ordered[-1] - COUNTS)
    return np.roll(order, -int(np.argmax(gaps)))


def _flag(packet: StoredPacket) -> int:
    return parse_primary(packet.raw.data).sequence_flag


def _deliveries(packets: Iterable[StoredPacket]) -> list[list[StoredPacket]]:
    """Packets of one turn of the count, each count once, ordered by count."""
    by_time = sorted(packets, key=lambda packet: (packet.scet, packet.sequence_count, packet.digest))
    near: list[list[StoredPacket]] = []
    for number, packet in enumerate(by_time):
        if number == 0 or packet.scet - by_time[number - 1].scet > COUNT_TICKS:
            near.append([])
        near[-1].append(packet)
    found = []
    for cluster in near:
        turns: dict[int, list[StoredPacket]] = defaultdict(list)
        seen: Counter[int] = Counter()
        for packet in cluster:
            turns[seen[packet.sequence_count]].append(packet)
            seen[packet.sequence_count] += 1
        for turn in turns.values():
            order = count_order(np.array([packet.sequence_count for packet in turn]))
            found.append([turn[index] for index in order.tolist()])
    return found


def _cut(packets: Sequence[StoredPacket]) -> list[list[StoredPacket]]:
    """Groups that begin with a first or standalone packet, or with one whose first packet is missing."""
    groups: list[list[StoredPacket]] = []
    still_open = False
    for packet in packets:
        flag = _flag(packet)
        if flag in (STANDALONE, FIRST) or not still_open:
            groups.append([packet])
        else:
            groups[-1].append(packet)
        still_open = flag in (FIRST, CONTINUED)
    return groups


def _joined(groups: Sequence[list[StoredPacket]], held: Held) -> list[list[StoredPacket]]:
    """Groups that lack their end with those that continue where they stop: the clock was set between them."""
    rests: dict[int, list[list[StoredPacket]]] = defaultdict(list)
    for group in groups:
        if _flag(group[0]) not in (FIRST, STANDALONE):
            rests[group[0].sequence_count].append(group)
    counts = sorted(rests)
    taken: set[int] = set()
    for group in groups:
        while counts and _flag(group[0]) == FIRST and _flag(group[-1]) in (FIRST, CONTINUED):
            place = bisect_right(counts, group[-1].sequence_count) % len(counts)
            following = rests[counts[place]]
            if _lost(group[-1], following[0][0], held):
                break
            taken.add(id(following[0]))
            group += following.pop(0)
            if not following:
                counts.pop(place)
    return [group for group in groups if id(group) not in taken]


def _lost(before: StoredPacket, after: StoredPacket, held: Held) -> int:
    """Number of counts between two packets that no stored packet has."""
    size, shared = _between(before.place, after.place, held)
    return size - len(shared)


def _between(before: CountPlace, after: CountPlace, held: Held) -> tuple[int, set[int]]:
    """Number of counts between two places, and those that other packets have."""
    size = (after.sequence_count - before.sequence_count - 1) % COUNTS
    return size, held(before, after) if 0 < size <= MOST_SHARED else set()


def shared_counts(places: Sequence[CountPlace], held: Held) -> list[int]:
    """Counts that other packets have between those of a request, ascending: packets arriving there can complete it."""
    order = count_order(np.array([place.sequence_count for place in places]))
    ordered = [places[index] for index in order.tolist()]
    return sorted(set().union(*(_between(one, other, held)[1] for one, other in pairwise(ordered))))


def _missing(group: Sequence[StoredPacket], held: Held) -> str:
    begin, end = _flag(group[0]), _flag(group[-1])
    if begin == STANDALONE:
        return ""
    if begin != FIRST:
        return "its first packet is missing"
    if end != LAST:
        return "its last packet is missing"
    lost = sum(_lost(before, after, held) for before, after in pairwise(group))
    return f"{lost} of {len(group) + lost} packets are missing" if lost else ""
