"""The archive of product files: which must be made anew, and making them.

Every file is a function of stored packets and the inputs' versions. New packets name the files they touch; each of them
is rebuilt whole and takes the place of the old one. What a rebuild no longer makes is removed.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from broker_assets.telemetry import clock
from broker_assets.telemetry.instrument import StructureKey
from broker_assets.telemetry.products import fits
from broker_assets.telemetry.products.headers import (
    common_cards,
    extensions,
    level0_cards,
    level1_cards,
    remarks,
)
from broker_assets.telemetry.products.kinds import kind_of
from broker_assets.telemetry.products.level0 import Inputs, Problem, level0_of_day, level0_of_request
from broker_assets.telemetry.products.level1 import level1_of_day, level1_of_request
from broker_assets.telemetry.products.levelb import levelb_file, unique_packets
from broker_assets.telemetry.products.product import (
    Product,
    level0_day_path,
    level0_path,
    level1_day_path,
    level1_path,
    levelb_path,
)
from broker_assets.telemetry.spice import Kernels
from broker_assets.telemetry.store import PacketStore
from broker_assets.telemetry.units import SPECTRA_MARGIN, Touched, Unit, day_of

LEVELS: Final = ("LB", "L0", "L1")
"""Levels that are written, in the order of making."""
KEPT_DAYS: Final = 4
"""Level L0 products kept in memory: a UTC day needs those of at most three on-board days."""


@dataclass
class Outcome:
    """What a run wrote and could not make."""

    written: list[Path] = field(default_factory=list)
    """Files that are new or different, in order of level."""
    unchanged: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)
    """Files that are no longer made: of the same request under another time range, or of a day that lost its rows."""
    problems: list[Problem] = field(default_factory=list)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One rebuild at a time: a second one waits, then finds the packets that the first one's files are made of."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


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
        Called with the path of each file that was looked after.
    """

    def __init__(
        self, folder: Path, store: PacketStore, inputs: Inputs, report: Callable[[Path], None] = lambda _: None
    ) -> None:
        self.folder = folder
        self.store = store
        self.inputs = inputs
        self.report = report
        self.outcome = Outcome()
        self._made: dict[Unit, Product | None] = {}

    def rebuild(self, touched: Touched, levels: Iterable[str] = LEVELS, *, stop_on_error: bool = False) -> Outcome:
        """Rebuild files and replace those that differ.

        Parameters
        ----------
        touched : Touched
        levels : list of str
            Of LB, L0 and L1. L1 needs kernels; without them each product is a problem of its own.
        stop_on_error : bool
            Raise at the first product that cannot be made; else it is noted and the others are made.

        Raises
        ------
        RuntimeError
            If `stop_on_error` is set and a product cannot be made.
        OSError
            If a file cannot be written; it and all others are old or new, none is partial.
        """
        self.outcome = Outcome()
        self._made.clear()
        with _locked(self.folder):
            self._rebuild(touched, set(levels), stop_on_error)
        return self.outcome

    def _rebuild(self, touched: Touched, wanted: set[str], stop_on_error: bool) -> None:
        if "LB" in wanted:
            for unit in _sorted(touched.levelb):
                self._levelb(unit)
                self._check(stop_on_error)
        if wanted & {"L0", "L1"}:
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

    def _levelb(self, unit: Unit) -> None:
        kind = kind_of(unit.key)
        if unit.asked is not None:
            packets = self.store.of_request(unit.key, unit.asked)
        else:
            first = unit.day * clock.TICKS_PER_SECOND
            packets = self.store.of_headers(unit.key, first, first + clock.TICKS_PER_DAY)
        packets = unique_packets(packets)
        path = levelb_path(kind, unit.day, unit.asked)
        if packets:
            cards, tables = levelb_file(kind, path.name, packets, self.inputs.configuration.version)
            self._write(path, cards, tables)

    def _level0(self, unit: Unit) -> Product | None:
        """The product of an on-board day, made once while its neighbours are worked on."""
        if unit not in self._made:
            kind = kind_of(unit.key)
            first = unit.day * clock.TICKS_PER_SECOND
            last = first + clock.TICKS_PER_DAY
            margin = SPECTRA_MARGIN if kind.builder == "spectra" else 0
            packets = unique_packets(self.store.of_days(unit.key, first - margin, last + margin))
            # Memory holds a few days of one kind, however many days there are.
            while len(self._made) >= KEPT_DAYS:
                del self._made[next(iter(self._made))]
            self._made[unit] = level0_of_day(kind, packets, self.inputs, self.outcome.problems, unit.day)
        return self._made[unit]

    def _daily(self, units: list[Unit], wanted: set[str]) -> None:
        """Days one after another: level L0 of each, and level L1 of the UTC days that no later one touches."""
        kernels = self.inputs.kernels
        if "L1" in wanted and kernels is None:
            self.outcome.problems += [Problem(str(unit.key), "level L1 needs SPICE kernels") for unit in units]
        waiting: set[np.datetime64] = set()
        for unit in units:
            touched = set() if kernels is None or "L1" not in wanted else set(_utc_days(unit.day, kernels))
            if kernels is not None:
                for utc in sorted(day for day in waiting if touched and day < min(touched)):
                    self._level1(unit.key, utc, kernels)
                    waiting.remove(utc)
            waiting |= touched
            product = self._level0(unit)
            if "L0" in wanted:
                if product is None:
                    self._remove(level0_day_path(kind_of(unit.key), unit.day))
                else:
                    self._write_level0(product)
        if kernels is not None:
            for utc in sorted(waiting):
                self._level1(units[0].key, utc, kernels)

    def _level1(self, key: StructureKey, utc: np.datetime64, kernels: Kernels) -> None:
        """The file of a UTC day."""
        kind = kind_of(key)
        first = kernels.clock.ticks_of_utc(utc)
        last = kernels.clock.ticks_of_utc(utc + np.timedelta64(1, "D"))
        # A bin at the edge may change the day when its time is rounded.
        parts = [
            product
            for start in range(day_of(first - clock.TICKS_PER_SECOND), (last >> 16) + 2, clock.SECONDS_PER_DAY)
            if (product := self._level0(Unit(kind.key, start))) is not None
        ]
        level1 = level1_of_day(parts, kernels, utc)
        if level1 is None:
            self._remove(level1_day_path(kind, utc))
        else:
            self._write_level1(level1, kernels)

    def _remove(self, path: PurePosixPath) -> None:
        """Remove a file whose packets, now that there are more, belong to another."""
        target = self.folder / path
        if target.exists():
            target.unlink()
            self.outcome.removed.append(target)

    def _request(self, unit: Unit, wanted: set[str]) -> None:
        kind = kind_of(unit.key)
        packets = unique_packets(self.store.of_request(unit.key, unit.request))
        products = level0_of_request(kind, packets, self.inputs, self.outcome.problems)
        if "L0" in wanted:
            kept = {self._write_level0(product) for product in products}
            if products:
                self._remove_others(kept, next(iter(kept)))
        if "L1" in wanted and products:
            if self.inputs.kernels is None:
                self.outcome.problems.append(Problem(level0_path(products[0]).name, "level L1 needs SPICE kernels"))
                return
            kernels = self.inputs.kernels
            kept = {self._write_level1(level1_of_request(product, kernels), kernels) for product in products}
            self._remove_others(kept, next(iter(kept)))

    def _remove_others(self, kept: set[Path], one: Path) -> None:
        """Remove files of the same request and version under another time range."""
        stem, _, rest = one.name.split("_", 2)[2].partition("_")
        suffix = rest.split("_V", 1)[1] if "_V" in rest else rest
        level = one.relative_to(self.folder).parts[0]
        # Requests of level L1 lie in the folder of their day, which a better clock may change.
        where = self.folder / level if level == "L1" else one.parent
        pattern = f"**/{one.name.split('_')[0]}_{level}_{stem}_*_V{suffix}"
        for path in where.glob(pattern):
            if path not in kept:
                path.unlink()
                self.outcome.removed.append(path)

    def _write_level0(self, product: Product) -> Path:
        path = level0_path(product)
        cards = self._common(product, path)
        return self._write(path, [*cards, *level0_cards(product), *remarks(product)], extensions(product))

    def _write_level1(self, product: Product, kernels: Kernels) -> Path:
        times = np.array([product.start, product.end, product.average], dtype=np.int64)
        start, end, average = kernels.clock.utc(times)
        path = level1_path(product, start, end, average)
        cards = self._common(product, path)
        more = level1_cards(product, kernels, self.inputs.planning)
        return self._write(path, [*cards, *more, *remarks(product)], extensions(product))

    def _common(self, product: Product, path: PurePosixPath) -> list[fits.Card]:
        return common_cards(
            product.kind,
            product.level,
            path.name,
            raw_files=product.raw_files,
            parents=product.parents,
            configuration=self.inputs.configuration.version,
            version=product.kind.version,
            request=product.request,
        )

    def _write(self, path: PurePosixPath, cards: list[fits.Card], tables: list[fits.Extension]) -> Path:
        target = self.folder / path
        written = fits.write(target, cards, tables)
        (self.outcome.written if written else self.outcome.unchanged).append(target)
        self.report(target)
        return target


def _sorted(units: Iterable[Unit]) -> list[Unit]:
    return sorted(units, key=lambda unit: (str(unit.key), unit.day, unit.request))
