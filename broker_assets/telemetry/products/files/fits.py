"""FITS files of tables: written completely, with checksums, and replaced atomically.

Binary tables of the FITS standard 4.0 (chapters 4.2 on cards, 7.3 on tables, 4.4.2.7 on checksums). Written here rather
than by astropy because a product must cost less than the decoding of its packets; astropy verifies it in the tests.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from broker_assets.storage.atomic import replace_atomically
from broker_assets.telemetry.products.files.tables import Table, rows

Card = tuple[str, Any, str]
"""Keyword, value, comment. COMMENT and HISTORY have their text as value."""

BLOCK: Final = 2880
_DATE: Final = re.compile(rb"DATE    = '([^']*)'")
_PRINTABLE: Final = re.compile(r"[ -~]*")
_AT_THE_END: Final = ("COMMENT", "HISTORY")
_UNSIGNED: Final = {1: (">u1", "B", None), 2: (">i2", "I", 1 << 15), 4: (">i4", "J", 1 << 31)}
_OTHER: Final = {
    ("i", 1): (">i2", "I"),
    ("i", 2): (">i2", "I"),
    ("i", 4): (">i4", "J"),
    ("i", 8): (">i8", "K"),
    ("f", 4): (">f4", "E"),
    ("f", 8): (">f8", "D"),
}


@dataclass(frozen=True)
class Extension:
    """A binary table."""

    name: str
    table: Table
    cards: Sequence[Card] = ()


def value_text(value: Any) -> str:
    """A value as written in a card; a number that is not finite, which FITS cannot express, is an empty text.

    Examples
    --------
    >>> value_text(True).strip(), value_text(1.5e-7), value_text("it's")
    ('T', '              1.5E-07', "'it''s   '          ")
    """
    if isinstance(value, bool | np.bool_):
        return f"{'T' if value else 'F':>20}"
    if isinstance(value, int | np.integer):
        return f"{int(value):>20}"
    if isinstance(value, float | np.floating) and not math.isfinite(value):
        value = ""
    if isinstance(value, float | np.floating):
        text = repr(float(value)).upper()
        if "E" in text and "." not in text.split("E")[0]:
            text = text.replace("E", ".0E")
        return f"{text:>20}"
    escaped = str(value).replace("'", "''")
    quoted = f"'{escaped:<8}'"
    return f"{quoted:<20}"


def printable(text: str) -> str:
    """Text as FITS allows it, ASCII from blank to tilde: other characters as %XX of their UTF-8 bytes.

    Examples
    --------
    >>> printable("TM_é.xml")
    'TM_%C3%A9.xml'
    """
    if _PRINTABLE.fullmatch(text):
        return text
    content = text.encode("utf-8", "replace")
    return "".join(chr(byte) if 0x20 <= byte <= 0x7E else f"%{byte:02X}" for byte in content)


def _printable_column(values: NDArray[Any]) -> NDArray[Any]:
    texts = np.asarray(values, dtype=str)
    distinct, number = np.unique(texts, return_inverse=True)
    changed = np.array([printable(text) for text in distinct.tolist()])
    return np.asarray(changed[number].reshape(texts.shape))


def cards_text(card: Card) -> str:
    """One card as 80-character records: long texts continue in CONTINUE records, long comments are truncated.

    Characters that FITS does not allow are written as `printable` writes them.

    Examples
    --------
    >>> len(cards_text(("PARENT", "x" * 100, "")))
    160
    """
    keyword, value, comment = card
    # Most cards are the same in every file. Numbers are not kept: 0.0 and -0.0, which are equal, have other texts.
    if type(value) in (bool, int) or (type(value) is str and len(value) <= 80):
        return _kept_text(keyword, value, comment)
    return _card_text(keyword, value, comment)


def _card_text(keyword: str, value: Any, comment: str) -> str:
    # Plans, tables of requests and databases may have any text; a line break would make the whole header unreadable.
    comment = printable(comment)
    if isinstance(value, str):
        value = printable(value)
    if keyword in _AT_THE_END:
        pieces = [str(value)[i : i + 72] for i in range(0, len(str(value)), 72)] or [""]
        return "".join(f"{keyword:<8}{piece:<72}" for piece in pieces)
    text = value_text(value)
    if len(text) <= 70:
        record = f"{keyword:<8}= {text}"
        if comment:
            record += f" / {comment}"
        return f"{record[:80]:<80}"
    escaped = str(value).replace("'", "''")
    pieces = []
    while escaped:
        size = min(67, len(escaped))
        # A doubled quote must not be split.
        if size < len(escaped) and escaped[:size].count("'") % 2:
            size -= 1
        pieces.append(escaped[:size])
        escaped = escaped[size:]
    records = []
    for i, piece in enumerate(pieces):
        begin = f"{keyword:<8}= " if i == 0 else "CONTINUE  "
        end = "&" if i < len(pieces) - 1 else ""
        records.append(f"{begin}'{piece}{end}'")
    if comment:
        records[-1] += f" / {comment}"
    return "".join(f"{record[:80]:<80}" for record in records)


_kept_text = lru_cache(maxsize=1 << 15, typed=True)(_card_text)


def checksum(data: bytes | memoryview, start: int = 0) -> int:
    """32-bit ones' complement sum of data whose length is a multiple of four."""
    words = np.frombuffer(data, dtype=">u4")
    total = start + int(words.sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


@cache
def _quads(byte: int) -> tuple[int, ...]:
    """Four alphanumeric characters whose sum, minus that of four zeros, is a byte."""
    quotient, remainder = divmod(byte, 4)
    quads = [quotient + ord("0")] * 4
    quads[0] += remainder
    changed = True
    while changed:
        changed = False
        for j in (0, 2):
            for excluded in (*range(0x3A, 0x41), *range(0x5B, 0x61)):
                if excluded in (quads[j], quads[j + 1]):
                    quads[j] += 1
                    quads[j + 1] -= 1
                    changed = True
    return tuple(quads)


def encode_checksum(total: int) -> str:
    """The 16 characters whose presence makes the sum of an HDU zero (all bits set)."""
    complement = ~total & 0xFFFFFFFF
    encoded = [0] * 16
    for i in range(4):
        encoded[i::4] = _quads(complement >> (24 - 8 * i) & 0xFF)
    return "".join(chr(encoded[(i - 1) % 16]) for i in range(16))


def _encoded(name: str, values: NDArray[Any]) -> tuple[str, str, int | None, NDArray[Any]]:
    """dtype, FITS format code, offset and stored values of a column."""
    if values.dtype.kind == "O" and values.size and all(isinstance(v, bool | np.bool_) for v in values.ravel()):
        values = values.astype(bool)
    if values.dtype.kind == "b":
        return "u1", "L", None, np.where(values, ord("T"), ord("F")).astype(np.uint8)
    if values.dtype.kind in "OU":
        texts = np.char.encode(_printable_column(values), "ascii") if values.size else values.astype("S1")
        return f"S{max(texts.dtype.itemsize, 1)}", "A", None, texts
    if values.dtype.kind == "S":
        return f"S{max(values.dtype.itemsize, 1)}", "A", None, values
    if values.dtype.kind == "u":
        if values.dtype.itemsize == 8:
            if values.size and int(values.max()) >> 63:
                raise ValueError(f"column {name} has values beyond 63 bits")
            return ">i8", "K", None, values.astype(np.int64)
        stored, code, offset = _UNSIGNED[values.dtype.itemsize]
        if offset is None:
            return stored, code, None, values
        return stored, code, offset, values.astype(np.int64) - offset
    stored, code = _OTHER[values.dtype.kind, values.dtype.itemsize]
    return stored, code, None, values


@lru_cache(maxsize=8192)
def _column_text(
    number: int,
    name: str,
    code: str,
    width: int,
    shape: tuple[int, ...],
    offset: int | None,
    unit: str,
    description: str,
    parameter: str | None,
    calibration: str | None,
) -> str:
    """Cards of a column; the same ones are in every file of a kind."""
    elements = math.prod(shape)
    size = elements * width if code == "A" else elements
    cards: list[Card] = [
        (f"TTYPE{number}", name, description[:47]),
        (f"TFORM{number}", f"{size}{code}" if size != 1 else code, ""),
        (f"TUNIT{number}", unit or " ", ""),
    ]
    if shape:
        axes = ([width] if code == "A" else []) + list(reversed(shape))
        cards.append((f"TDIM{number}", f"({','.join(map(str, axes))})", ""))
    if offset is not None:
        # Explicit for readers that scale only if both are there (mrdfits).
        cards += [(f"TSCAL{number}", 1, ""), (f"TZERO{number}", offset, "")]
    if parameter:
        cards.append((f"TNIXS{number}", parameter, "parameter of the packet"))
    if calibration:
        cards.append((f"TCURT{number}", calibration, "calibration of the raw values"))
    return "".join(map(cards_text, cards))


def table_parts(extension: Extension) -> tuple[bytes, memoryview]:
    """Header and data of a binary table, checksums included; whole blocks."""
    count = rows(extension.table)
    fields: list[tuple[Any, ...]] = []
    columns: list[str] = []
    stored: list[NDArray[Any]] = []
    for number, (name, column) in enumerate(extension.table.items(), 1):
        dtype, code, offset, values = _encoded(name, column.values)
        shape = values.shape[1:]
        fields.append((f"f{number}", dtype, shape))
        stored.append(values)
        width = int(dtype[1:]) if code == "A" else 0
        more = (column.unit, column.description, column.parameter, column.calibration)
        columns.append(_column_text(number, name, code, width, shape, offset, *more))
    row = np.dtype(fields)
    size = count * row.itemsize
    data = np.zeros(size + -size % BLOCK, dtype=np.uint8)
    record = data[:size].view(row) if size else np.zeros(0, dtype=row)
    for number, values in enumerate(stored, 1):
        record[f"f{number}"] = values
    begin: list[Card] = [
        ("XTENSION", "BINTABLE", "binary table extension"),
        ("BITPIX", 8, "array data type"),
        ("NAXIS", 2, "number of array dimensions"),
        ("NAXIS1", row.itemsize, "length of dimension 1"),
        ("NAXIS2", count, "length of dimension 2"),
        ("PCOUNT", 0, "number of group parameters"),
        ("GCOUNT", 1, "number of groups"),
        ("TFIELDS", len(fields), "number of table fields"),
    ]
    end: list[Card] = [("EXTNAME", extension.name, "extension name"), *extension.cards]
    text = "".join([*map(cards_text, begin), *columns])
    content = data.data
    return _header(text, end, checksum(content)), content


def table_bytes(extension: Extension) -> bytes:
    """Header and data of a binary table, checksums included."""
    return b"".join(table_parts(extension))


def _header(begin: str, cards: Sequence[Card], total: int) -> bytes:
    """A header whose data have the sum `total`: first the text, then cards, checksums, and COMMENT and HISTORY."""
    last = [card for card in cards if card[0] in _AT_THE_END]
    first = [card for card in cards if card[0] not in _AT_THE_END]
    sums: list[Card] = [("CHECKSUM", "0" * 16, "HDU checksum"), ("DATASUM", str(total), "data unit checksum")]
    text = "".join([begin, *map(cards_text, first), *map(cards_text, sums), *map(cards_text, last), f"{'END':<80}"])
    header = text.encode("ascii", errors="replace")
    header += b" " * (-len(header) % BLOCK)
    encoded = encode_checksum(checksum(header, total)).encode("ascii")
    at = header.rindex(b"CHECKSUM= '0000000000000000'") + 11
    return header[:at] + encoded + header[at + 16 :]


def file_bytes(primary: Sequence[Card], extensions: Sequence[Extension]) -> bytes:
    """A complete file: an empty primary HDU with cards, and tables."""
    return b"".join([_primary(primary), *map(table_bytes, extensions)])


def _primary(cards: Sequence[Card]) -> bytes:
    first: list[Card] = [
        ("SIMPLE", True, "conforms to FITS standard"),
        ("BITPIX", 8, "array data type"),
        ("NAXIS", 0, "number of array dimensions"),
        ("EXTEND", True, ""),
    ]
    return _header("", [*first, *cards], 0)


def _dated(cards: Sequence[Card], date: str) -> list[Card]:
    return [(key, date if key == "DATE" else value, comment) for key, value, comment in cards]


class Written(NamedTuple):
    """A file under its final name."""

    changed: bool
    """Whether it was written; else the same was there."""
    digest: str
    """SHA-256 of the content with DATE empty: equal content has the same digest whenever it is written."""
    size: int
    """Bytes."""


def write(
    path: Path, primary: Sequence[Card], extensions: Sequence[Extension], *, parts: Path | None = None
) -> Written:
    """Write a file unless an identical one exists.

    The new file has another name until it is complete and on the disk, then takes its place: readers and crashes see
    the old file or the new one. If writing fails nothing is left behind.

    Parameters
    ----------
    path : Path
    primary : list of cards
        With DATE; a file that differs in DATE only counts as the same.
    extensions : list of Extension
    parts : Path, optional
        See `replace_atomically`.

    Raises
    ------
    OSError
        If it cannot be written (disk full, no permission).
    """
    tables = [piece for extension in extensions for piece in table_parts(extension)]
    digest = hashlib.sha256(_primary(_dated(primary, "")))
    for piece in tables:
        digest.update(piece)
    with contextlib.suppress(FileNotFoundError):
        found = path.read_bytes()
        date = _DATE.search(found[: 4 * BLOCK])
        if date is not None and _same(found, [_primary(_dated(primary, date.group(1).decode())), *tables]):
            return Written(False, digest.hexdigest(), len(found))
    content = [_primary(primary), *tables]
    replace_atomically(path, content, parts=parts, sync_name=False)
    return Written(True, digest.hexdigest(), sum(map(len, content)))


def _same(found: bytes, pieces: Sequence[bytes | memoryview]) -> bool:
    """Whether bytes are these pieces, one after another."""
    if len(found) != sum(map(len, pieces)):
        return False
    view = memoryview(found)
    at = 0
    for piece in pieces:
        if view[at : at + len(piece)] != piece:
            return False
        at += len(piece)
    return True


def write_bytes(path: Path, content: bytes, *, parts: Path | None = None) -> Written:
    """Write a file of another format unless an identical one exists; see `write`."""
    digest = hashlib.sha256(content).hexdigest()
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return Written(False, digest, len(content))
    replace_atomically(path, content, parts=parts, sync_name=False)
    return Written(True, digest, len(content))


def now() -> str:
    """The time of writing for DATE, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
