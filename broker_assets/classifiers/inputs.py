"""The input arrays of models, from the tables about the alerts of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.classifiers.description import Column, ColumnInput, StampInput

Floats = NDArray[np.float64]
ReadStamps = Callable[[NDArray[np.int64], Sequence[str], int], NDArray[np.float32]]
"""Reads stamps of packets, of given kinds and size: (packets, kinds, size, size), NaN where there is no value."""

LARGEST: Final = 3.4e38
"""Absolute value beyond which a number does not fit into 32 bits."""


@dataclass(frozen=True)
class AlertInputs:
    """What is known about the alerts of a batch."""

    packets: NDArray[np.int64]
    """(n,) number of each alert in its batch."""
    tables: Mapping[str, pa.Table]
    """By name in descriptions (`features`, `object`, `source`, `context`), each with `packet`, at most one row per
    packet; a table or column that is absent has no values."""
    stamps: ReadStamps | None = None
    """Reads the stamps; without it there are none."""
    _rows: dict[str, NDArray[np.int64]] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.packets)

    def matrix(self, wanted: ColumnInput, dtype: np.dtype[np.floating]) -> NDArray[np.floating]:
        """The numbers of an input.

        Parameters
        ----------
        wanted : ColumnInput
            The input.
        dtype : dtype
            That of the model's input.

        Returns
        -------
        (n, columns) array
            In the order of the alerts; missing and infinite values are replaced as the description says.
        """
        matrix = np.empty((len(self), len(wanted.columns)), dtype)
        for place, column in enumerate(wanted.columns):
            matrix[:, place] = self._column(column, dtype)
        return matrix

    def images(self, wanted: StampInput, rows: slice) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The stamps of some alerts.

        Returns
        -------
        images : (m, kinds, size, size) float32 array
            Normalised as the description says.
        present : (m,) bool array
            Whether an alert has all of them.
        """
        packets = self.packets[rows]
        if self.stamps is None:
            shape = (len(packets), len(wanted.stamps), wanted.size, wanted.size)
            return np.full(shape, wanted.fill, np.float32), np.zeros(len(packets), bool)
        pixels = self.stamps(packets, wanted.stamps, wanted.size)
        present = np.isfinite(pixels.reshape(*pixels.shape[:2], -1)).any(axis=2).min(axis=1, initial=True)
        return normalised(pixels, wanted.normalisation, wanted.fill), present

    def _column(self, wanted: Column, dtype: np.dtype[np.floating]) -> Floats:
        fill = np.nan if wanted.fill is None else wanted.fill
        table = self.tables.get(wanted.table)
        if table is None or wanted.name not in table.column_names:
            return np.full(len(self), fill)
        if wanted.table not in self._rows:
            self._rows[wanted.table] = _rows(table["packet"], self.packets)
        rows = self._rows[wanted.table]
        values = table[wanted.name]
        if wanted.categories:
            values = pc.index_in(values.cast(pa.string()), pa.array(wanted.categories))
        elif values.type not in _PLAIN:
            values = values.cast(pa.float64(), safe=False)
        # Nulls become NaN; the last value is that of alerts without a row.
        found = np.append(np.asarray(values.to_numpy(), np.float64), np.nan)[rows]
        limit = LARGEST if dtype == np.float32 else np.finfo(np.float64).max
        # NaN compares as false.
        found[~(np.abs(found) <= limit)] = fill
        return found


_PLAIN: Final = (pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64())
"""Types that numpy can convert, with NaN for nulls."""


def _rows(known: pa.ChunkedArray, packets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row of each packet in a table; −1 where it has none."""
    numbers = known.to_numpy().astype(np.int64)
    place = np.full(int(max(packets.max(initial=-1), numbers.max(initial=-1))) + 1, -1, np.int64)
    place[numbers] = np.arange(len(numbers))
    return place[packets]


def normalised(pixels: NDArray[np.float32], how: str, fill: float) -> NDArray[np.float32]:
    """Normalise each image by itself, over its pixels that have a value.

    Parameters
    ----------
    pixels : (n, kinds, rows, columns) float32 array
        NaN where there is no value.
    how : {"none", "maximum", "standard"}
        See `StampInput.normalisation`. A constant image becomes 0.
    fill : float
        Value of pixels without one.

    Examples
    --------
    >>> normalised(np.array([[[[1.0, -4.0], [np.nan, 2.0]]]], np.float32), "maximum", 0.0).ravel().tolist()
    [0.25, -1.0, 0.0, 0.5]
    """
    known = np.isfinite(pixels)
    values = np.where(known, pixels, 0.0).astype(np.float64)
    if how == "maximum":
        scale = np.abs(values).max(axis=(2, 3), keepdims=True)
    elif how == "standard":
        count = np.maximum(known.sum(axis=(2, 3), keepdims=True), 1)
        values = np.where(known, values - values.sum(axis=(2, 3), keepdims=True) / count, 0.0)
        scale = np.sqrt((values**2).sum(axis=(2, 3), keepdims=True) / count)
    else:
        scale = np.ones((*pixels.shape[:2], 1, 1))
    values /= np.where(scale > 0, scale, 1.0)
    return np.where(known, values, fill).astype(np.float32)
