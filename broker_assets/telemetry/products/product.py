"""A product: the tables of one file, and the data from which its header and name are derived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.files.fits import Card
from broker_assets.telemetry.products.files.tables import Column, Table, take
from broker_assets.telemetry.products.kinds import ProductKind

WARNING: Final[Card] = ("DATAWARN", 1, "See comments")
"""Card of files that need a second look, for the reason in a comment."""
NO_REQUEST_RANGE = "0000000000-9999999999"


@dataclass(frozen=True)
class VersionRange:
    """On-board times of the packets decoded with a database version, ticks."""

    version: str
    first: int
    last: int


@dataclass(frozen=True)
class RowEnergies:
    """The energy tables of rows, of which a file can hold one."""

    tables: tuple[Table, ...]
    of_row: NDArray[np.int64]
    """(rows,) number of the table of each row."""

    @classmethod
    def of(cls, parts: Sequence[tuple[Sequence[Table], NDArray[np.int64]]]) -> RowEnergies:
        """The energy tables of consecutive parts: tables, and their indices by row. Equal tables become one."""
        tables: dict[bytes, int] = {}
        kept: list[Table] = []
        numbers = []
        for found, of_row in parts:
            own = []
            for table in found:
                content = b"".join(column.values.tobytes() for column in table.values())
                if content not in tables:
                    tables[content] = len(kept)
                    kept.append(table)
                own.append(tables[content])
            numbers.append(np.array(own, dtype=np.int64)[of_row])
        return cls(tuple(kept), np.concatenate(numbers))

    @property
    def main(self) -> int:
        """Index of the table that most rows have; the first of several."""
        counts = np.bincount(self.of_row, minlength=len(self.tables))
        return int(self.of_row[np.argmax(counts[self.of_row])])

    @property
    def mixed(self) -> bool:
        """Whether rows have different tables."""
        return bool((self.of_row != self.of_row[0]).any())


@dataclass(frozen=True)
class Product:
    """One file of level L0 or L1; times in ticks."""

    kind: ProductKind
    level: str
    control: Table
    data: Table
    """With `time`, `timedel` (ticks) and `control_index`."""
    energies: Table | None
    versions: tuple[VersionRange, ...]
    raw_files: tuple[str, ...]
    parents: tuple[str, ...]
    request: tuple[int, int] | None = None
    """Telecommand sequence control and request id."""
    cards: tuple[Card, ...] = ()
    comments: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    row_energies: RowEnergies | None = None
    """Set if some rows have other energies than `energies`, which are those of most rows."""
    apart: bool = False
    """Whether these are rows of a day whose columns differ from those of most rows, as for another number of energies:
    they go to a separate file, named by its time range."""
    rows_elsewhere: int = 0
    """Number of rows of the same day in other files, for that reason."""

    def with_energies(self, found: RowEnergies) -> Product:
        """The product with energy tables for its rows."""
        return replace(self, energies=found.tables[found.main], row_energies=found if found.mixed else None)

    def own_energies(self) -> tuple[tuple[Table, ...], NDArray[np.int64]]:
        """Energy tables, and the index of the table of each row; only for kinds that have energies."""
        if self.row_energies is not None:
            return self.row_energies.tables, self.row_energies.of_row
        return (() if self.energies is None else (self.energies,)), np.zeros(len(self.time), dtype=np.int64)

    def warned(self, text: str) -> Product:
        """The product with a mark in its header, and a comment that says why."""
        cards = self.cards if WARNING in self.cards else (*self.cards, WARNING)
        return replace(self, cards=cards, comments=(*self.comments, text))

    @property
    def time(self) -> NDArray[np.int64]:
        """Centres of the time bins, ticks."""
        return self.data["time"].values

    @property
    def timedel(self) -> NDArray[np.int64]:
        """Lengths of the time bins, ticks."""
        return self.data["timedel"].values

    @property
    def start(self) -> int:
        """Start of the first bin."""
        return int(self.time[0] - self.timedel[0] // 2)

    @property
    def end(self) -> int:
        """End of the last bin."""
        return int(self.time[-1] + (self.timedel[-1] + 1) // 2)

    @property
    def average(self) -> int:
        """Middle between begin and end."""
        return (self.start + self.end) // 2

    def with_rows(self, selected: NDArray[Any]) -> Product:
        """The product of some rows (their numbers), with the control rows that they refer to."""
        data = take(self.data, selected)
        used, index = np.unique(data["control_index"].values, return_inverse=True)
        control = take(self.control, used)
        found = replace(
            self, control=renumbered(control), data=data | {"control_index": Column(index.astype(np.int64))}
        )
        if self.row_energies is None:
            return found
        return found.with_energies(replace(self.row_energies, of_row=self.row_energies.of_row[selected]))

    def published(self) -> Product:
        """The product with times as in its file: integer centiseconds after the start."""
        if self.kind.fine_time:
            return self
        start = self.start
        time = start + clock.from_centiseconds(clock.centiseconds(self.time - start))
        length = clock.from_centiseconds(clock.centiseconds(self.timedel))
        return replace(self, data=self.data | {"time": Column(time), "timedel": Column(length)})


def shape(*tables: Table) -> frozenset[tuple[object, ...]]:
    """What rows must have in common to be in one file: columns with the same axes and units.

    Examples
    --------
    >>> five, six = ({"counts": Column(np.zeros((2, number)), "count")} for number in (5, 6))
    >>> shape(five) == shape(six), shape(five) == shape({"counts": Column(np.ones((7, 5)), "count")})
    (False, True)
    """
    return frozenset(
        (place, name, column.values.shape[1:], column.unit, column.engineering is None, column.engineering_unit)
        for place, table in enumerate(tables)
        for name, column in table.items()
    )


def of_one_day(products: Sequence[Product]) -> list[Product]:
    """The products of a day by shape: the one with most rows, the file of the day, is first; others are `apart`."""

    def place(product: Product) -> tuple[int, int, str]:
        return -len(product.time), product.start, str(sorted(map(str, shape(product.data))))

    total = sum(len(product.time) for product in products)
    return [
        replace(product, apart=number > 0, rows_elsewhere=total - len(product.time))
        for number, product in enumerate(sorted(products, key=place))
    ]


def renumbered(control: Table) -> Table:
    """A control table with `index` from 0."""
    count = len(next(iter(control.values())).values)
    return control | {"index": Column(np.arange(count, dtype=np.int64))}


def complete(name: str) -> str:
    """Name of a file without the mark of incompleteness.

    Examples
    --------
    >>> complete("solo_L0_stix-ql-lightcurve_0664070400_V02U.fits")
    'solo_L0_stix-ql-lightcurve_0664070400_V02.fits'
    """
    stem, separator, rest = name.rpartition("_V")
    digits = rest[:2]
    return f"{stem}{separator}{digits}{rest[2:].removeprefix('U')}" if digits.isdigit() else name


def request_suffix(kind: ProductKind, request: tuple[int, int] | None) -> str:
    """Request part of a name; the aspect product has no telecommand part."""
    if request is None:
        return ""
    control, identifier = request
    return f"_{identifier:010d}" if kind.ssid == 42 else f"_{identifier:010d}-{control:05d}"


@lru_cache(maxsize=4096)
def levelb_path(kind: ProductKind, day: int | None, request: tuple[int, int] | None) -> PurePosixPath:
    """Place of a file of raw packets.

    Parameters
    ----------
    kind : ProductKind
    day : int or None
        First second of the on-board day; not used for answers to requests.
    request : (telecommand sequence control, request id) or None
    """
    parts = [str(part) for part in kind.key if part is not None]
    stem = f"solo_LB_stix-{'-'.join(parts)}"
    if request is not None:
        control, identifier = request
        name = f"{stem}_{NO_REQUEST_RANGE}_V02_{identifier:010d}-{control:05d}.fits"
    else:
        name = f"{stem}_{day:010d}_V02.fits"
    return PurePosixPath("LB", *parts, name)


def _version(kind: ProductKind) -> str:
    return f"V{kind.version:02d}{'U' if kind.incomplete else ''}"


def level0_path(product: Product) -> PurePosixPath:
    """Place of a file of level L0."""
    if not (product.kind.by_request or product.apart):
        return level0_day_path(product.kind, int(clock.day_start(product.average)))
    span = f"{product.start >> 16:010d}-{product.end >> 16:010d}"
    return _level0_folder(product.kind) / _name(product.kind, "L0", span, product.request)


def level0_day_path(kind: ProductKind, day: int) -> PurePosixPath:
    """Place of a file of level L0 of an on-board day, given by its first second."""
    return _level0_folder(kind) / _name(kind, "L0", f"{day:010d}")


def level1_path(product: Product, start: np.datetime64, end: np.datetime64, average: np.datetime64) -> PurePosixPath:
    """Place of a file of level L1, from the UTC of its begin, end and middle."""
    kind = product.kind
    if not (kind.by_request or product.apart):
        return level1_day_path(kind, average.astype("datetime64[D]"))
    first, last = (str(time.astype("datetime64[s]")).replace("-", "").replace(":", "") for time in (start, end))
    # A request is in the folder of the day on which it begins, rows of a day in that of their day.
    return _level1_folder(kind, start if kind.by_request else average) / _name(
        kind, "L1", f"{first}-{last}", product.request
    )


def level1_day_path(kind: ProductKind, day: np.datetime64) -> PurePosixPath:
    """Place of a file of level L1 of a UTC day."""
    return _level1_folder(kind, day) / _name(kind, "L1", str(day).replace("-", ""))


def _level0_folder(kind: ProductKind) -> PurePosixPath:
    return PurePosixPath("L0", *(str(part) for part in kind.key if part is not None))


def _level1_folder(kind: ProductKind, time: np.datetime64) -> PurePosixPath:
    return PurePosixPath("L1", *str(time.astype("datetime64[D]")).split("-"), kind.family.upper())


def _name(kind: ProductKind, level: str, span: str, request: tuple[int, int] | None = None) -> str:
    return f"solo_{level}_stix-{kind.file_stem}_{span}_{_version(kind)}{request_suffix(kind, request)}.fits"
