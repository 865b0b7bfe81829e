"""Conversion of values from outside to the types of our columns: what cannot be understood becomes null.

A value that does not fit only affects itself, not its row or its packet.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Column: TypeAlias = "pa.Array | pa.ChunkedArray"


def cast_where_possible(values: Column | NDArray[np.generic], kind: pa.DataType) -> tuple[Column, int]:
    """Cast a column; values that the type does not have become null.

    Parameters
    ----------
    values : (n,) Arrow column or numpy array
        Any type, even one that is unrelated to `kind`.
    kind : DataType
        Type of the result.

    Returns
    -------
    cast : (n,) Arrow column
    lost : int
        Number of values that became null.

    Examples
    --------
    >>> cast_where_possible(pa.array([1, 70_000, None]), pa.int16())[0].to_pylist()
    [1, None, None]
    >>> cast_where_possible(pa.array(["7", "seven"]), pa.int64())
    (<pyarrow.lib.Int64Array object at ...>
    [
      7,
      null
    ], 1)
    """
    if not isinstance(values, pa.Array | pa.ChunkedArray):
        values = pa.array(values)
    if values.type == kind:
        return values, 0
    try:
        # A number that loses digits as a float is still understood.
        cast: Column = pc.cast(values, kind, safe=not (_is_number(values.type) and pa.types.is_floating(kind)))
        if not (pa.types.is_floating(kind) and pa.types.is_floating(values.type) and kind != pa.float64()):
            return cast, 0
        # Arrow turns numbers that are too large for a shorter type into infinity.
        cast = pc.if_else(pc.and_(pc.is_inf(cast), pc.is_finite(values)), None, cast)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        cast = _numbers(values, kind) if _is_number(values.type) and pa.types.is_integer(kind) else _each(values, kind)
    return cast, cast.null_count - values.null_count


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _numbers(values: Column, kind: pa.DataType) -> Column:
    limits = np.iinfo(kind.to_pandas_dtype())
    # The largest int64 is not a float64: what rounds up to it is out of range too.
    low, high = (
        pa.scalar(float(limit) if pa.types.is_floating(values.type) else limit) for limit in (limits.min, limits.max)
    )
    below = pc.less if pa.types.is_floating(values.type) and limits.bits == 64 else pc.less_equal
    fits = pc.and_(pc.greater_equal(values, low), below(values, high))
    if pa.types.is_floating(values.type):
        fits = pc.and_(fits, pc.equal(pc.floor(values), values))
    return pc.cast(pc.if_else(fits, values, None), kind)


def _each(values: Column, kind: pa.DataType) -> Column:
    """Cast distinct values one by one: slow, but rarely needed."""
    try:
        encoded = pc.dictionary_encode(values)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(len(values), kind)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    distinct = []
    for value in encoded.dictionary:
        try:
            distinct.append(pc.cast(value, kind).as_py())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, OverflowError):
            distinct.append(None)
    return pa.array(distinct, kind).take(encoded.indices)
