"""Packets before they are encoded, and helpers for encoding them: masks, schemes, structure ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.decoding.compression import scheme_table
from broker_assets.telemetry.idb.database import InstrumentDatabase
from broker_assets.telemetry.idb.instrument_rules import StructureKey
from broker_assets.telemetry.packets.encoding import CONTINUATION, FIRST, LAST, STANDALONE, PacketHeader, encode

Values = dict[str, int | Sequence[int]]

ALL_PIXELS: Final = 0xFFF
ALL_DETECTORS: Final = 0xFFFFFFFF
NOT_IMAGING: Final = (8, 9)
"""Detectors, from 0, that have no grids for imaging: the coarse flare locator and the background monitor."""
IMAGING: Final = tuple(detector for detector in range(32) if detector not in NOT_IMAGING)
IMAGING_MASK: Final = sum(1 << detector for detector in IMAGING)

_PROCESSES: Final = {1: (90, 1), 3: (90, 4), 5: (90, 7), 17: (90, 7), 239: (90, 8)}
"""Process id and packet category by service."""
_QUICK_LOOK: Final = (93, 12)
_ON_REQUEST: Final = (91, 12)


@dataclass(frozen=True)
class Draft:
    """A packet without sequence count."""

    key: StructureKey
    coarse: int
    """On-board second in its header."""
    values: Values
    fine: int = 0
    flag: int = STANDALONE

    @property
    def process(self) -> tuple[int, int]:
        """Process id and packet category; sequence counts run per pair."""
        service, _, structure_id = self.key
        if service == 21:
            return _QUICK_LOOK if structure_id in (30, 31, 32, 33, 34, 43) else _ON_REQUEST
        return _PROCESSES.get(service, (90, 8))


def in_sequence(key: StructureKey, coarse: int, parts: Sequence[Values]) -> Iterator[Draft]:
    """The packets of a sequence, a second apart, with its flags."""
    for number, values in enumerate(parts):
        flag = FIRST if number == 0 else LAST if number == len(parts) - 1 else CONTINUATION
        yield Draft(key, coarse + number, values, flag=STANDALONE if len(parts) == 1 else flag)


def in_order(drafts: Iterable[Draft]) -> list[Draft]:
    """Packets by time, as they leave the instrument."""
    return sorted(drafts, key=lambda draft: (draft.coarse, draft.fine))


class Packer:
    """Encodes drafts and counts them separately for each process of the instrument."""

    def __init__(self, database: InstrumentDatabase) -> None:
        self._database = database
        self._counts: dict[tuple[int, int], int] = {}

    def pack(self, draft: Draft) -> bytes:
        """The next packet of the draft's process."""
        process, category = draft.process
        count = self._counts.get(draft.process, 0)
        self._counts[draft.process] = count + 1
        header = PacketHeader(draft.coarse, draft.fine, count, draft.flag, process, category)
        return encode(self._database, draft.key, self._identified(draft), header)

    def _identified(self, draft: Draft) -> Mapping[str, int | Sequence[int]]:
        """Values including the field that identifies the kind of packet."""
        structure_id = draft.key[2]
        structure = self._database.structure(*draft.key)
        if structure_id is None or structure is None:
            return draft.values
        first = self._database.layout(structure).root.fields[0].parameter.name
        return {first: structure_id, **draft.values}


def scheme(names: Sequence[str], s: int, k: int, m: int) -> Values:
    """The three parameters that announce a compression scheme."""
    return dict(zip(names, (s, k, m), strict=True))


def compressed(values: NDArray[Any], s: int, k: int, m: int) -> list[int]:
    """Bytes that represent integers, in their order; values beyond the scheme become its largest value.

    Examples
    --------
    >>> compressed(np.array([5, 12799, -7]), 0, 5, 3), compressed(np.array([-2015]), 1, 3, 4)
    ([5, 92, 0], [255])
    """
    flat = np.rint(np.asarray(values, dtype=np.float64)).ravel()
    largest = 127 if s else 255
    sizes = np.arange(largest + 1)
    exponent = np.maximum((sizes >> m) - 1, 0)
    mantissa = (1 << m) + (sizes & ((1 << m) - 1))
    lowest = np.where(sizes < 2 << m, sizes, mantissa * 2.0**exponent)
    usable = int(np.flatnonzero(scheme_table(s, k, m).representable[: largest + 1])[-1])
    found = np.searchsorted(lowest[: usable + 1], np.abs(flat) if s else np.maximum(flat, 0), side="right") - 1
    return [int(byte) for byte in np.where((flat < 0) & bool(s), found + 128, found)]


def edge_mask(edges: Iterable[int]) -> tuple[int, int]:
    """Mask of energy edges 0 to 31, and edge 32.

    Examples
    --------
    >>> edge_mask([1, 32])
    (2, 1)
    """
    whole = sum(1 << edge for edge in set(edges))
    return whole & 0xFFFFFFFF, whole >> 32


def chunks(total: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` that cover `total`.

    Examples
    --------
    >>> list(chunks(5, 3))
    [slice(0, 3, None), slice(3, 5, None)]
    """
    for first in range(0, total, size):
        yield slice(first, min(first + size, total))
