"""Results of queued SQL as files: CSV, Parquet, Arrow, and pickled data frames.

Pickles are only written, for clients of the original that ask for them, and never read.
"""

from __future__ import annotations

import io
import json
import pickle  # written, never read
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from broker_assets.tom.queries.running import Column, Piece, QueryError

FORMATS: Final[dict[str, tuple[str, str]]] = {
    "csv": ("text/csv; charset=utf-8", "csv"),
    "pandas": ("application/octet-stream", "pickle"),
    "numpy": ("application/octet-stream", "npy"),
    "parquet": ("application/vnd.apache.parquet", "parquet"),
    "arrow": ("application/vnd.apache.arrow.stream", "arrow"),
}
"""Media type and file extension of each format."""

_TYPES: Final[dict[int, pa.DataType]] = {
    16: pa.bool_(),
    21: pa.int16(),
    23: pa.int32(),
    20: pa.int64(),
    26: pa.int64(),
    700: pa.float32(),
    701: pa.float64(),
    1700: pa.float64(),
    1082: pa.date32(),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", "UTC"),
    17: pa.binary(),
    1000: pa.list_(pa.bool_()),
    1005: pa.list_(pa.int16()),
    1007: pa.list_(pa.int32()),
    1016: pa.list_(pa.int64()),
    1021: pa.list_(pa.float32()),
    1022: pa.list_(pa.float64()),
    1009: pa.list_(pa.string()),
}
"""Arrow types by the OID of the PostgreSQL type; others become text. `numeric` becomes a 64-bit float."""
_NUMERIC: Final = 1700
MOST_PICKLED: Final = 5_000_000
"""Most rows of a pickled data frame, which must fit in memory."""
MOST_PICKLED_BYTES: Final = 1 << 30
"""Most bytes of its values."""
_EXACT: Final = 2**53
"""Whole numbers up to this are exact as 64-bit floats."""


def schema_of(columns: Iterable[Column]) -> pa.Schema:
    """Columns of a file; if several have the same name, all but the first get a number."""
    fields: dict[str, pa.DataType] = {}
    for column in columns:
        name, number = column.name, 1
        while name in fields:
            number += 1
            name = f"{column.name}_{number}"
        fields[name] = _TYPES.get(column.oid, pa.string())
    return pa.schema(list(fields.items()))


def batch_of(piece: Piece, schema: pa.Schema) -> pa.RecordBatch:
    """Rows as an Arrow batch."""
    values = zip(*piece.rows, strict=True) if piece.rows else ([] for _ in schema)
    arrays = [
        pa.array(_typed(column, items, field.type), field.type)
        for column, items, field in zip(piece.columns, values, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _typed(column: Column, items: Iterable[Any], kind: pa.DataType) -> list[Any]:
    if column.oid == _NUMERIC:
        return [None if item is None else float(item) for item in items]
    items = list(items)
    if pa.types.is_list(kind) and any(isinstance(one, list) for item in items if item for one in item):
        raise QueryError(
            f"column {column.name} has arrays of several dimensions, which files cannot have: cast to text"
        )
    if pa.types.is_string(kind):
        return [item if item is None or isinstance(item, str) else _text(item) for item in items]
    return list(items)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    return json.dumps(value, default=str) if isinstance(value, dict | list | tuple) else str(value)


def write(found: Iterable[Piece], target: Path, form: str, *, most_bytes: int, read: Callable[[int], None]) -> int:
    """Write a result.

    Parameters
    ----------
    found : iterable of Piece
        The rows; at least one piece.
    target : Path
        File, replaced if it exists.
    form : str
        One of `FORMATS`.
    most_bytes : int
        Largest size of the file, bytes.
    read : callable
        Called with the number of rows read so far.

    Returns
    -------
    int
        Rows.

    Raises
    ------
    QueryError
        If the file becomes larger than `most_bytes`.
    """
    pieces = iter(found)
    first = next(pieces)
    schema = schema_of(first.columns)
    counted = _Counted(read)
    batches = (batch_of(piece, schema) for piece in counted.of(_chain(first, pieces)))
    with target.open("wb") as file:
        writer = {"csv": _csv, "pandas": _pickled, "numpy": _records, "parquet": _parquet, "arrow": _arrow}[form]
        for _ in writer(batches, schema, file):
            if file.tell() > most_bytes:
                raise QueryError(f"the result is larger than {most_bytes} bytes: select less")
    return counted.rows


class _Counted:
    """Counts rows as they pass."""

    def __init__(self, read: Callable[[int], None]) -> None:
        self._read = read
        self.rows = 0

    def of(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """Pass pieces on."""
        for piece in pieces:
            self.rows += len(piece.rows)
            self._read(self.rows)
            yield piece


def _chain(first: Piece, others: Iterator[Piece]) -> Iterator[Piece]:
    yield first
    yield from others


def _frame(table: pa.RecordBatch | pa.Table, *, whole: bool = False) -> pd.DataFrame:
    """A data frame with NumPy numbers and booleans, and everything else as objects, which all versions of pandas can
    read; `whole`: whole numbers stay so next to nulls, with which NumPy would make them real."""
    columns = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        plain = pa.types.is_floating(field.type) or (
            column.null_count == 0 and (pa.types.is_integer(field.type) or pa.types.is_boolean(field.type))
        )
        if pa.types.is_integer(field.type) and column.null_count and not whole:
            limits = pc.min_max(column).as_py()
            plain = limits["min"] is None or max(abs(limits["min"]), abs(limits["max"])) <= _EXACT
        if plain:
            columns[field.name] = (
                column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()
            )
        else:
            columns[field.name] = pd.Series(column.to_pylist(), dtype=object)
    frame = pd.DataFrame(columns, copy=False)
    frame.columns = pd.Index(list(columns), dtype=object)
    return frame


def _csv(batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: Any) -> Iterator[None]:
    """Write CSV whose first column has no name and numbers the rows, as in the original."""
    place = 0
    for batch in batches:
        frame = _frame(batch, whole=True)
        frame.index = pd.RangeIndex(place, place + len(frame))
        file.write(frame.to_csv(header=place == 0).encode())
        place += len(frame)
        yield


def _parquet(batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: Any) -> Iterator[None]:
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in _larger(batches):
            writer.write_batch(batch)
            yield


def _larger(batches: Iterable[pa.RecordBatch], rows: int = 100_000, size: int = 64 << 20) -> Iterator[pa.RecordBatch]:
    """Combine batches into larger row groups, of about this many rows or bytes."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(len(one) for one in waiting) >= rows or sum(one.nbytes for one in waiting) >= size:
            yield pa.concat_batches(waiting)
            waiting = []
    if waiting:
        yield pa.concat_batches(waiting)


def _arrow(batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: Any) -> Iterator[None]:
    with pa.ipc.new_stream(file, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            yield


def _records(batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: Any) -> Iterator[None]:
    """Write a structured array for `numpy.load`, which must be allowed to unpickle if there are text columns."""
    table = _gathered(batches, schema)
    content = io.BytesIO()
    np.save(content, _frame(table).to_records(index=False), allow_pickle=True)
    file.write(content.getbuffer())
    yield


def _gathered(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """A table in memory.

    Raises
    ------
    QueryError
        If it has more rows than `MOST_PICKLED`, or more bytes than `MOST_PICKLED_BYTES`.
    """
    kept: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        kept.append(batch)
        rows += len(batch)
        size += batch.nbytes
        if rows > MOST_PICKLED or size > MOST_PICKLED_BYTES:
            raise QueryError(
                f"a data frame or array in memory has at most {MOST_PICKLED} rows and {MOST_PICKLED_BYTES} bytes:"
                " ask for Parquet"
            )
    return pa.Table.from_batches(kept, schema)


def _pickled(batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: Any) -> Iterator[None]:
    table = _gathered(batches, schema)
    content = io.BytesIO()
    pickle.dump(_frame(table), content, protocol=4)
    file.write(content.getbuffer())
    yield
