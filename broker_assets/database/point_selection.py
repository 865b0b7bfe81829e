"""Which points of the histories of packets are not stored yet.

A packet repeats the points of months. For most of them it can be proved, without reading the stored ones, that they are
stored or that they are not: the first points of a month in time order are the stored ones if their number and the sum
of their hashes agree (`point_sums`). Then the points after them are new, and the first ones need not be read, unless
this packet is earlier than the one that provided them and arrived late. What cannot be proved is left open, and is
compared with the stored points one by one.

A point may also be stored with a time of another month, if one of its times is damaged. Without reading points, this is
excluded as follows; where it cannot be excluded, the new points are compared with all stored points of the object.

- Within the time that the survey's packets look back (`Triggers.history_days`), every stored month is listed, and those
  after the first are listed completely. The window may cut the first one, of which only the listed points are compared.
- Before it, all points were provided by packets that were taken before the point that seems to be new. A packet only
  lists what was taken before it, so none of these can be the same point. This says nothing about rows from points' own
  packets, so a source that is only known from the history is looked for among them.

So a point has one row if at most one of its times is wrong, by whatever amount, in any order of the packets. With two
wrong times it may have two rows: if one is stored before the window of a packet that lists the other, and the other is
later than the packet that provided the first. Only a comparison of every new point with every older month of its
object, or a set of identities instead of their sum, could exclude it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Final

import numba
import numpy as np
from numpy.typing import NDArray

from broker_assets.database.point_identity import MARGIN, Hashes, PointKind, mix
from broker_assets.database.point_sums import EVER, Sums, months_of

NO_OBJECT: Final = 0
"""`diaobjectid` of a source that belongs to no DIAObject."""


class Standing(IntEnum):
    """What is known about a point without reading it."""

    STORED = 0
    """It is stored, and this packet does not replace it."""
    NEW = 1
    """It is not stored."""
    OPEN = 2
    """It must be compared with the stored points."""


SOURCE: Final = int(PointKind.SOURCE)
STORED, NEW, OPEN = (int(standing) for standing in Standing)


@dataclass(frozen=True)
class Listed:
    """Points that packets list; arrays of equal length, in any order (fastest if ordered by kind and `trigger`)."""

    trigger: NDArray[np.int64]
    """Place in `Triggers` of the packet that lists the point."""
    kind: NDArray[np.int8]
    diaobjectid: NDArray[np.int64]
    identity: Hashes
    midpointmjdtai: NDArray[np.float64]
    """MJD TAI; finite."""
    withdrawn: NDArray[np.bool_]
    """Whether the packet says that the survey withdrew the point; stored regardless of the packet that provided the
    row."""

    def take(self, rows: NDArray[np.int64] | slice) -> Listed:
        """Select points."""
        return Listed(*(getattr(self, item.name)[rows] for item in fields(self)))


@dataclass(frozen=True)
class Triggers:
    """The sources that triggered some packets; arrays of equal length."""

    diaobjectid: NDArray[np.int64]
    """0 if the source has no DIAObject."""
    diasourceid: NDArray[np.int64]
    midpointmjdtai: NDArray[np.float64]
    history_days: float = 365.0
    """Days before the source for which the survey's packets list points."""

    @property
    def lookback(self) -> NDArray[np.int64]:
        """First month of which each packet lists points, if there are any."""
        return months_of(self.midpointmjdtai - self.history_days)


@dataclass(frozen=True)
class Standings:
    """What is known about the points of some packets without reading them."""

    own: NDArray[np.int8]
    """`Standing` of each trigger."""
    listed: NDArray[np.int8]
    """`Standing` of each point."""
    scattered: dict[PointKind, NDArray[np.int64]]
    """Places in `Sums.objects` of the objects whose points may be stored in other months than the packet lists."""


def standings(triggers: Triggers, points: Listed, sums: Sums) -> Standings:
    """Prove for as many points as possible whether they are stored.

    Parameters
    ----------
    triggers : Triggers
        The packets' own sources.
    points : Listed
        The points of their histories.
    sums : Sums
        What is stored for their objects.

    Returns
    -------
    Standings
    """
    own = np.full(len(triggers.diasourceid), Standing.OPEN, np.int8)
    listed = np.full(len(points.trigger), Standing.OPEN, np.int8)
    place = sums.place(triggers.diaobjectid)
    month = months_of(triggers.midpointmjdtai)
    lookback = triggers.lookback
    # If the history has no points in its month, the own source is new if nothing is stored in that month.
    entry, known = sums.find(place, np.full(len(own), PointKind.SOURCE), month)
    newest = np.full(len(sums.objects), np.iinfo(np.int64).min)
    provided = np.full(len(sums.objects), -np.inf)
    rows = np.flatnonzero(sums.entries["kind"] == SOURCE)
    newest[sums.owner[rows]] = sums.entries["month"][rows]  # ascending: the last one remains
    np.maximum.at(provided, sums.owner[rows], sums.entries["broughtbymjdtai"][rows])
    late = newest[place] > month
    silent = np.ones(len(own), bool)
    silent[points.trigger[(points.kind == SOURCE) & (points.diaobjectid == triggers.diaobjectid[points.trigger])]] = (
        False
    )
    late |= silent & (
        (newest[place] >= lookback)
        | (sums.since[place] > lookback)
        | (provided[place] >= triggers.midpointmjdtai - MARGIN)
    )
    own[known & (entry["number"] == 0) & ~late] = Standing.NEW
    scattered = {kind: np.zeros(len(sums.objects), bool) for kind in PointKind}
    scattered[PointKind.SOURCE][place[late]] = True
    first = np.searchsorted(sums.owner, np.arange(len(sums.objects) + 1))
    for kind in PointKind:
        rows = np.flatnonzero(points.kind == kind)
        if not rows.size:
            continue
        # The points of a kind are usually adjacent; then nothing is copied.
        together = int(rows[-1] - rows[0]) + 1 == rows.size
        part = points.take(slice(int(rows[0]), int(rows[-1]) + 1) if together else rows)
        order = _order(part.trigger, part.diaobjectid, part.midpointmjdtai)
        if order is not None:
            rows, part = rows[order], part.take(order)
        found = np.empty(rows.size, np.int8)
        _prove(
            int(kind), part.trigger, part.diaobjectid, part.identity, part.midpointmjdtai,
            months_of(part.midpointmjdtai), triggers.diaobjectid, triggers.diasourceid, mix(triggers.diasourceid),
            triggers.midpointmjdtai, month, lookback, place, sums.objects, sums.known, sums.since, first, sums.entries,
            np.zeros(_table_size(part.trigger), np.uint64), found, own, scattered[kind],
        )  # fmt: skip
        found[part.withdrawn & (found == STORED)] = OPEN
        listed[rows] = found
    own[triggers.diaobjectid == NO_OBJECT] = Standing.OPEN
    return Standings(own, listed, {kind: np.flatnonzero(places) for kind, places in scattered.items()})


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _prove(
    kind: int,
    trigger: NDArray[np.int64],
    objects: NDArray[np.int64],
    identity: Hashes,
    times: NDArray[np.float64],
    month: NDArray[np.int64],
    own_object: NDArray[np.int64],
    own_source: NDArray[np.int64],
    own_identity: Hashes,
    own_time: NDArray[np.float64],
    own_month: NDArray[np.int64],
    lookback: NDArray[np.int64],
    own_place: NDArray[np.int64],
    known_objects: NDArray[np.int64],
    known: NDArray[np.bool_],
    since: NDArray[np.int64],
    first: NDArray[np.int64],
    entries: NDArray[Any],
    seen: Hashes,
    listed: NDArray[np.int8],
    own: NDArray[np.int8],
    scattered: NDArray[np.bool_],
) -> None:
    """Prove points of one kind, which are ordered by packet, object and time.

    `place` and `first` say where the entries of an object are; `seen` is memory for the identities of one packet, at
    least twice as many. The results go to `listed`, `own` and `scattered`.
    """
    size = trigger.size
    begin = 0
    while begin < size:
        # A packet.
        packet = trigger[begin]
        stop = begin
        while stop < size and trigger[stop] == packet:
            stop += 1
        places = 2
        while places < 2 * (stop - begin + 1):
            places *= 2
        seen[:places] = 0
        mask = np.uint64(places - 1)
        twice = False
        start = begin - 1 if kind == SOURCE else begin
        for row in range(start, stop):
            # The own source first; its lowest bit distinguishes an identity from an empty place.
            one = own_object[packet] if row < begin else objects[row]
            key = own_identity[packet] if row < begin else identity[row]
            key = (key ^ (np.uint64(one) * np.uint64(0x9E3779B97F4A7C15))) | np.uint64(1)
            slot = (key >> np.uint64(7)) & mask
            while seen[slot] != 0 and seen[slot] != key:
                slot = (slot + np.uint64(1)) & mask
            twice |= seen[slot] == key
            seen[slot] = key
        row = begin
        while row < stop:
            # The points of an object.
            one = objects[row]
            is_own = one == own_object[packet]
            place = own_place[packet] if is_own else np.searchsorted(known_objects, one)
            oldest, until, complete = month[row], row, True
            since_when = min(oldest, lookback[packet])
            # Entries of months that the packet does not list; that of its own month counts for its own source.
            unlisted = 0
            for at in range(first[place], first[place + 1]):
                entry = entries[at]
                owns = kind == SOURCE and is_own and entry.month == own_month[packet]
                unlisted += entry.kind == kind and entry.month >= since_when and not owns
            while until < stop and objects[until] == one:
                # Those of a month.
                start, end = until, until
                while end < stop and month[end] == month[start] and objects[end] == one:
                    end += 1
                number, checksum, bound_time, bound_source = np.int64(0), np.uint64(0), -np.inf, np.int64(0)
                for at in range(first[place], first[place + 1]):
                    entry = entries[at]
                    if entry.kind == kind and entry.month == month[start]:
                        number, checksum = np.int64(entry.number), entry.checksum
                        bound_time, bound_source = entry.broughtbymjdtai, entry.broughtby
                        unlisted -= not (kind == SOURCE and is_own and entry.month == own_month[packet])
                        break
                proved = (
                    not twice and one != 0 and known[place] and month[start] >= since[place] and number <= end - start
                )
                if proved:
                    total = np.uint64(0)
                    for at in range(start, start + number):
                        total += identity[at]
                    proved = total == checksum
                # Nothing that is stored is replaced by a packet that is not earlier than those that provided it.
                time, source = own_time[packet], own_source[packet]
                settled = time > bound_time or (time == bound_time and source >= bound_source)
                for at in range(start, end):
                    if not proved:
                        listed[at] = OPEN
                    elif at >= start + number:
                        listed[at] = NEW
                    else:
                        listed[at] = STORED if settled else OPEN
                if kind == SOURCE and is_own and month[start] == own_month[packet]:
                    own[packet] = NEW if proved else OPEN
                complete = complete and bool(proved or month[start] == oldest)
                until = end
            if complete and unlisted == 0:
                # The first point that seems to be new, and whether it is a source that is only known from the history.
                new, foreign = np.inf, False
                for at in range(row, until):
                    if listed[at] == NEW:
                        new, foreign = min(new, times[at]), kind == SOURCE
                if kind == SOURCE and is_own and own[packet] == NEW:
                    new = min(new, own_time[packet])
                complete = new == np.inf or (since[place] <= since_when and not (foreign and since[place] > EVER))
                for at in range(first[place], first[place + 1]):
                    entry = entries[at]
                    if entry.kind == kind and entry.month < since_when:
                        complete = complete and not foreign and entry.broughtbymjdtai < new - MARGIN
            if not complete or unlisted > 0:
                scattered[place] = True
                for at in range(row, until):
                    if listed[at] == NEW:
                        listed[at] = OPEN
                if kind == SOURCE and is_own:
                    own[packet] = OPEN
            row = until
        if twice and kind == SOURCE:
            own[packet] = OPEN
        begin = stop


def _table_size(trigger: NDArray[np.int64]) -> int:
    """Size of a hash table for the identities of the packet with the most points, a power of two."""
    most = int(np.bincount(trigger).max()) + 1
    return 1 << int(2 * most - 1).bit_length()


def _order(
    trigger: NDArray[np.int64], objects: NDArray[np.int64], times: NDArray[np.float64]
) -> NDArray[np.int64] | None:
    """The order by packet, object and time; None if the points are already in it, as histories usually are."""
    same = trigger[1:] == trigger[:-1]
    disorder = (trigger[1:] < trigger[:-1]) | (same & ((times[1:] < times[:-1]) | (objects[1:] != objects[:-1])))
    return np.lexsort((times, objects, trigger)) if disorder.any() else None
