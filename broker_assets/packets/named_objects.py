"""Known solar-system objects in packets that only give their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.packets.designations import Designation, NotADesignation, designation
from broker_assets.packets.values import Column

NO_NAME: Final = frozenset({"", "null", "none", "nan", "-99", "-999", "-9999", "-999.0"})
"""Texts, in lower case, that surveys and brokers write where there is no object."""


@dataclass(frozen=True)
class NamedObjects:
    """The objects of those rows that have one; (n,) arrays."""

    row: NDArray[np.int64]
    """Row in the column of names, ascending."""
    identifier: pa.Array
    """See `Designation.identifier`; int64."""
    unpacked: pa.Array
    """Designations as they are written; string."""
    not_understood: int
    """Number of rows with a text that is not a designation."""


def named_objects(names: Column) -> NamedObjects:
    """Read a column of designations.

    Parameters
    ----------
    names : (m,) Arrow column of strings
        Designations in any form, null or one of `NO_NAME` where there is none.

    Examples
    --------
    >>> found = named_objects(pa.array(["2004JQ12", None, "null", "433", "Planet X"]))
    >>> found.row, found.unpacked.to_pylist(), found.not_understood
    (array([0, 3]), ['2004 JQ12', '433'], 1)
    """
    array = names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names
    encoded = array.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    found = [_designation(text) for text in texts]
    place = pc.fill_null(encoded.indices, -1).to_numpy()
    known = np.array([*(item is not None for item in found), False])[place]
    unknown = np.array(
        [*(item is None and text.lower() not in NO_NAME for text, item in zip(texts, found, strict=True)), False]
    )[place]
    row = np.flatnonzero(known)
    chosen = pa.array(place[row])
    identifiers = pa.array([None if item is None else item.identifier for item in found], pa.int64())
    unpacked = pa.array([None if item is None else item.unpacked for item in found], pa.string())
    return NamedObjects(row, identifiers.take(chosen), unpacked.take(chosen), int(unknown.sum()))


def _designation(text: str) -> Designation | None:
    if text.lower() in NO_NAME:
        return None
    try:
        return designation(text)
    except NotADesignation:
        return None
