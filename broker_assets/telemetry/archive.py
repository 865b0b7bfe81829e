"""The archive of product files: which must be made anew, and making them.

Every file is a function of stored packets and the inputs' versions. New packets name the files they touch; each of them
is rebuilt whole and takes the place of the old one. What a rebuild no longer makes is removed. Files of another
processing version are another's: they stay as they are.
"""

from __future__ import annotations

import datetime
import fcntl
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from broker_assets.telemetry import clock
from broker_assets.telemetry.atomic_files import PARTS, remove_abandoned, sync_folders
from broker_assets.telemetry.days import FAMILIES, day_of_ticks, family_of, ticks_of_day
from broker_assets.telemetry.level2 import LEVEL2_KINDS, Beyond, beyond
from broker_assets.telemetry.made_of import Provenance
from broker_assets.telemetry.products import fits
from broker_assets.telemetry.products.derived import derived_file
from broker_assets.telemetry.products.headers import (
    common_cards,
    extensions,
    level0_cards,
    level1_cards,
    remarks,
)
from broker_assets.telemetry.products.kinds import BASE_VERSION, ProductKind, kind_of
from broker_assets.telemetry.products.level0 import Inputs, Problem, level0_of_day, level0_of_request
from broker_assets.telemetry.products.level1 import level1_of_day, level1_of_request
from broker_assets.telemetry.products.levelb import levelb_file, unique_packets
from broker_assets.telemetry.products.lightcurve_plot import lightcurve_svg
from broker_assets.telemetry.products.product import (
    Product,
    level0_day_path,
    level0_path,
    level1_day_path,
    level1_path,
    levelb_path,
)
from broker_assets.telemetry.products.programs import Programs
from broker_assets.telemetry.products.record import ProductFile
from broker_assets.telemetry.products.tables import rows
from broker_assets.telemetry.spice import Kernels
from broker_assets.telemetry.store import PacketStore, StoredPacket
from broker_assets.telemetry.units import SPECTRA_MARGIN, Touched, Unit, day_of

LEVELS: Final = ("LB", "L0", "L1", "L2")
"""Levels that are written, in the order of making; L2 stands for all that is made from L1: CAL, ANC, LL03."""
KEPT_DAYS: Final = 4
"""Level L0 products kept in memory: a UTC day needs those of at most three on-board days."""
ABOVE_L0: Final = frozenset({"L1", "L2"})


@dataclass
class Outcome:
    """What a run wrote and could not make."""

    written: list[Path] = field(default_factory=list)
    """Files that are new or different, in order of level."""
    unchanged: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)
    """Files that are no longer made: of the same request under another time range, or of a day that lost its rows."""
    problems: list[Problem] = field(default_factory=list)
    skipped: list[Problem] = field(default_factory=list)
    """What is not made on purpose: its program is not configured, or its time has not come."""
    files: list[ProductFile] = field(default_factory=list)
    """Every file that was looked after, written or not."""


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
    programs : Programs
        Of others, for levels made from L1.
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
        self.report = report
        self.programs = programs
        self.now = now
        self.outcome = Outcome()
        self._made: dict[Unit, Product | None] = {}
        self._lacking: set[Unit] = set()
        """Days that cannot be made because of an input; their files stay as they are."""
        self._provenance = Provenance(inputs)

    def rebuild(self, touched: Touched, levels: Iterable[str] = LEVELS, *, stop_on_error: bool = False) -> Outcome:
        """Rebuild files and replace those that differ.

        Parameters
        ----------
        touched : Touched
        levels : list of str
            Of `LEVELS`. L1 and L2 need kernels; without them each product is a problem of its own.
        stop_on_error : bool
            Raise at the first product that cannot be made; else it is noted and the others are made.

        Raises
        ------
        RuntimeError
            If `stop_on_error` is set and a product cannot be made.
        OSError
            If a file cannot be written; it and all others are old or new, none is partial.
        """
        self._begin()
        with self._at_work():
            self._rebuild(touched, set(levels), stop_on_error)
        return self.outcome

    def build_day(self, level: str, family: str, day: datetime.date) -> Outcome:
        """Make every file of a level, family and observation day anew from stored packets.

        Parameters
        ----------
        level : str
            Of `LEVELS`.
        family : str
            One of `days.FAMILIES`. L2 of auxiliary is ANC, which is made from housekeeping.
        day : date
            On-board date at LB and L0, and of the begin of data of requests; UTC date else.

        Raises
        ------
        ValueError
            If there is no such level or family.
        OSError
            If a file cannot be written; it and all others are old or new, none is partial.
        """
        if level not in LEVELS:
            raise ValueError(f"{level} is no level; known: {', '.join(LEVELS)}")
        if family not in FAMILIES:
            raise ValueError(f"{family} is no family of products; known: {', '.join(FAMILIES)}")
        self._begin()
        with self._at_work():
            for key in self.store.kinds():
                kind = kind_of(key)
                if level == "L2":
                    if LEVEL2_KINDS.get(key) == family and self._has_kernels("L2", kind.file_stem):
                        self._level1_and_beyond(kind, np.datetime64(day.isoformat(), "D"), {"L2"})
                elif family_of(key) == family:
                    self._build(level, kind, day)
                self._made.clear()
        return self.outcome

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Alone, without what a killed process left; in the end the names of files are on the disk too."""
        with _locked(self.folder):
            remove_abandoned(self.folder / PARTS)
            yield
            changed = {folder for path in self.outcome.written for folder in path.parents}
            sync_folders(folder for folder in changed if folder.is_relative_to(self.folder))

    def _begin(self) -> None:
        self.outcome = Outcome()
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
        if kind.by_request:
            return
        unit = Unit(kind.key, first // clock.TICKS_PER_SECOND)
        if level == "LB":
            self._levelb(unit)
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
            packets = self.store.of_headers(unit.key, first, first + clock.TICKS_PER_DAY)
        packets = unique_packets(packets)
        if not packets:
            return
        path = levelb_path(kind, unit.day, unit.asked)
        cards, tables = levelb_file(kind, path.name, packets, self.inputs.configuration.version)
        files = tuple(sorted({packet.raw.file for packet in packets}))
        self._write(
            ProductFile(
                path=path,
                level="LB",
                family=family_of(unit.key),
                kind="-".join(path.parts[1:-1]),
                version=BASE_VERSION,
                day=self._day_of(unit, packets),
                request=unit.asked,
                rows=len(packets),
                start=clock.text(packets[0].scet),
                end=clock.text(packets[-1].scet),
                parents=files,
                raw_files=files,
                inputs={"instrument_configuration": self.inputs.configuration.version},
            ),
            cards,
            tables,
        )

    def _day_of(self, unit: Unit, packets: Sequence[StoredPacket]) -> datetime.date:
        """Observation day of a unit."""
        if unit.asked is None:
            return day_of_ticks(unit.day * clock.TICKS_PER_SECOND)
        begun = self.store.begin_of_request(unit.key, unit.asked)
        return day_of_ticks(packets[0].scet if begun is None else begun)

    # L0

    def _level0(self, unit: Unit) -> Product | None:
        """The product of an on-board day, made once per run."""
        if unit not in self._made:
            kind = kind_of(unit.key).at("L0", self.inputs.versions)
            first = unit.day * clock.TICKS_PER_SECOND
            last = first + clock.TICKS_PER_DAY
            margin = SPECTRA_MARGIN if kind.builder == "spectra" else 0
            packets = unique_packets(self.store.of_days(unit.key, first - margin, last + margin))
            # Memory holds a few days of one kind, however many there are.
            while len(self._made) >= KEPT_DAYS:
                del self._made[next(iter(self._made))]
            known = len(self.outcome.problems)
            self._made[unit] = level0_of_day(kind, packets, self.inputs, self.outcome.problems, unit.day)
            if any(problem.lacking for problem in self.outcome.problems[known:]):
                self._lacking.add(unit)
        return self._made[unit]

    def _level0_file(self, unit: Unit) -> None:
        product = self._level0(unit)
        if unit in self._lacking:
            return
        if product is None:
            self._remove(level0_day_path(kind_of(unit.key).at("L0", self.inputs.versions), unit.day))
        else:
            self._write_level0(product, day_of_ticks(product.average))

    def _daily(self, units: list[Unit], wanted: set[str]) -> None:
        """Days one after another: level L0 of each, and what is above it for UTC days that no later one touches."""
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
        # A bin at the edge may change the day when its time is rounded.
        parts = [
            product
            for start in range(day_of(first - clock.TICKS_PER_SECOND), (last >> 16) + 2, clock.SECONDS_PER_DAY)
            if (product := self._level0(Unit(kind.key, start))) is not None
        ]
        if Unit(kind.key, ticks_of_day(utc.astype(datetime.date)) // clock.TICKS_PER_SECOND) in self._lacking:
            return
        level1 = level1_of_day(kind, parts, kernels, utc)
        if "L1" in wanted:
            if level1 is None:
                self._remove(level1_day_path(kind, utc))
            else:
                self._write_level1(level1, kernels, utc.astype(datetime.date))
        if "L2" in wanted and level1 is not None:
            self._beyond(level1, kernels, utc)

    def _beyond(self, level1: Product, kernels: Kernels, utc: np.datetime64) -> None:
        made = beyond(level1, self.inputs, self.programs, self.now(), utc)
        self.outcome.problems += made.problems
        self.outcome.skipped += made.skipped
        kept = {self._write_derived(product, made, kernels, utc) for product in made.products}
        if kept and not made.problems:
            self._remove_unmade(kept)
        if made.picture is not None:
            described = self._described(level1, made.picture, "LL03", kernels, utc.astype(datetime.date))
            self._place(
                replace(described, version=made.version, parents=(made.parent,), incomplete=False),
                lightcurve_svg(level1.published(), kernels),
            )

    def _write_derived(self, product: Product, made: Beyond, kernels: Kernels, utc: np.datetime64) -> Path:
        day = utc.astype(datetime.date)
        product = self._with_origin(product, product.level, day)
        path, cards, tables = derived_file(product, self.inputs, made.version)
        described = self._described(product, path, product.level, kernels, day)
        return self._write(replace(described, family=made.family, version=made.version), cards, tables)

    def _request(self, unit: Unit, wanted: set[str]) -> None:
        kind = kind_of(unit.key).at("L0", self.inputs.versions)
        packets = unique_packets(self.store.of_request(unit.key, unit.request))
        if not packets:
            return
        day = self._day_of(unit, packets)
        products = level0_of_request(kind, packets, self.inputs, self.outcome.problems)
        if "L0" in wanted:
            kept = {self._write_level0(product, day) for product in products}
            if products:
                self._remove_others(kept, next(iter(kept)))
        if "L1" in wanted and products and self._has_kernels("L1", level0_path(products[0]).name):
            kernels = self.inputs.kernels
            assert kernels is not None  # noqa: S101 (asked in the line above)
            kind = kind_of(unit.key).at("L1", self.inputs.versions)
            made = [level1_of_request(kind, product, kernels) for product in products]
            kept = {self._write_level1(product, kernels, day) for product in made}
            self._remove_others(kept, next(iter(kept)))

    # Files

    def _remove(self, path: PurePosixPath) -> None:
        """Remove a file whose packets, now that there are more, belong to another."""
        target = self.folder / path
        if target.exists():
            target.unlink()
            self.outcome.removed.append(target)

    def _remove_unmade(self, kept: set[Path]) -> None:
        """Remove files of the same folder, kind and version under another time range."""
        one = next(iter(kept))
        start, _, rest = one.name.rpartition("_V")
        pattern = f"{start.rpartition('_')[0]}_*_V{rest}"
        for path in one.parent.glob(pattern):
            if path not in kept:
                path.unlink()
                self.outcome.removed.append(path)

    def _remove_others(self, kept: set[Path], one: Path) -> None:
        """Remove files of the same request and version under another time range."""
        stem, _, rest = one.name.split("_", 2)[2].partition("_")
        suffix = rest.split("_V", 1)[1] if "_V" in rest else rest
        level = one.relative_to(self.folder).parts[0]
        pattern = f"{one.name.split('_')[0]}_{level}_{stem}_*_V{suffix}"
        # Requests of level L1 lie in the folder of their day, which a better clock may change.
        folders = {folder for path in kept for folder in (_beside(path) if level == "L1" else [path.parent])}
        for folder in sorted(folders):
            for path in sorted(folder.glob(pattern)):
                if path not in kept:
                    path.unlink()
                    self.outcome.removed.append(path)

    def _with_origin(self, product: Product, level: str, day: datetime.date) -> Product:
        """A product that says what it was made of."""
        requests = () if product.request is None else (product.request[1],)
        lines = self._provenance.lines(level, product.kind.file_stem, day, requests)
        return replace(product, history=(*product.history, *lines))

    def _write_level0(self, product: Product, day: datetime.date) -> Path:
        product = self._with_origin(product, "L0", day)
        path = level0_path(product)
        cards = self._common(product, path)
        described = self._described(product, path, "L0", None, day)
        return self._write(described, [*cards, *level0_cards(product), *remarks(product)], extensions(product))

    def _write_level1(self, product: Product, kernels: Kernels, day: datetime.date) -> Path:
        product = self._with_origin(product, "L1", day)
        times = np.array([product.start, product.end, product.average], dtype=np.int64)
        start, end, average = kernels.clock.utc(times)
        path = level1_path(product, start, end, average)
        cards = self._common(product, path)
        more = level1_cards(product, kernels, self.inputs.planning)
        described = self._described(product, path, "L1", kernels, day)
        return self._write(described, [*cards, *more, *remarks(product)], extensions(product))

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

    def _described(
        self, product: Product, path: PurePosixPath, level: str, kernels: Kernels | None, day: datetime.date
    ) -> ProductFile:
        """A file that is about to be written."""
        inputs = {
            "instrument_database": ", ".join(item.version for item in product.versions),
            "instrument_configuration": self.inputs.configuration.version,
        }
        if kernels is None:
            start, end = clock.text(product.start), clock.text(product.end)
        else:
            start, end = (str(time) for time in kernels.clock.utc(np.array([product.start, product.end])))
            inputs["spice_kernels"] = ", ".join(kernels.names)
        return ProductFile(
            path=path,
            level=level,
            family=family_of(product.kind.key),
            kind=product.kind.file_stem,
            version=product.kind.version,
            day=day,
            request=product.request,
            rows=rows(product.data),
            start=start,
            end=end,
            parents=product.parents,
            raw_files=product.raw_files,
            inputs=inputs,
            incomplete=product.kind.incomplete,
        )

    def _write(self, file: ProductFile, cards: list[fits.Card], tables: list[fits.Extension]) -> Path:
        return self._done(file, fits.write(self.folder / file.path, cards, tables, parts=self.folder / PARTS))

    def _place(self, file: ProductFile, content: bytes) -> Path:
        return self._done(file, fits.write_bytes(self.folder / file.path, content, parts=self.folder / PARTS))

    def _done(self, file: ProductFile, written: fits.Written) -> Path:
        target = self.folder / file.path
        (self.outcome.written if written.changed else self.outcome.unchanged).append(target)
        self.outcome.files.append(replace(file, digest=written.digest, size=written.size))
        self.report(target)
        return target


def _beside(path: Path) -> list[Path]:
    """Folder of a file in a tree of days (Y/M/D/TYPE), and those of the days before and after."""
    *_, year, month, day, family, _ = path.parts
    date = datetime.date(int(year), int(month), int(day))
    root = path.parents[4]
    days = (date + datetime.timedelta(days=number) for number in (-1, 0, 1))
    return [root.joinpath(*other.isoformat().split("-"), family) for other in days]


def _sorted(units: Iterable[Unit]) -> list[Unit]:
    return sorted(units, key=lambda unit: (str(unit.key), unit.day, unit.request))
