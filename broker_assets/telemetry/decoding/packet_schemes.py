"""The compression schemes that packets of a kind announce, and decompression of their columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.decoding.compression import CompressionError, SchemeTable, scheme_table
from broker_assets.telemetry.decoding.execution import Walked, compiled_loaded
from broker_assets.telemetry.decoding.plan import Plan
from broker_assets.telemetry.idb.instrument_rules import Scheme

SMALL_COLUMN = 65_536
"""Number of values up to which columns are decompressed without compiled code if the process has not loaded it."""


@dataclass(frozen=True)
class _Announced:
    """What the packets say for one scheme."""

    schemes: NDArray[np.int64]
    """(n, 3) per packet."""
    which: NDArray[np.int64]
    """(n,) element of `tables`."""
    tables: tuple[SchemeTable | CompressionError, ...]
    """One per different scheme, or why it is not valid."""


class PacketSchemes:
    """Schemes of all packets of one kind, each read once for all the parameters that use it.

    Parameters
    ----------
    plan : Plan
    walked : Walked
        Raw columns of the packets.
    """

    def __init__(self, plan: Plan, walked: Walked) -> None:
        self._walked = walked
        self._fields = {c.field.parameter.name: c.field.index for c in reversed(plan.columns) if c.field.group == 0}
        self._announced: dict[Scheme, _Announced] = {}

    def of(self, scheme: Scheme) -> NDArray[np.int64]:
        """(n, 3) s, k and m of each packet."""
        return self._read(scheme).schemes

    def refused(self, scheme: Scheme, raw: NDArray[Any], offsets: NDArray[np.int64]) -> Iterator[tuple[int, str]]:
        """Packets whose scheme is not valid or whose stored values are beyond it, with the reason.

        Parameters
        ----------
        scheme : Scheme
            Scheme of the parameter.
        raw : (m,) uint8 array
            Stored bytes of all packets.
        offsets : (n + 1,) int64 array
            Values of packet i are `[offsets[i]:offsets[i + 1]]`.
        """
        announced = self._read(scheme)
        for number, table in enumerate(announced.tables):
            if isinstance(table, SchemeTable) and raw.dtype == np.uint8 and table.complete:
                continue
            for row in np.flatnonzero(announced.which == number).tolist():
                stored = raw[offsets[row] : offsets[row + 1]]
                if isinstance(table, CompressionError):
                    yield row, str(table)
                elif (stored > 255).any() or not table.representable[stored & 255].all():
                    yield row, f"a stored value is beyond scheme {table.scheme}"

    def decompress(
        self, scheme: Scheme, raw: NDArray[Any], offsets: NDArray[np.int64]
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Values (uint64, or int64 if any scheme has a sign) and variances of a column of stored bytes.

        Only for packets that `refused` does not name.
        """
        announced = self._read(scheme)
        tables = [table for table in announced.tables if isinstance(table, SchemeTable)]
        values = np.empty(len(raw), dtype=np.uint64)
        variances = np.empty(len(raw), dtype=np.float64)
        if tables:
            patterns = np.stack([table.values.view(np.uint64) for table in tables])
            spreads = np.stack([table.variances for table in tables])
            stored = np.ascontiguousarray(raw, dtype=np.uint8)
            if len(stored) < SMALL_COLUMN and not compiled_loaded():
                table = np.repeat(announced.which, np.diff(offsets))
                values, variances = patterns[table, stored], spreads[table, stored]
            else:
                from broker_assets.telemetry.decoding.walk import expand

                starts = np.ascontiguousarray(offsets)
                expand(stored, starts, announced.which, patterns, spreads, values, variances)
        return values.view(np.int64) if any(table.scheme[0] for table in tables) else values, variances

    def _read(self, scheme: Scheme) -> _Announced:
        if scheme not in self._announced:
            parts = [self._walked.columns[self._fields[name]].astype(np.int64) for name in scheme.parameters]
            schemes = np.column_stack(parts)
            if scheme.unsigned:
                # The sign bit, if there is one, is an additional exponent bit for an unsigned quantity.
                schemes[:, 1] += schemes[:, 0]
                schemes[:, 0] = 0
            code = schemes[:, 0] << 48 | schemes[:, 1] << 24 | schemes[:, 2]
            _, first, which = np.unique(code, return_index=True, return_inverse=True)
            tables = tuple(_table(*schemes[row].tolist()) for row in first)
            self._announced[scheme] = _Announced(schemes, which.astype(np.int64), tables)
        return self._announced[scheme]


def _table(s: int, k: int, m: int) -> SchemeTable | CompressionError:
    try:
        return scheme_table(s, k, m)
    except CompressionError as error:
        return error
