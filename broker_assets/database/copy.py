"""Bulk load: Arrow tables as PostgreSQL's binary COPY stream, without a Python object per value.

The stream is defined in the PostgreSQL manual, section COPY, "Binary Format": a header; for each row the number of
fields and for each field its length and its big-endian bytes, or −1 for null; a trailer. Columns are written one after
the other into a block of rows that stays in the processor's cache.

Values that PostgreSQL cannot store must not stop a batch: U+0000 in a text is stored as U+FFFD, and a date or instant
outside its calendar as null. The packet archive has the bytes as received.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numba
import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from numpy.typing import NDArray
from psycopg import sql

from broker_assets.database.arrow import arrow_type

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"

BLOCK_ROWS = 1024
"""Rows encoded at a time: at about a kilobyte per row, they fit into the second-level cache."""

DAYS_TO_2000 = 10_957
"""PostgreSQL counts days from 2000-01-01, Arrow from 1970-01-01."""
MICROSECONDS_TO_2000 = DAYS_TO_2000 * 86_400 * 1_000_000

FIRST_DAY, LAST_DAY = -2_451_545, 2_145_031_948
"""Dates that PostgreSQL can store (4713 BC to 5874897 AD), days since 2000-01-01; `datatype/timestamp.h`."""
FIRST_MICROSECOND, LAST_MICROSECOND = -211_813_488_000_000_000, 9_223_371_331_199_999_999
"""Instants that PostgreSQL can store (4713 BC to 294276 AD), microseconds since 2000-01-01; the same."""

_ELEMENTS: Final = {pa.int64(): (20, ">i8"), pa.int16(): (21, ">i2"), pa.float32(): (700, ">f4")}
"""Elements of arrays: OID of their type (`pg_type.dat`), and format on the wire."""

Bytes = NDArray[np.uint8]


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _put_length(out: Bytes, position: int, length: int) -> None:
    out[position] = (length >> 24) & 0xFF
    out[position + 1] = (length >> 16) & 0xFF
    out[position + 2] = (length >> 8) & 0xFF
    out[position + 3] = length & 0xFF


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _put_fixed(out: Bytes, cursor: NDArray[np.int64], valid: Bytes, values: Bytes, width: int) -> None:
    """Write one column of fixed width; `values` contains big-endian bytes, row by row."""
    for row in range(cursor.size):
        position = cursor[row]
        if valid[row]:
            _put_length(out, position, width)
            position += 4
            start = row * width
            for k in range(width):
                out[position + k] = values[start + k]
            cursor[row] = position + width
        else:
            _put_length(out, position, -1)
            cursor[row] = position + 4


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _put_variable(
    out: Bytes, cursor: NDArray[np.int64], valid: Bytes, offsets: NDArray[np.int64], values: Bytes
) -> None:
    """Write one column of texts or bytes."""
    for row in range(cursor.size):
        position = cursor[row]
        if valid[row]:
            start, end = offsets[row], offsets[row + 1]
            _put_length(out, position, end - start)
            position += 4
            for k in range(start, end):
                out[position] = values[k]
                position += 1
            cursor[row] = position
        else:
            _put_length(out, position, -1)
            cursor[row] = position + 4


class _Column:
    """A column ready for writing: validity, and values as big-endian bytes or as offsets into bytes."""

    values: Bytes
    length: NDArray[np.int64]

    def __init__(self, name: str, values: pa.ChunkedArray, kind: pa.DataType) -> None:
        try:
            array = pc.cast(values, kind).combine_chunks()
        except pa.ArrowInvalid as error:
            raise ValueError(f"column {name!r} does not fit its SQL type: {error}") from error
        if isinstance(array, pa.ChunkedArray):  # pyarrow does not combine an empty ChunkedArray
            array = pa.array([], kind) if array.num_chunks == 0 else array.chunk(0)
        if pa.types.is_large_string(kind):
            array = _without_nul(array)
        self.valid: Bytes = (
            np.ones(len(array), np.uint8)
            if array.null_count == 0
            else np.asarray(array.is_valid().to_numpy(zero_copy_only=False), dtype=np.uint8)
        )
        self.offsets: NDArray[np.int64] | None = None
        if pa.types.is_list(kind):
            self.width = 0
            self.offsets, self.values = _arrays_on_the_wire(array)
            self.length = np.diff(self.offsets) * self.valid.astype(np.int64) + 4
            return
        if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
            self.width = 0
            _, offsets, data = array.buffers()
            # An array without rows may have no buffers.
            every = np.zeros(1, np.int64) if offsets is None else np.frombuffer(offsets, np.int64)
            self.offsets = every[array.offset : array.offset + len(array) + 1]
            if self.offsets.size == 0:
                self.offsets = np.zeros(1, np.int64)
            self.values = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
            self.length = np.diff(self.offsets) * self.valid.astype(np.int64) + 4
            return
        numbers = _numbers(array)
        self.width = numbers.dtype.itemsize
        if pa.types.is_date(kind):
            self.valid &= (numbers >= FIRST_DAY) & (numbers <= LAST_DAY)
        elif pa.types.is_timestamp(kind):
            self.valid &= (numbers >= FIRST_MICROSECOND) & (numbers <= LAST_MICROSECOND)
        self.values = numbers.byteswap().view(np.uint8)
        self.length = self.valid.astype(np.int64) * self.width + 4

    def put(self, out: Bytes, cursor: NDArray[np.int64], start: int, stop: int) -> None:
        """Write rows `start` to `stop` at their cursors, and advance the cursors."""
        valid = self.valid[start:stop]
        if self.offsets is None:
            _put_fixed(out, cursor, valid, self.values[start * self.width : stop * self.width], self.width)
        else:
            _put_variable(out, cursor, valid, self.offsets[start : stop + 1], self.values)


def _numbers(array: pa.Array) -> NDArray[Any]:
    """Values as PostgreSQL's binary numbers, in the byte order of the machine; nulls have arbitrary values."""
    kind = array.type
    if pa.types.is_boolean(kind):
        return np.asarray(pc.fill_null(array, False).to_numpy(zero_copy_only=False), dtype=np.uint8)
    if len(array) == 0:
        return np.zeros(0, np.dtype(f"i{kind.bit_width // 8}"))
    raw: NDArray[Any] = pa.Array.from_buffers(
        {1: pa.int8(), 2: pa.int16(), 4: pa.int32(), 8: pa.int64()}[kind.bit_width // 8],
        len(array),
        [None, array.buffers()[1]],
        offset=array.offset,
    ).to_numpy()
    # Values before the first day are clipped to just before it; otherwise the subtraction would overflow into the
    # future.
    if pa.types.is_date(kind):
        raw = np.maximum(raw, FIRST_DAY - 1 + DAYS_TO_2000) - np.int32(DAYS_TO_2000)
    elif pa.types.is_timestamp(kind):
        raw = np.maximum(raw, FIRST_MICROSECOND - 1 + MICROSECONDS_TO_2000) - np.int64(MICROSECONDS_TO_2000)
    return raw


def _arrays_on_the_wire(array: pa.Array) -> tuple[NDArray[np.int64], Bytes]:
    """Lists of numbers as PostgreSQL sends arrays (`array_send`): where each row begins, and the bytes.

    Five words before the elements (dimensions, whether there are nulls, type of the elements, number of elements, first
    subscript), and a length before each element; an empty array has only the first three words.
    """
    starts = array.offsets.to_numpy().astype(np.int64)
    if array.values.slice(starts[0], starts[-1] - starts[0]).null_count:
        raise ValueError("an array with a null element cannot be written")
    oid, kind = _ELEMENTS[array.type.value_type]
    elements = pc.fill_null(array.values, 0).to_numpy().astype(kind)
    step = 4 + elements.dtype.itemsize
    count = np.where(array.is_valid().to_numpy(zero_copy_only=False), np.diff(starts), 0)
    filled = count > 0
    size = np.where(filled, 20 + step * count, 12)
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(size)])
    out = np.zeros(int(ends[-1]), np.uint8)
    words = np.zeros((len(count), 5), ">i4")
    words[:, 0], words[:, 2], words[:, 3], words[:, 4] = filled, oid, count, 1
    head = words.view(np.uint8)
    for place in range(12):
        out[ends[:-1] + place] = head[:, place]
    for place in range(12, 20):
        out[ends[:-1][filled] + place] = head[filled, place]
    row = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    value = elements[np.repeat(starts[:-1], count) + within].view(np.uint8).reshape(-1, elements.dtype.itemsize)
    at = ends[row] + 20 + step * within
    out[at + 3] = elements.dtype.itemsize
    for place in range(elements.dtype.itemsize):
        out[at + 4 + place] = value[:, place]
    return ends, out


def _without_nul(texts: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring(texts, "\x00")).as_py():
        return texts
    return pc.replace_substring(texts, "\x00", "\ufffd")


def _wire_type(kind: sa.types.TypeEngine[Any]) -> pa.DataType:
    arrow = arrow_type(kind)
    if pa.types.is_string(arrow):
        return pa.large_string()
    return pa.large_binary() if pa.types.is_binary(arrow) else arrow


def encode_blocks(rows: pa.Table, table: sa.Table) -> Iterator[memoryview | bytes]:
    """Encode rows for `COPY … FROM STDIN (FORMAT BINARY)`, a block at a time.

    Parameters
    ----------
    rows : pyarrow.Table
        Columns named as in `table`, in any order, each of a type that casts to that of the SQL column without loss.
    table : Table
        Defines the SQL types.

    Yields
    ------
    memoryview or bytes
        The stream; the columns are in the order of `rows`.

    Raises
    ------
    KeyError
        If `rows` has a column that `table` does not have.
    ValueError
        If a value does not fit the type of its column.

    Examples
    --------
    >>> from broker_assets.database.tables import stream_offset
    >>> b"".join(encode_blocks(pa.table({"partition": [7]}), stream_offset))[19:-2]
    b'\\x00\\x01\\x00\\x00\\x00\\x04\\x00\\x00\\x00\\x07'
    """
    unknown = [name for name in rows.column_names if name not in table.c]
    if unknown:
        raise KeyError(f"table {table.name} has no column {', '.join(unknown)}")
    columns = [_Column(name, rows.column(name), _wire_type(table.c[name].type)) for name in rows.column_names]
    fields = np.frombuffer(len(columns).to_bytes(2, "big"), np.uint8)
    yield HEADER
    for start in range(0, rows.num_rows, BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, rows.num_rows)
        ends = np.full(stop - start, 2, np.int64)
        for column in columns:
            ends += column.length[start:stop]
        np.cumsum(ends, out=ends)
        out = np.empty(int(ends[-1]), np.uint8)
        cursor = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
        out[cursor] = fields[0]
        out[cursor + 1] = fields[1]
        cursor += 2
        for column in columns:
            column.put(out, cursor, start, stop)
        yield out.data
    yield TRAILER


def load(cursor: psycopg.Cursor[Any], table: sa.Table, rows: pa.Table, *, into: str | None = None) -> int:
    """Copy rows into a table, within the caller's transaction.

    Columns without values are not sent: they stay null or get their default.

    Parameters
    ----------
    cursor : psycopg.Cursor
        Cursor of the connection to use.
    table : Table
        Defines the types and, unless `into` is given, the name.
    rows : pyarrow.Table
        See `encode_blocks`.
    into : str, optional
        Another table with the same columns, such as a temporary one.

    Returns
    -------
    int
        Number of rows copied.
    """
    if rows.num_rows == 0:
        return 0
    empty = [name for name in rows.column_names if rows.column(name).null_count == rows.num_rows]
    filled = rows.drop_columns(empty) if 0 < len(empty) < rows.num_columns else rows
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(into or table.name), sql.SQL(", ").join(map(sql.Identifier, filled.column_names))
    )
    with cursor.copy(statement) as stream:
        for block in encode_blocks(filled, table):
            stream.write(block)
    return int(rows.num_rows)
