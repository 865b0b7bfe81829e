"""Which points of the histories of packets are not stored yet.

A packet repeats the points of months. For most of them it can be proved without reading them that they are stored, or
that they are not: in order of time, the first points of a month are the stored ones if they are as many and their
hashes have the same sum (`point_sums`). Then those after them are new; and those before them need not be read, unless
an earlier packet than the one that brought them has arrived late. What cannot be proved is left open, to be compared
with the stored points one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.database.point_identity import Hashes, PointKind, mix
from broker_assets.database.point_sums import Sums, months_of

NO_OBJECT: Final = 0
"""`diaobjectid` of a source that belongs to no DIAObject."""


class Standing(IntEnum):
    """What is known of a point without reading it."""

    STORED = 0
    """It is stored, and this packet does not replace it."""
    NEW = 1
    """It is not stored."""
    OPEN = 2
    """It must be compared with the stored points."""


@dataclass(frozen=True)
class Listed:
    """Points that packets list; arrays of equal length, in any order, best by kind and `trigger`."""

    trigger: NDArray[np.int64]
    """Place in `Triggers` of the packet that lists the point."""
    kind: NDArray[np.int8]
    diaobjectid: NDArray[np.int64]
    identity: Hashes
    midpointmjdtai: NDArray[np.float64]
    """Finite."""


@dataclass(frozen=True)
class Triggers:
    """The sources that triggered some packets; arrays of equal length."""

    diaobjectid: NDArray[np.int64]
    """0 if the source has no DIAObject."""
    diasourceid: NDArray[np.int64]
    midpointmjdtai: NDArray[np.float64]


def standings(triggers: Triggers, points: Listed, sums: Sums) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Prove of as many points as possible whether they are stored.

    Parameters
    ----------
    triggers : Triggers
        The packets' own sources.
    points : Listed
        The points of their histories.
    sums : Sums
        What is stored of their objects.

    Returns
    -------
    own, listed : int8 arrays
        `Standing` of each trigger and of each point.
    """
    own_identity = mix(triggers.diasourceid)
    repeated = _repeats(triggers, own_identity, points)
    own = np.full(len(own_identity), Standing.OPEN, np.int8)
    listed = np.full(len(points.trigger), Standing.OPEN, np.int8)
    own_month = months_of(triggers.midpointmjdtai)
    own_place = sums.place(triggers.diaobjectid)
    # Without points of its month in the history, the own source is new if nothing of the month is stored.
    entry, known = sums.find(own_place, np.full(len(own), PointKind.SOURCE), own_month)
    own[known & (entry["number"] == 0)] = Standing.NEW
    for kind in PointKind:
        rows = np.flatnonzero(points.kind == kind)
        if not rows.size:
            continue
        rows = _ordered(points, rows)
        trigger, objects = points.trigger[rows], points.diaobjectid[rows]
        month = months_of(points.midpointmjdtai[rows])
        ends = np.append(
            np.flatnonzero((np.diff(trigger) != 0) | (np.diff(objects) != 0) | (np.diff(month) != 0)) + 1, rows.size
        )
        begins = np.concatenate([[0], ends[:-1]])
        group = np.repeat(np.arange(begins.size), ends - begins)
        place = sums.place(objects[begins])
        entry, known = sums.find(place, np.full(begins.size, kind), month[begins])
        number = entry["number"].astype(np.int64)
        total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(points.identity[rows], dtype=np.uint64)])
        fits = known & (number <= ends - begins)
        after = np.minimum(begins + number, ends)
        proved = fits & (total[after] - total[begins] == entry["checksum"])
        of = trigger[begins]
        time, source = triggers.midpointmjdtai[of], triggers.diasourceid[of]
        bound = entry["broughtbymjdtai"]
        settled = (number == 0) | (time > bound) | ((time == bound) & (source >= entry["broughtby"]))
        is_new = np.arange(rows.size) - begins[group] >= number[group]
        found = np.where(is_new, Standing.NEW, np.where(settled[group], Standing.STORED, Standing.OPEN))
        listed[rows] = np.where(proved[group], found, Standing.OPEN)
        if kind is PointKind.SOURCE:
            same = (objects[begins] == triggers.diaobjectid[of]) & (month[begins] == own_month[of])
            own[of[same]] = np.where(proved[same], Standing.NEW, Standing.OPEN)
    own[repeated | (triggers.diaobjectid == NO_OBJECT)] = Standing.OPEN
    listed[repeated[points.trigger] | (points.diaobjectid == NO_OBJECT)] = Standing.OPEN
    return own, listed


def _repeats(triggers: Triggers, own_identity: Hashes, points: Listed) -> NDArray[np.bool_]:
    """Packets that list a point twice, or their own source: nothing is proved for these."""
    found = np.zeros(len(own_identity), bool)
    if not len(points.trigger):
        return found
    # A number for each (packet, object, kind, identity), different ones for different points up to a chance of 2⁻⁶⁴.
    listed = points.identity ^ mix(
        mix(points.diaobjectid).view(np.int64) + (points.trigger << 2) + points.kind.astype(np.int64)
    )
    place = np.arange(len(own_identity), dtype=np.int64)
    own = own_identity ^ mix(mix(triggers.diaobjectid).view(np.int64) + (place << 2) + np.int64(PointKind.SOURCE))
    every = np.concatenate([listed, own])
    ordered = np.sort(every)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if twice.size:
        holder = np.concatenate([points.trigger, place])
        found[holder[np.isin(every, twice)]] = True
    return found


def _ordered(points: Listed, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Rows by packet, object and time; histories are in the order of time already, as a rule."""
    trigger, time = points.trigger[rows], points.midpointmjdtai[rows]
    objects = points.diaobjectid[rows]
    same = trigger[1:] == trigger[:-1]
    disorder = (trigger[1:] < trigger[:-1]) | (same & ((time[1:] < time[:-1]) | (objects[1:] != objects[:-1])))
    if not disorder.any():
        return rows
    return rows[np.lexsort((points.identity[rows], time, objects, trigger))]
