"""Avro records written column by column.

fastavro writes about 8,000 detections with a hundred fields per second; here a whole night is one numpy matrix of
bytes, about ten times faster. Avro simply concatenates encoded records, so a detection is encoded once and inserted
into the history of every later packet of its object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = Any
"""A numpy array, a masked array (masked means null), a list of strings, or one value for all rows (None means null)."""


def zigzag_varint(value: int) -> bytes:
    """One Avro long.

    Examples
    --------
    >>> zigzag_varint(0), zigzag_varint(-1), zigzag_varint(64)
    (b'\\x00', b'\\x01', b'\\x80\\x01')
    """
    unsigned = (value << 1) ^ (value >> 63)
    unsigned &= (1 << 64) - 1
    encoded = bytearray()
    while unsigned > 0x7F:
        encoded.append((unsigned & 0x7F) | 0x80)
        unsigned >>= 7
    encoded.append(unsigned)
    return bytes(encoded)


def _longs(values: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Zigzag varints as left-aligned rows of bytes, and the number of valid bytes in each row."""
    signed = values.astype(np.int64)
    unsigned = ((signed << 1) ^ (signed >> 63)).view(np.uint64)
    lengths = np.ones(len(signed), dtype=np.int64)
    for shift in range(7, 64, 7):
        lengths += (unsigned >> np.uint64(shift)) > 0
    width = int(lengths.max(initial=1))
    groups = np.empty((len(signed), width), dtype=np.uint8)
    for position in range(width):
        group = (unsigned >> np.uint64(7 * position)) & np.uint64(0x7F)
        groups[:, position] = group.astype(np.uint8) | np.where(lengths > position + 1, 0x80, 0).astype(np.uint8)
    return groups, lengths


def _strings(values: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    # Not with numpy strings, which end at the last character that is not NUL.
    texts = values.tolist() if isinstance(values, np.ndarray) else list(values)
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    inverse = np.fromiter((places[text] for text in texts), dtype=np.int64, count=len(texts))
    encoded = [text.encode() for text in places]
    encoded = [zigzag_varint(len(text)) + text for text in encoded]
    lengths = np.array([len(text) for text in encoded], dtype=np.int64)
    matrix = np.zeros((len(encoded), int(lengths.max(initial=1))), dtype=np.uint8)
    for row, text in enumerate(encoded):
        matrix[row, : len(text)] = np.frombuffer(text, dtype=np.uint8)
    return matrix[inverse], lengths[inverse]


_FIXED: dict[str, np.dtype[Any]] = {"float": np.dtype("<f4"), "double": np.dtype("<f8"), "boolean": np.dtype("u1")}


def _values(kind: str, values: Any, rows: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Encodings of non-null values of a primitive type."""
    if kind == "string":
        texts = [values] * rows if isinstance(values, str) else values
        return _strings(texts)
    array = np.broadcast_to(np.asarray(values), (rows,))
    if kind in _FIXED:
        kept: NDArray[Any] = np.ascontiguousarray(array.astype(_FIXED[kind]))
        matrix = kept.view(np.uint8).reshape(rows, kept.dtype.itemsize)
        return matrix, np.full(rows, matrix.shape[1], dtype=np.int64)
    if kind in ("int", "long"):
        return _longs(array.astype(np.int64))
    raise ValueError(f"Avro type {kind!r} is not supported by the simulator")


def _kind(avro_type: Any) -> str:
    return str(avro_type["type"]) if isinstance(avro_type, dict) else str(avro_type)


def encode_column(avro_type: Any, column: Column, rows: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Encode one column.

    Parameters
    ----------
    avro_type : str, dict or list
        A primitive type, a logical type on one, or a union of one with null.
    column : Column
        The values.
    rows : int
        Number of rows.

    Returns
    -------
    tuple of (rows, width) uint8 array and (rows,) int64 array
        Left-aligned encodings and their lengths.

    Raises
    ------
    ValueError
        If the type is not supported, or null where the schema forbids it.
    """
    if not isinstance(avro_type, list):
        if column is None:
            raise ValueError(f"null for a field of type {_kind(avro_type)!r}, which cannot be null")
        return _values(_kind(avro_type), column, rows)
    null = avro_type.index("null")
    other = 1 - null
    masked = np.ma.getmaskarray(column) if isinstance(column, np.ma.MaskedArray) else None
    if column is None:
        return np.full((rows, 1), 2 * null, dtype=np.uint8), np.ones(rows, dtype=np.int64)
    filled = column.filled(0) if isinstance(column, np.ma.MaskedArray) else column
    values, lengths = _values(_kind(avro_type[other]), filled, rows)
    matrix = np.empty((rows, values.shape[1] + 1), dtype=np.uint8)
    matrix[:, 0] = 2 * other
    matrix[:, 1:] = values
    lengths = lengths + 1
    if masked is not None:
        matrix[masked, 0] = 2 * null
        lengths[masked] = 1
    return matrix, lengths


def join_columns(encoded: Sequence[tuple[NDArray[np.uint8], NDArray[np.int64]]], rows: int) -> list[bytes]:
    """Concatenate the encodings of several columns row by row."""
    if not rows:
        return []
    width = sum(matrix.shape[1] for matrix, _ in encoded)
    everything = np.empty((rows, width), dtype=np.uint8)
    kept = np.empty((rows, width), dtype=bool)
    lengths = np.zeros(rows, dtype=np.int64)
    start = 0
    for matrix, sizes in encoded:
        end = start + matrix.shape[1]
        everything[:, start:end] = matrix
        kept[:, start:end] = np.arange(matrix.shape[1]) < sizes[:, None]
        lengths += sizes
        start = end
    flat = everything[kept].tobytes()
    ends = np.cumsum(lengths).tolist()
    return [flat[begin:end] for begin, end in zip([0, *ends[:-1]], ends, strict=True)]


def default_value(avro_type: Any) -> Column:
    """Value that surveys write for what was not measured: NaN, false, zero, or null."""
    kinds = [_kind(choice) for choice in avro_type] if isinstance(avro_type, list) else [_kind(avro_type)]
    if "float" in kinds or "double" in kinds:
        return np.nan
    if "boolean" in kinds:
        return False
    if "null" in kinds:
        return None
    return "" if "string" in kinds else 0


class RecordWriter:
    """Writes records of one Avro record type from columns by name.

    Parameters
    ----------
    schema : dict
        The record; its fields are primitive or primitive-or-null.

    Examples
    --------
    >>> writer = RecordWriter({"fields": [{"name": "id", "type": "long"}, {"name": "flux", "type": ["null", "float"]}]})
    >>> writer.write({"id": np.array([1, 64])}, 2)
    [b'\\x02\\x02\\x00\\x00\\xc0\\x7f', b'\\x80\\x01\\x02\\x00\\x00\\xc0\\x7f']
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.fields = [(field["name"], field["type"]) for field in schema["fields"]]
        self._defaults = {name: default_value(avro_type) for name, avro_type in self.fields}

    def write(self, columns: Mapping[str, Column], rows: int) -> list[bytes]:
        """Encode `rows` records; fields without a column are not measured, columns without a field are ignored."""
        if not rows:
            return []
        encoded = [
            encode_column(avro_type, columns.get(name, self._defaults[name]), rows) for name, avro_type in self.fields
        ]
        return join_columns(encoded, rows)


def array(items: Sequence[bytes]) -> bytes:
    """An Avro array of records already encoded.

    Examples
    --------
    >>> array([]), array([b"ab", b"c"])
    (b'\\x00', b'\\x04abc\\x00')
    """
    return b"".join((zigzag_varint(len(items)), *items, b"\x00")) if items else b"\x00"
