"""Records of alerts as Avro bytes, written for many rows at once by one compiled function.

Avro concatenates encoded records. A row is therefore encoded once, and the history of an alert is a slice of the bytes
of its object's rows, see `alerts`. Values are kept as 64-bit patterns: one matrix for all columns of a record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.tom.survey.fields import Field

_LONG, _DOUBLE, _FLOAT, _STRING, _CONSTANT = range(5)
_KINDS: Final = {"long": _LONG, "double": _DOUBLE, "float": _FLOAT, "string": _STRING}
_WIDTHS: Final = {_LONG: 10, _DOUBLE: 8, _FLOAT: 4, _CONSTANT: 1}


class Encoded:
    """Encoded rows: their concatenated bytes.

    Parameters
    ----------
    data : bytes
        The bytes of all rows.
    offsets : (n + 1,) int64 array
        Where each row begins, and the end of the last.
    """

    def __init__(self, data: bytes, offsets: NDArray[np.int64]) -> None:
        self.data = data
        self.offsets = offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def row(self, number: int) -> bytes:
        """The bytes of a row."""
        return self.data[self.offsets[number] : self.offsets[number + 1]]


def encode(fields: Sequence[Field], rows: pa.Table) -> Encoded:
    """Encode the rows of a table as Avro records.

    Parameters
    ----------
    fields : sequence of Field
        The fields of the record, in their order.
    rows : pyarrow.Table
        The columns that the fields name.

    Raises
    ------
    ValueError
        If a field that cannot be null has a null.

    Examples
    --------
    >>> rows = pa.table({"id": [1, 64], "flux": pa.array([0.5, None], pa.float32())})
    >>> encode([Field("id", "long", "id"), Field("flux", "float?", "flux")], rows).row(1)
    b'\\x80\\x01\\x00'
    """
    count = rows.num_rows
    kinds = np.zeros(len(fields), np.int64)
    optional = np.zeros(len(fields), np.bool_)
    bits = np.zeros((len(fields), count), np.uint64)
    valid = np.ones((len(fields), count), np.bool_)
    texts: list[bytes] = []
    width = 0
    for number, field in enumerate(fields):
        kind = _KINDS[field.kind.removesuffix("?")]
        optional[number] = field.kind.endswith("?")
        if field.column is None and optional[number]:
            valid[number] = False
        elif field.column is not None:
            column = rows.column(field.column)
            if column.null_count:
                if not optional[number]:
                    raise ValueError(f"{field.column} of {column.null_count} rows is null, {field.name} cannot be null")
                valid[number] = np.asarray(pc.is_valid(column).to_numpy(zero_copy_only=False))
            if column.null_count < count:
                bits[number] = _bits(column, kind, texts)
        kinds[number] = kind
        width += _WIDTHS.get(kind, 0) + 1
    longest = max((len(text) for text in texts), default=0)
    width += longest * int(np.count_nonzero(kinds == _STRING))
    ends = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    joined = np.frombuffer(b"".join(texts), np.uint8)
    out = np.empty(count * width, np.uint8)
    offsets = np.zeros(count + 1, np.int64)
    used = _write(kinds, optional, bits, valid, joined, ends, out, offsets)
    return Encoded(out[:used].tobytes(), offsets)


def _bits(column: pa.ChunkedArray, kind: int, texts: list[bytes]) -> NDArray[np.uint64]:
    """The values of a column as 64-bit patterns; texts as indices into the list of encoded texts, to which they are
    appended."""
    if kind == _STRING:
        coded = pc.fill_null(column, "").dictionary_encode().combine_chunks()
        if isinstance(coded, pa.ChunkedArray):
            coded = coded.chunk(0) if coded.num_chunks else pa.array([], pa.string()).dictionary_encode()
        first = len(texts)
        for text in coded.dictionary.to_pylist():
            raw = text.encode()
            texts.append(varint(len(raw)) + raw)
        codes: NDArray[np.uint64] = coded.indices.to_numpy(zero_copy_only=False).astype(np.uint64) + np.uint64(first)
        return codes
    filled = pc.fill_null(column, 0).to_numpy()
    if kind == _LONG:
        return np.ascontiguousarray(filled.astype(np.int64)).view(np.uint64)
    if kind == _DOUBLE:
        return np.ascontiguousarray(filled.astype(np.float64)).view(np.uint64)
    return np.ascontiguousarray(filled.astype(np.float32)).view(np.uint32).astype(np.uint64)


def varint(value: int) -> bytes:
    """One Avro long.

    Examples
    --------
    >>> varint(0), varint(-1), varint(64)
    (b'\\x00', b'\\x01', b'\\x80\\x01')
    """
    rest = ((value << 1) ^ (value >> 63)) & 0xFFFF_FFFF_FFFF_FFFF
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append((rest & 0x7F) | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _write(
    kinds: NDArray[np.int64],
    optional: NDArray[np.bool_],
    bits: NDArray[np.uint64],
    valid: NDArray[np.bool_],
    texts: NDArray[np.uint8],
    text_ends: NDArray[np.int64],
    out: NDArray[np.uint8],
    offsets: NDArray[np.int64],
) -> int:
    """Write all rows; `out` must be large enough for the longest possible rows. Return the number of bytes used."""
    place = 0
    for row in range(bits.shape[1]):
        for field in range(kinds.size):
            if optional[field]:
                if not valid[field, row]:
                    out[place] = 0
                    place += 1
                    continue
                out[place] = 2
                place += 1
            pattern = bits[field, row]
            kind = kinds[field]
            if kind == _LONG:
                signed = np.int64(pattern)
                rest = np.uint64(signed << np.int64(1)) ^ np.uint64(signed >> np.int64(63))
                while rest > np.uint64(0x7F):
                    out[place] = np.uint8((rest & np.uint64(0x7F)) | np.uint64(0x80))
                    place += 1
                    rest >>= np.uint64(7)
                out[place] = np.uint8(rest)
                place += 1
            elif kind == _STRING:
                for source in range(text_ends[np.int64(pattern)], text_ends[np.int64(pattern) + 1]):
                    out[place] = texts[source]
                    place += 1
            else:
                for _ in range(8 if kind == _DOUBLE else 4):
                    out[place] = np.uint8(pattern & np.uint64(0xFF))
                    place += 1
                    pattern >>= np.uint64(8)
        offsets[row + 1] = place
    return place


__all__ = ["Encoded", "encode", "varint"]
