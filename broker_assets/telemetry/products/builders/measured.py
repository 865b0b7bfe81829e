"""Input and output of the builders of products: packets of one kind as columns, and tables with times in ticks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.decoding.results import DecodedColumn, DecodedStructure
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.files.tables import Column, Table
from broker_assets.telemetry.products.product import WARNING

COMPRESSION_ERROR = "Error due only to integer compression"
"""Description of every column that ends in _comp_err."""


class UnbuildableProduct(ValueError):
    """The packets decode, but no product can be made of them; the message says why."""


MOST_CELLS: Final = 1 << 27
"""Counts of one product, at most: 2000 time bins of all detectors, pixels and five energies are a tenth of that."""


def cells(*shape: int) -> NDArray[np.int64]:
    """Zeros for the counts of a product.

    Raises
    ------
    UnbuildableProduct
        If they would be more than `MOST_CELLS`: a few bytes of a packet can demand any number.
    """
    number = math.prod(shape)
    if number > MOST_CELLS:
        raise UnbuildableProduct(f"its counts would have {number:,} values, and {MOST_CELLS:,} are possible")
    return np.zeros(shape, dtype=np.int64)


@dataclass(frozen=True)
class Compressed:
    """A parameter that was compressed on board."""

    column: DecodedColumn
    values: NDArray[np.int64]
    variance: NDArray[np.float64]
    scheme: NDArray[np.int64]
    """(n, 3), of each packet."""

    @property
    def raw(self) -> NDArray[Any]:
        """Bytes as in the packet."""
        return self.column.raw

    @property
    def offsets(self) -> NDArray[np.int64]:
        """(n + 1,) values of each packet."""
        return self.column.offsets

    @property
    def errors(self) -> NDArray[np.float32]:
        """Standard deviations."""
        return np.sqrt(self.variance).astype(np.float32)

    def scheme_column(self, first: bool = False) -> Column:
        """The scheme (s, k, m) of each packet, or of the first."""
        scheme = self.scheme[:1] if first else self.scheme
        return Column(scheme.astype(np.uint8), parameter=",".join(self.column.scheme_parameters or ()) or None)


@dataclass(frozen=True)
class PacketSet:
    """Packets of one kind and database version, in order of time, with their origin."""

    decoded: DecodedStructure
    raw_file: NDArray[Any]
    number: NDArray[np.int64]
    """`packetID` of the XML."""
    parent: NDArray[Any]
    """Name of the file of raw packets (level LB) that holds each."""
    trigger_factor: int | None = None
    """Divisor of the triggers from the request table; None if the request is unknown."""

    def __len__(self) -> int:
        return len(self.decoded)

    def column(self, name: str) -> DecodedColumn:
        """A parameter.

        Raises
        ------
        UnbuildableProduct
            If the layout lacks it.
        """
        found = self.decoded.columns.get(name)
        if found is None:
            raise UnbuildableProduct(f"the layout of {self.decoded.key} has no parameter {name}")
        return found

    def raw(self, name: str, absent: int | None = None) -> NDArray[Any]:
        """Raw values; with `absent`, that number for each packet where the layout lacks the parameter."""
        if absent is not None and name not in self.decoded.columns:
            return np.full(len(self), absent, dtype=np.int64)
        return self.column(name).raw

    def compressed(self, name: str) -> Compressed:
        """A compressed parameter.

        Raises
        ------
        UnbuildableProduct
            If the layout lacks it, the packet kind has no scheme for it, or a value is beyond 63 bits (no instrument
            counts that far).
        """
        column = self.column(name)
        if column.value is None or column.variance is None or column.scheme is None:
            raise UnbuildableProduct(f"{name} of {self.decoded.key} is not compressed")
        values = column.value
        if values.dtype == np.uint64 and values.size and int(values.max()) >> 63:
            raise UnbuildableProduct(f"a count of {int(values.max())} is impossible")
        return Compressed(column, values.astype(np.int64), column.variance, column.scheme)

    def origin(self) -> Table:
        """raw_file, packet and parent, a row per packet."""
        return {
            "raw_file": Column(self.raw_file),
            "packet": Column(self.number),
            "parent": Column(self.parent),
        }

    @property
    def measured_at(self) -> NDArray[np.int64]:
        """Ticks of NIX00445 and NIX00446: when the data of each packet begin."""
        return clock.ticks(self.raw("NIX00445").astype(np.int64), self.raw("NIX00446", 0).astype(np.int64))


@dataclass
class Measured:
    """Tables of a product before it is split into files.

    `data` has the columns `time` (centre of the bin) and `timedel` (its length) in ticks, and `control_index`, the row
    of `control`.
    """

    control: Table
    data: Table
    energies: tuple[NDArray[np.int64], ...] = ()
    """(planes, 2) first and last channel of each plane of the counts, for each energy table of the rows; empty for all
    32 channels."""
    energies_of_row: NDArray[np.int64] | None = None
    """(rows,) energy table of each row of `data`; None if all have the first."""
    channel_numbers: NDArray[np.int64] | None = None
    """Numbers of the planes, where they do not count from 0."""
    cards: list[tuple[str, Any, str]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What was left out, with reason."""

    def warn(self, text: str) -> None:
        """Mark the file: `WARNING` once, and the text as a comment."""
        if WARNING not in self.cards:
            self.cards.append(WARNING)
        if text not in self.comments:
            self.comments.append(text)
