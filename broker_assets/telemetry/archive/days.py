"""Observation days: to which days packets belong, and which packets a day has.

A day is the unit that operators name, see and rebuild: the on-board date at levels LB and L0, the UTC date from L1 on.
A packet near midnight affects two days, because the on-board clock is not UTC and because neighbouring packets are
read with those of a day. So the packets *of a day* here are those of the day and of `MARGIN` on either side.
"""

from __future__ import annotations

import datetime
import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator
from functools import partial
from typing import Final

from broker_assets.telemetry.archive.units import Touched
from broker_assets.telemetry.idb.instrument_rules import StructureKey
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.builders.sequences import shared_counts
from broker_assets.telemetry.products.kinds import kind_of
from broker_assets.telemetry.reception.packet_store import NO_SSID, PacketStore
from broker_assets.telemetry.reception.shared_counts import counts_of_request, held_between

FAMILIES: Final = ("quicklook", "housekeeping", "science", "calibration", "auxiliary")
"""Families of products that are made and seen together."""

EPOCH: Final = datetime.date(2000, 1, 1)
"""Day of on-board second 0."""

MARGIN: Final = datetime.timedelta(hours=3)
"""Packets up to this far from a day affect it; spectra of one cycle reach furthest, two hours."""

LONGEST: Final = datetime.timedelta(days=4)
"""Longest time span that a packet covers; without a limit, every earlier packet would have to be examined."""

_FAMILY_OF: Final = {"ql": "quicklook", "hk": "housekeeping", "sci": "science", "cal": "calibration"}
_MARGIN_TICKS: Final = int(MARGIN.total_seconds()) * clock.TICKS_PER_SECOND
_LONGEST_TICKS: Final = int(LONGEST.total_seconds()) * clock.TICKS_PER_SECOND
_ONE_DAY: Final = datetime.timedelta(days=1)


def day_of_ticks(ticks: int) -> datetime.date:
    """On-board date of a time.

    Parameters
    ----------
    ticks : int
        1/65536 seconds since on-board second 0.

    Examples
    --------
    >>> day_of_ticks(664148503 << 16).isoformat()
    '2021-01-16'
    """
    return EPOCH + datetime.timedelta(days=int(ticks) // clock.TICKS_PER_DAY)


def ticks_of_day(day: datetime.date) -> int:
    """First tick of an on-board date.

    Examples
    --------
    >>> day_of_ticks(ticks_of_day(datetime.date(2021, 1, 16)) - 1).isoformat()
    '2021-01-15'
    """
    return (day - EPOCH).days * clock.TICKS_PER_DAY


def window(day: datetime.date) -> tuple[int, int]:
    """First tick of a day with its margins, and the first tick after it."""
    first = ticks_of_day(day)
    return first - _MARGIN_TICKS, first + clock.TICKS_PER_DAY + _MARGIN_TICKS


def family_of(key: StructureKey) -> str:
    """Family that a kind of packets belongs to, one of `FAMILIES`.

    Examples
    --------
    >>> family_of((21, 6, 30)), family_of((3, 25, 1)), family_of((5, 1, 33))
    ('quicklook', 'housekeeping', 'auxiliary')
    """
    return _FAMILY_OF.get(kind_of(key).family, "auxiliary")


def days_of_span(first: int, last: int) -> Iterator[datetime.date]:
    """Days that a time range affects, margins included.

    Parameters
    ----------
    first, last : int
        Ticks, both included.
    """
    day, end = day_of_ticks(max(first - _MARGIN_TICKS, 0)), day_of_ticks(max(last, first) + _MARGIN_TICKS)
    while day <= end:
        yield day
        day += _ONE_DAY


def requests_of_day(store: PacketStore, day: datetime.date) -> set[int]:
    """Identifiers of the requests whose data begin on a day or within its margins."""
    return {request for key in store.kinds() for _, request in _requests(store, key, *window(day))}


def touched_days(store: PacketStore, touched: Touched) -> dict[str, set[datetime.date]]:
    """Days whose packets may have changed, by family: those of the files that were touched, and their neighbours.

    Neighbours without any packet in their margins are left out.
    """
    candidates: dict[StructureKey, set[datetime.date]] = defaultdict(set)
    found: dict[str, set[datetime.date]] = defaultdict(set)
    for unit in touched.levelb | touched.level0:
        if unit.asked is None:
            day = EPOCH + datetime.timedelta(seconds=unit.day)
            candidates[unit.key] |= {day - _ONE_DAY, day, day + _ONE_DAY}
        else:
            start = store.begin_of_request(unit.key, unit.asked)
            if start is not None:
                found[family_of(unit.key)] |= set(days_of_span(start, start))
    for key, days in candidates.items():
        present = {day for day in days if _any_packet(store, key, *window(day))}
        if present:
            found[family_of(key)] |= present
    return dict(found)


def day_version(store: PacketStore, family: str, day: datetime.date) -> str:
    """Digest of the packets of a day and of where each was seen first.

    It depends only on which packets there are, not on when or in what order they arrived.

    Returns
    -------
    str
        32 hexadecimal digits; empty if there are no packets.
    """
    first, end = window(day)
    lines: set[bytes] = set()
    for key in _kinds(store, family):
        for condition, limits in _conditions(first, end):
            lines |= _packets(store, key, f"request IS NULL AND {condition}", limits)
        for control, request in _requests(store, key, first, end):
            lines |= _packets(store, key, "sequence_control = ? AND request = ?", (control, request))
            shared = shared_counts(counts_of_request(store, key, (control, request)), partial(held_between, store, key))
            lines |= {f"{control} {request} {count}\n".encode() for count in shared}
    if not lines:
        return ""
    digest = hashlib.sha256(family.encode())
    for line in sorted(lines):
        digest.update(line)
    return digest.hexdigest()[:32]


def days_with_packets(store: PacketStore, family: str) -> list[datetime.date]:
    """Every day for which `day_version` gives a version, ascending.

    Takes a second for some ten million packets: all times of the index are read.
    """
    found: set[datetime.date] = set()
    for key in _kinds(store, family):
        sql, values = _select(
            "DISTINCT (scet - ?) / ?, (scet + ?) / ?, (first - ?) / ?, (last + ?) / ?", key, "request IS NULL"
        )
        steps = (_MARGIN_TICKS, clock.TICKS_PER_DAY) * 4
        for numbers in store.index.rows(sql, (*steps, *values)):
            low, high, begin, end = (int(number) for number in numbers)  # type: ignore[call-overload]
            for first, last in ((low, high), (begin, end)):
                found |= {EPOCH + datetime.timedelta(days=number) for number in range(max(first, 0), last + 1)}
        grouped, values = _select("min(first)", key, "request IS NOT NULL GROUP BY sequence_control, request")
        for (start,) in store.index.rows(grouped, values):
            found |= set(days_of_span(int(start), int(start)))  # type: ignore[call-overload]
    return sorted(found)


def _kinds(store: PacketStore, family: str) -> list[StructureKey]:
    if family not in FAMILIES:
        raise ValueError(f"{family} is not a family of products; known: {', '.join(FAMILIES)}")
    return [key for key in store.kinds() if family_of(key) == family]


def _conditions(first: int, end: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """SQL conditions for packets with a time in [first, end), in a form that uses an index."""
    return (
        ("scet >= ? AND scet < ?", (first, end)),
        ("first >= ? AND first < ? AND last >= ?", (first - _LONGEST_TICKS, end, first)),
    )


def _select(columns: str, key: StructureKey, condition: str) -> tuple[str, list[object]]:
    service, subservice, ssid = key
    sql = f"SELECT {columns} FROM packet WHERE service = ? AND subservice = ? AND ssid = ? AND {condition}"  # noqa: S608
    return sql, [service, subservice, NO_SSID if ssid is None else ssid]


def _any_packet(store: PacketStore, key: StructureKey, first: int, end: int) -> bool:
    for condition, limits in _conditions(first, end):
        sql, values = _select("1", key, f"request IS NULL AND {condition} LIMIT 1")
        if store.index.rows(sql, (*values, *limits)):
            return True
    return False


def _packets(store: PacketStore, key: StructureKey, condition: str, limits: Collection[int]) -> set[bytes]:
    """Each packet with the first of its places of origin, which its products name, and whether it can be decoded."""
    sql, values = _select(
        "digest, (SELECT min(file || char(0) || printf('%010d', number + 1)) FROM origin"
        " WHERE origin.digest = packet.digest) || CASE WHEN failure IS NULL THEN '' ELSE char(0) || 'failed' END",
        key,
        condition,
    )
    return {
        digest + str(origin).encode() + b"\n"  # type: ignore[operator]
        for digest, origin in store.index.rows(sql, (*values, *limits))
    }


def _requests(store: PacketStore, key: StructureKey, first: int, end: int) -> list[tuple[int, int]]:
    """Requests whose data begin in [first, end): telecommand sequence control and identifier."""
    # Most kinds never answer a request: the index of requests shows this without reading the packets of the day.
    answers, values = _select("1", key, "request > -1 LIMIT 1")
    if not store.index.rows(answers, values):
        return []
    return store.requests_begun(key, first, end - 1)
