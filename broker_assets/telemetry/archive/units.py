"""Units of rebuilding: the files to which packets, and names of files, belong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from broker_assets.telemetry.idb.instrument_rules import StructureKey
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.kinds import kind_of
from broker_assets.telemetry.reception.packet_store import NewPacket, PacketStore

NO_REQUEST: Final = (-1, -1)
SPECTRA_MARGIN: Final = 2 * 3600 * clock.TICKS_PER_SECOND
"""Spectra of one cycle of detectors (32 bins) may be in two packets, so neighbours of the day are read, too."""


@dataclass(frozen=True)
class Unit:
    """What is rebuilt together: the packets of a kind on an on-board day, or of a request."""

    key: StructureKey
    day: int = 0
    """First second of the on-board day; meaningless for requests."""
    request: tuple[int, int] = NO_REQUEST
    """Telecommand sequence control and request id."""

    @property
    def asked(self) -> tuple[int, int] | None:
        """The request, if it is one."""
        return None if self.request == NO_REQUEST else self.request


@dataclass(frozen=True)
class Touched:
    """Files to rebuild."""

    levelb: frozenset[Unit] = frozenset()
    level0: frozenset[Unit] = frozenset()

    @classmethod
    def by(cls, packets: Iterable[NewPacket]) -> Touched:
        """The files to which packets belong."""
        levelb: set[Unit] = set()
        level0: set[Unit] = set()
        for packet in packets:
            if packet.request is not None:
                unit = Unit(packet.key, request=packet.request)
                levelb.add(unit)
                level0.add(unit)
            else:
                levelb.add(Unit(packet.key, day_of(packet.scet)))
                level0 |= set(_days(packet.key, packet.first, packet.last))
        return cls(frozenset(levelb), frozenset(level0))

    def __or__(self, other: Touched) -> Touched:
        return Touched(self.levelb | other.levelb, self.level0 | other.level0)

    @classmethod
    def everything(cls, store: PacketStore) -> Touched:
        """All files of a store."""
        levelb: set[Unit] = set()
        level0: set[Unit] = set()
        for key in store.kinds():
            requests = {Unit(key, request=request) for request in store.requests(key)}
            levelb |= requests
            level0 |= requests
            if not kind_of(key).by_request:
                for scet, first, last in store.spans(key):
                    levelb.add(Unit(key, day_of(scet)))
                    level0 |= set(_days(key, first, last))
        # For packets that cannot be decoded, the request is not known.
        levelb |= {Unit(key, day_of(packet.scet)) for key, packet in store.undecoded()}
        return cls(frozenset(levelb), frozenset(level0))

    def only(self, names: Iterable[str]) -> Touched:
        """What files with these names are made from, or contain (files of one level: LB, L0 or L1)."""
        listed = [_Name.parse(name) for name in names]
        levelb = frozenset(unit for unit in self.levelb if any(name.concerns(unit) for name in listed))
        level0 = frozenset(unit for unit in self.level0 if any(name.concerns(unit) for name in listed))
        return Touched(levelb, level0)

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Those names of files that `only` finds nothing for."""
        units = self.levelb | self.level0
        return [name for name in names if not any(map(_Name.parse(name).concerns, units))]


@dataclass(frozen=True)
class _Name:
    """What the name of a product file says."""

    stem: str
    """Kind, as LB (21-6-30) or higher levels (ql-lightcurve) write it."""
    days: tuple[int, ...]
    """On-board days that it may be made of."""
    request: str

    @classmethod
    def parse(cls, name: str) -> _Name:
        """Read a name; one that is not that of a product matches nothing."""
        found = _FILE_NAME.fullmatch(name)
        if found is None:
            return cls("", (), "")
        span = found["span"]
        if found["request"] is None and "-" in span:  # rows of a day in a file of their own
            span = span[:8] if "T" in span else str(day_of_span(span))
        if span.isdigit() and len(span) == 8:
            date = np.datetime64(f"{span[:4]}-{span[4:6]}-{span[6:]}")
            first = int((date - np.datetime64("2000-01-01")).astype(np.int64)) * clock.SECONDS_PER_DAY
            days = tuple(first + offset * clock.SECONDS_PER_DAY for offset in (-1, 0, 1))
        else:
            days = (int(span),) if span.isdigit() else ()
        return cls(found["stem"], days, found["request"] or "")

    def concerns(self, unit: Unit) -> bool:
        """Whether the file belongs to a unit."""
        kind = kind_of(unit.key)
        if self.stem not in (kind.file_stem, "-".join(str(part) for part in unit.key if part is not None)):
            return False
        if unit.asked is None:
            return unit.day in self.days
        control, identifier = unit.asked
        return self.request in (f"_{identifier:010d}", f"_{identifier:010d}-{control:05d}")


_FILE_NAME: Final = re.compile(
    r"solo_(?:LB|L0|L1)_stix-(?P<stem>[a-z0-9-]+)_(?P<span>[0-9T-]+)_V\d+U?(?P<request>_\d{10}(?:-\d{5})?)?\.fits"
)


def day_of(time: int) -> int:
    """First second of the on-board day of a time in ticks."""
    return int(clock.day_start(time))


def day_of_span(span: str) -> int:
    """First second of the on-board day that contains the middle of a time range in a name.

    Examples
    --------
    >>> day_of_span("0664156800-0664156804")
    664156800
    """
    first, last = map(int, span.split("-"))
    return day_of((first + last + 1) // 2 * clock.TICKS_PER_SECOND)


def _days(key: StructureKey, first: int, last: int) -> Iterator[Unit]:
    margin = SPECTRA_MARGIN if key == (21, 6, 32) else 0
    for day in range(day_of(first - margin), day_of(last + margin) + 1, clock.SECONDS_PER_DAY):
        yield Unit(key, day)
