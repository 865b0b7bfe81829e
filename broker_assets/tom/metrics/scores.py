"""How often classifiers gave classes which probability, and whether that was right, over millions of messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.tom.metrics.curves import BINS

NOT_A_PROBABILITY: Final = -1
"""Bin of numbers that are not from 0 to 1."""

_COUNT: Final = 12
"""Where an array on the wire has the number of its elements, after its dimensions, flags and type, bytes."""
_HEADER: Final = 20
"""Where the elements of a one-dimensional array begin, each after its length; one without elements ends at `_COUNT`."""


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _word(data: NDArray[np.uint8], position: int) -> np.int64:
    value = (
        (np.int64(data[position]) << 24)
        | (np.int64(data[position + 1]) << 16)
        | (np.int64(data[position + 2]) << 8)
        | np.int64(data[position + 3])
    )
    return np.int64(value - (1 << 32)) if value >= (1 << 31) else value


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _elements(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n + 1,) where the elements of each array begin in the concatenation of all."""
    starts = np.zeros(offsets.size, np.int64)
    for row in range(offsets.size - 1):
        filled = offsets[row + 1] - offsets[row] > _COUNT
        starts[row + 1] = starts[row] + (_word(data, offsets[row] + _COUNT) if filled else 0)
    return starts


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _gather(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], starts: NDArray[np.int64], width: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The elements of all arrays, little endian, and which of them have a value."""
    out = np.zeros(starts[-1] * width, np.uint8)
    valid = np.zeros(starts[-1], np.bool_)
    for row in range(offsets.size - 1):
        position = offsets[row] + _HEADER
        for element in range(starts[row], starts[row + 1]):
            length = _word(data, position)
            position += 4
            if length == width:
                valid[element] = True
                for k in range(width):
                    out[element * width + k] = data[position + width - 1 - k]
                position += width
    return out, valid


def _buffers(arrays: pa.ChunkedArray | pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Bytes and offsets of a column of bytes."""
    whole = arrays.combine_chunks() if isinstance(arrays, pa.ChunkedArray) else arrays
    whole = whole.cast(pa.large_binary())
    _, offsets, data = whole.buffers()
    where = np.frombuffer(offsets, np.int64)[whole.offset : whole.offset + len(whole) + 1]
    content = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    for array in (content, where):
        array.flags.writeable = False  # whatever made the table: the loops are compiled for one type
    return content, where


def count_scores(messages: pa.Table, right: Sequence[tuple[int, int]]) -> pa.Table:
    """Count classes of messages by classifier, class, whether it is right, and bin of the probability.

    A class that a message lists twice counts twice; a null in place of a class counts nowhere.

    Parameters
    ----------
    messages : pyarrow.Table
        `classifier_id` (int64), `gentype` (int32), `classid` (binary: an array of int2 as PostgreSQL sends it)
        and `probability` (binary: of float4, of the same length).
    right : sequence of (int, int)
        Class and model, wherever the class is right for the model.

    Returns
    -------
    pyarrow.Table
        `classifier_id`, `classid`, `is_right`, `bin` (0 to `BINS` - 1, or `NOT_A_PROBABILITY`) and `messages`.

    Raises
    ------
    ValueError
        If a message has more classes than probabilities, or fewer.
    """
    data, offsets = _buffers(messages.column("classid"))
    starts = _elements(data, offsets)
    elements, named = _gather(data, offsets, starts, 2)
    classid = elements.view(np.int16)
    data, offsets = _buffers(messages.column("probability"))
    if not np.array_equal(_elements(data, offsets), starts):
        raise ValueError("a message has another number of probabilities than of classes")
    elements, given = _gather(data, offsets, starts, 4)
    probability = elements.view(np.float32)

    listed = np.diff(starts)
    classifiers, classifier = np.unique(messages.column("classifier_id").to_numpy(), return_inverse=True)
    models, model = np.unique(messages.column("gentype").to_numpy(), return_inverse=True)
    # Class numbers are of 16 bits: a table of all of them is smaller than sorting the millions.
    first = int(np.iinfo(np.int16).min)
    used = np.zeros(1 << 16, np.bool_)
    used[classid.astype(np.int32) - first] = True
    classes = np.flatnonzero(used)
    place = np.zeros(1 << 16, np.int64)
    place[classes] = np.arange(classes.size)
    of_class = place[classid.astype(np.int32) - first]

    is_right = np.zeros((classes.size, models.size), np.bool_)
    for number, gentype in right:
        at = np.searchsorted(models, gentype)
        if -first + number < used.size and used[number - first] and at < models.size and models[at] == gentype:
            is_right[place[number - first], at] = True

    bins = np.full(probability.size, NOT_A_PROBABILITY, np.int64)
    valid = given & (probability >= 0) & (probability <= 1)
    bins[valid] = np.minimum((probability[valid].astype(np.float64) * BINS).astype(np.int64), BINS - 1)

    key = np.repeat(classifier.astype(np.int64), listed) * classes.size + of_class
    key = (key * 2 + is_right[of_class, np.repeat(model, listed)]) * (BINS + 1) + (bins + 1)
    counts = np.bincount(key[named])
    groups = np.flatnonzero(counts)
    rest, group_bin = np.divmod(groups, BINS + 1)
    rest, group_right = np.divmod(rest, 2)
    group_classifier, group_class = np.divmod(rest, max(classes.size, 1))
    return pa.table(
        {
            "classifier_id": pa.array(classifiers[group_classifier], pa.int64()),
            "classid": pa.array(classes[group_class] + first, pa.int32()),
            "is_right": pa.array(group_right.astype(np.bool_)),
            "bin": pa.array(group_bin - 1, pa.int16()),
            "messages": pa.array(counts[groups], pa.int64()),
        }
    )
