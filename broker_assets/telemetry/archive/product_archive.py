"""The archive of product files: which must be rebuilt, and rebuilding them.

Every file is a function of stored packets and the inputs' versions. New packets determine the files that they affect;
each of these is rebuilt in full and replaces the old one. Files that a rebuild no longer makes are removed. Files of
other processing versions stay as they are.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from broker_assets.telemetry.archive.days import FAMILIES, day_of_ticks, family_of, ticks_of_day
from broker_assets.telemetry.archive.product_tree import Outcome, ProductTree
from broker_assets.telemetry.archive.units import SPECTRA_MARGIN, Touched, Unit, day_of
from broker_assets.telemetry.inputs.kernels import Kernels
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.kinds import ProductKind, kind_of
from broker_assets.telemetry.products.levels.level0 import Inputs, Problem, level0_of_day, level0_of_request
from broker_assets.telemetry.products.levels.level1 import level1_of_day, level1_of_request
from broker_assets.telemetry.products.levels.level2 import LEVEL2_KINDS, beyond, names_beyond
from broker_assets.telemetry.products.levels.levelb import unique_packets
from broker_assets.telemetry.products.product import (
    Product,
    level0_day_path,
    level0_path,
    level1_day_path,
    levelb_path,
)
from broker_assets.telemetry.products.programs.configured import Programs
from broker_assets.telemetry.reception.packet_store import PacketStore, StoredPacket
from broker_assets.telemetry.reception.shared_counts import held_between

__all__ = ["LEVELS", "Archive", "Outcome"]

LEVELS: Final = ("LB", "L0", "L1", "L2")
"""Levels that are written, in the order in which they are made; L2 means everything made from L1: CAL, ANC, LL03."""
KEPT_DAYS: Final = 4
"""Level L0 products kept in memory: a UTC day needs those of at most three on-board days."""
ABOVE_L0: Final = frozenset({"L1", "L2"})


def _utc_days(day: int, kernels: Kernels) -> list[np.datetime64]:
    """UTC days that an on-board day touches."""
    first = day * clock.TICKS_PER_SECOND
    edges = np.array([first - clock.TICKS_PER_SECOND, first + clock.TICKS_PER_DAY + clock.TICKS_PER_SECOND])
    start, end = kernels.clock.utc_day(edges)
    return list(np.arange(start, end + np.timedelta64(1, "D")))


class Archive:
    """A tree of product files.

    Parameters
    ----------
    folder : Path
    store : PacketStore
    inputs : Inputs
    report : callable
        Called with the path of each file that was written or checked.
    programs : Programs
        Third-party programs, for levels made from L1.
    now : callable
        UTC.
    """

    def __init__(
        self,
        folder: Path,
        store: PacketStore,
        inputs: Inputs,
        report: Callable[[Path], None] = lambda _: None,
        programs: Programs = Programs(),
        now: Callable[[], np.datetime64] = lambda: np.datetime64("now"),
    ) -> None:
        self.folder = folder
        self.store = store
        self.inputs = inputs
        self.tree = ProductTree(folder, inputs, report)
        self.programs = programs
        self.now = now
        self._made: dict[Unit, list[Product]] = {}
        self._lacking: set[Unit] = set()
        """Days that cannot be made because an input is missing; their files stay as they are."""

    @property
    def outcome(self) -> Outcome:
        """What the last run wrote and could not make."""
        return self.tree.outcome

    def rebuild(self, touched: Touched, levels: Iterable[str] = LEVELS, *, stop_on_error: bool = False) -> Outcome:
        """Rebuild files and replace those that differ.

        Parameters
        ----------
        touched : Touched
        levels : list of str
            Of `LEVELS`. L1 and L2 need kernels; without them, each product is recorded as a problem.
        stop_on_error : bool
            Raise at the first product that cannot be made; by default, it is recorded and the others are made.

        Raises
        ------
        RuntimeError
            If `stop_on_error` is set and a product cannot be made.
        OSError
            If a file cannot be written; it and all others are old or new, none is partial.
        """
        self._begin()
        with self.tree.alone():
            self._rebuild(touched, set(levels), stop_on_error)
        return self.outcome

    def build_day(self, level: str, family: str, day: datetime.date) -> Outcome:
        """Rebuild every file of a level, family and observation day from stored packets.

        Parameters
        ----------
        level : str
            Of `LEVELS`.
        family : str
            One of `days.FAMILIES`. L2 of auxiliary is ANC, which is made from housekeeping.
        day : date
            On-board date at LB and L0, and for requests that of the start of their data; otherwise UTC date.

        Raises
        ------
        ValueError
            If there is no such level or family.
        OSError
            If a file cannot be written; it and all others are old or new, none is partial.
        """
        if level not in LEVELS:
            raise ValueError(f"{level} is not a level; known: {', '.join(LEVELS)}")
        if family not in FAMILIES:
            raise ValueError(f"{family} is not a family of products; known: {', '.join(FAMILIES)}")
        self._begin()
        with self.tree.alone():
            for key in self.store.kinds():
                kind = kind_of(key)
                if level == "L2":
                    if LEVEL2_KINDS.get(key) == family and self._has_kernels("L2", kind.file_stem):
                        self._level1_and_beyond(kind, np.datetime64(day.isoformat(), "D"), {"L2"})
                elif family_of(key) == family:
                    self._build(level, kind, day)
                self._made.clear()
        return self.outcome

    def _begin(self) -> None:
        self.tree.outcome = Outcome()
        self._made.clear()
        self._lacking.clear()

    def _build(self, level: str, kind: ProductKind, day: datetime.date) -> None:
        first = ticks_of_day(day)
        last = first + clock.TICKS_PER_DAY - 1
        for request in self.store.requests_begun(kind.key, first, last):
            unit = Unit(kind.key, request=request)
            if level == "LB":
                self._levelb(unit)
            else:
                self._request(unit, {level})
        unit = Unit(kind.key, first // clock.TICKS_PER_SECOND)
        if level == "LB":
            self._levelb(unit)
        elif kind.by_request:
            return
        elif level == "L0":
            self._level0_file(unit)
        elif self._has_kernels("L1", kind.file_stem):
            self._level1_and_beyond(kind, np.datetime64(day.isoformat(), "D"), {"L1"})

    def _rebuild(self, touched: Touched, wanted: set[str], stop_on_error: bool) -> None:
        if "LB" in wanted:
            for unit in _sorted(touched.levelb):
                self._levelb(unit)
                self._check(stop_on_error)
        if wanted - {"LB"}:
            for key in sorted({unit.key for unit in touched.level0}, key=str):
                units = [unit for unit in _sorted(touched.level0) if unit.key == key]
                if kind_of(key).by_request:
                    for unit in units:
                        self._request(unit, wanted)
                        self._check(stop_on_error)
                else:
                    self._daily(units, wanted)
                    self._check(stop_on_error)
                self._made.clear()

    def _check(self, stop_on_error: bool) -> None:
        if stop_on_error and self.outcome.problems:
            problem = self.outcome.problems[0]
            raise RuntimeError(f"{problem.what}: {problem.reason}")

    def _has_kernels(self, level: str, what: str) -> bool:
        if self.inputs.kernels is None:
            self.outcome.problems.append(Problem(what, f"level {level} needs SPICE kernels"))
        return self.inputs.kernels is not None

    # LB

    def _levelb(self, unit: Unit) -> None:
        kind = kind_of(unit.key)
        if unit.asked is not None:
            packets = self.store.of_request(unit.key, unit.asked)
        else:
            first = unit.day * clock.TICKS_PER_SECOND
            found = self.store.of_headers(unit.key, first, first + clock.TICKS_PER_DAY)
            # Among kinds that answer requests, only packets that cannot be decoded have no request.
            packets = [packet for packet in found if packet.request is None]
        packets = unique_packets(packets)
        if not packets:
            if unit.asked is None:
                self.tree.remove(levelb_path(kind, unit.day, None))
            return
        self.tree.write_levelb(kind, unit, packets, self._day_of(unit, packets))

    def _day_of(self, unit: Unit, packets: Sequence[StoredPacket]) -> datetime.date:
        """Observation day of a unit."""
        if unit.asked is None:
            return day_of_ticks(unit.day * clock.TICKS_PER_SECOND)
        begun = self.store.begin_of_request(unit.key, unit.asked)
        return day_of_ticks(packets[0].scet if begun is None else begun)

    # L0

    def _level0(self, unit: Unit) -> list[Product]:
        """The products of an on-board day, made once per run."""
        if unit not in self._made:
            kind = kind_of(unit.key).at("L0", self.inputs.versions)
            first = unit.day * clock.TICKS_PER_SECOND
            last = first + clock.TICKS_PER_DAY
            margin = SPECTRA_MARGIN if kind.builder == "spectra" else 0
            packets = unique_packets(self.store.of_days(unit.key, first - margin, last + margin))
            # Only a few days of one kind are kept in memory.
            while len(self._made) >= KEPT_DAYS:
                del self._made[next(iter(self._made))]
            known = len(self.outcome.problems)
            self._made[unit] = level0_of_day(kind, packets, self.inputs, self.outcome.problems, unit.day)
            if any(problem.lacking for problem in self.outcome.problems[known:]):
                self._lacking.add(unit)
        return self._made[unit]

    def _level0_file(self, unit: Unit) -> None:
        products = self._level0(unit)
        if unit in self._lacking:
            return
        day = day_of_ticks(unit.day * clock.TICKS_PER_SECOND)
        path = level0_day_path(kind_of(unit.key).at("L0", self.inputs.versions), unit.day)
        # The one with the most rows comes last, so it stays if another needs the same name.
        kept = [self.tree.write_level0(product, day) for product in reversed(products)]
        self._day_written(path, kept, unit.day)

    def _day_written(self, path: PurePosixPath, kept: Sequence[Path], on_board: int | None) -> None:
        """Remove files of a day that are no longer made; record a problem if two need the same name."""
        if len(set(kept)) < len(kept):
            reason = f"{len(kept)} parts of the day share {len(set(kept))} file names: same seconds"
            self.outcome.problems.append(Problem(path.name, reason))
        if not kept:
            self.tree.remove(path)
        self.tree.remove_apart(path, set(kept), on_board)

    def _daily(self, units: list[Unit], wanted: set[str]) -> None:
        """Days one after another: level L0 of each, and higher levels of UTC days that no later day touches."""
        kind = kind_of(units[0].key)
        above = wanted & ABOVE_L0 if kind.key in LEVEL2_KINDS else wanted & {"L1"}
        kernels = self.inputs.kernels
        if above and kernels is None:
            for unit in units:
                self._has_kernels(min(above), str(unit.key))
        waiting: set[np.datetime64] = set()
        for unit in units:
            touched = set(_utc_days(unit.day, kernels)) if above and kernels is not None else set()
            for utc in sorted(day for day in waiting if day < min(touched)):
                self._level1_and_beyond(kind, utc, above)
                waiting.remove(utc)
            waiting |= touched
            if "L0" in wanted:
                self._level0_file(unit)
            else:
                self._level0(unit)
        for utc in sorted(waiting):
            self._level1_and_beyond(kind, utc, above)

    # L1 and what is made from it

    def _level1_and_beyond(self, kind: ProductKind, utc: np.datetime64, wanted: set[str]) -> None:
        """Files of a UTC day; with kernels."""
        kernels = self.inputs.kernels
        assert kernels is not None  # noqa: S101 (callers have asked)
        kind = kind.at("L1", self.inputs.versions)
        first = kernels.clock.ticks_of_utc(utc)
        last = kernels.clock.ticks_of_utc(utc + np.timedelta64(1, "D"))
        # Rounding the time of a bin at the edge may move it to another day.
        parts = [
            product
            for start in range(day_of(first - clock.TICKS_PER_SECOND), (last >> 16) + 2, clock.SECONDS_PER_DAY)
            for product in self._level0(Unit(kind.key, start))
        ]
        if Unit(kind.key, ticks_of_day(utc.astype(datetime.date)) // clock.TICKS_PER_SECOND) in self._lacking:
            return
        level1 = level1_of_day(kind, parts, kernels, utc)
        if "L1" in wanted:
            day = utc.astype(datetime.date)
            kept = [self.tree.write_level1(product, kernels, day) for product in reversed(level1)]
            self._day_written(level1_day_path(kind, utc), kept, None)
        if "L2" in wanted and level1:
            self._beyond(level1[0], kernels, utc)
        elif "L2" in wanted:
            self.tree.remove_matching(names_beyond(kind.key, utc, self.inputs.versions))

    def _beyond(self, level1: Product, kernels: Kernels, utc: np.datetime64) -> None:
        made = beyond(level1, self.inputs, self.programs, self.now(), utc)
        if level1.rows_elsewhere and (made.products or made.picture is not None):
            reason = f"{level1.rows_elsewhere} rows of the day with other columns are not in what is made from it"
            made.problems.append(Problem(made.parent, reason))
        self.outcome.problems += made.problems
        self.outcome.skipped += made.skipped
        kept = {self.tree.write_derived(product, made, kernels, utc) for product in made.products}
        if kept and not made.problems:
            self.tree.remove_unmade(kept)
        self.tree.write_picture(level1, made, kernels, utc.astype(datetime.date))

    def _request(self, unit: Unit, wanted: set[str]) -> None:
        kind = kind_of(unit.key).at("L0", self.inputs.versions)
        packets = unique_packets(self.store.of_request(unit.key, unit.request))
        if not packets:
            return
        day = self._day_of(unit, packets)
        products = level0_of_request(
            kind, packets, self.inputs, self.outcome.problems, partial(held_between, self.store, kind.key)
        )
        if "L0" in wanted:
            kept = {self.tree.write_level0(product, day) for product in products}
            if products:
                self.tree.remove_others(kept, next(iter(kept)))
        if "L1" in wanted and products and self._has_kernels("L1", level0_path(products[0]).name):
            kernels = self.inputs.kernels
            assert kernels is not None  # noqa: S101 (asked in the line above)
            kind = kind_of(unit.key).at("L1", self.inputs.versions)
            made = [level1_of_request(kind, product, kernels) for product in products]
            kept = {self.tree.write_level1(product, kernels, day) for product in made}
            if len(kept) < len(made):
                reason = f"{len(made)} parts of it share {len(kept)} file names at level L1: same seconds"
                self.outcome.problems.append(Problem(next(iter(kept)).name, reason))
            self.tree.remove_others(kept, next(iter(kept)))


def _sorted(units: Iterable[Unit]) -> list[Unit]:
    return sorted(units, key=lambda unit: (str(unit.key), unit.day, unit.request))
