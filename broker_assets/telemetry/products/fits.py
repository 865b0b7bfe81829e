"""FITS files of tables: written whole, with checksums, and replaced atomically.

Binary tables of the FITS standard 4.0 (chapters 4.2 on cards, 7.3 on tables, 4.4.2.7 on checksums). Written here rather
than by astropy because a product must cost less than the decoding of its packets; astropy verifies it in the tests.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.products.tables import Table, rows

Card = tuple[str, Any, str]
"""Keyword, value, comment. COMMENT and HISTORY have their text as value."""

BLOCK: Final = 2880
_DATE: Final = re.compile(rb"DATE    = '([^']*)'")
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
    """A value as a card writes it.

    Examples
    --------
    >>> value_text(True).strip(), value_text(1.5e-7), value_text("it's")
    ('T', '              1.5E-07', "'it''s   '          ")
    """
    if isinstance(value, bool | np.bool_):
        return f"{'T' if value else 'F':>20}"
    if isinstance(value, int | np.integer):
        return f"{int(value):>20}"
    if isinstance(value, float | np.floating):
        text = repr(float(value)).upper()
        if "E" in text and "." not in text.split("E")[0]:
            text = text.replace("E", ".0E")
        return f"{text:>20}"
    escaped = str(value).replace("'", "''")
    quoted = f"'{escaped:<8}'"
    return f"{quoted:<20}"


def cards_text(card: Card) -> str:
    """One card as 80-character records: long texts go on in CONTINUE records, long comments are cut.

    Examples
    --------
    >>> len(cards_text(("PARENT", "x" * 100, "")))
    160
    """
    keyword, value, comment = card
    if keyword in ("COMMENT", "HISTORY"):
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
        # A doubled quote must not be torn.
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


def checksum(data: bytes, start: int = 0) -> int:
    """32-bit ones' complement sum of data whose length is a multiple of four."""
    words = np.frombuffer(data, dtype=">u4")
    total = start + int(words.sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def encode_checksum(total: int) -> str:
    """The 16 characters whose presence makes the sum of an HDU zero (all bits set)."""
    complement = ~total & 0xFFFFFFFF
    encoded = [0] * 16
    for i in range(4):
        byte = complement >> (24 - 8 * i) & 0xFF
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
        for j in range(4):
            encoded[4 * j + i] = quads[j]
    return "".join(chr(encoded[(i - 1) % 16]) for i in range(16))


def _encoded(name: str, values: NDArray[Any]) -> tuple[str, str, int | None, NDArray[Any]]:
    """dtype, FITS format code, offset and stored values of a column."""
    if values.dtype.kind == "O" and values.size and all(isinstance(v, bool | np.bool_) for v in values.ravel()):
        values = values.astype(bool)
    if values.dtype.kind == "b":
        return "u1", "L", None, np.where(values, ord("T"), ord("F")).astype(np.uint8)
    if values.dtype.kind in "OU":
        texts = np.char.encode(np.asarray(values, dtype=str), "utf-8") if values.size else values.astype("S1")
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


def table_bytes(extension: Extension) -> bytes:
    """Header and data of a binary table, checksums included."""
    count = rows(extension.table)
    fields: list[tuple[Any, ...]] = []
    column_cards: list[Card] = []
    stored: list[NDArray[Any]] = []
    for number, (name, column) in enumerate(extension.table.items(), 1):
        dtype, code, offset, values = _encoded(name, column.values)
        shape = values.shape[1:]
        fields.append((f"f{number}", dtype, shape))
        stored.append(values)
        elements = int(np.prod(shape, dtype=np.int64))
        width = int(dtype[1:]) if code == "A" else 0
        size = elements * width if code == "A" else elements
        column_cards.append((f"TTYPE{number}", name, column.description[:47]))
        column_cards.append((f"TFORM{number}", f"{size}{code}" if size != 1 else code, ""))
        column_cards.append((f"TUNIT{number}", column.unit or " ", ""))
        if shape:
            axes = ([width] if code == "A" else []) + list(reversed(shape))
            column_cards.append((f"TDIM{number}", f"({','.join(map(str, axes))})", ""))
        if offset is not None:
            # Explicit for readers that scale only if both are there (mrdfits).
            column_cards += [(f"TSCAL{number}", 1, ""), (f"TZERO{number}", offset, "")]
        if column.parameter:
            column_cards.append((f"TNIXS{number}", column.parameter, "parameter of the packet"))
        if column.calibration:
            column_cards.append((f"TCURT{number}", column.calibration, "calibration of the raw values"))
    record = np.zeros(count, dtype=np.dtype(fields))
    for number, values in enumerate(stored, 1):
        record[f"f{number}"] = values
    data = record.tobytes()
    cards: list[Card] = [
        ("XTENSION", "BINTABLE", "binary table extension"),
        ("BITPIX", 8, "array data type"),
        ("NAXIS", 2, "number of array dimensions"),
        ("NAXIS1", record.dtype.itemsize, "length of dimension 1"),
        ("NAXIS2", count, "length of dimension 2"),
        ("PCOUNT", 0, "number of group parameters"),
        ("GCOUNT", 1, "number of groups"),
        ("TFIELDS", len(fields), "number of table fields"),
        *column_cards,
        ("EXTNAME", extension.name, "extension name"),
        *extension.cards,
    ]
    return _hdu(cards, data)


def _hdu(cards: Iterable[Card], data: bytes) -> bytes:
    data += bytes(-len(data) % BLOCK)
    total = checksum(data)
    last = [card for card in cards if card[0] in ("COMMENT", "HISTORY")]
    first = [card for card in cards if card[0] not in ("COMMENT", "HISTORY")]
    text = "".join(
        cards_text(card)
        for card in (
            *first,
            ("CHECKSUM", "0" * 16, "HDU checksum"),
            ("DATASUM", str(total), "data unit checksum"),
            *last,
            ("END", "", ""),
        )
        if card[0] != "END"
    )
    text += f"{'END':<80}"
    header = text.encode("ascii", errors="replace")
    header += b" " * (-len(header) % BLOCK)
    encoded = encode_checksum(checksum(header, total)).encode("ascii")
    at = header.rindex(b"CHECKSUM= '0000000000000000'") + 11
    return header[:at] + encoded + header[at + 16 :] + data


def file_bytes(primary: Sequence[Card], extensions: Sequence[Extension]) -> bytes:
    """A whole file: an empty primary HDU with cards, and tables."""
    return _primary(primary) + _tables(extensions)


def _primary(cards: Sequence[Card]) -> bytes:
    first: list[Card] = [
        ("SIMPLE", True, "conforms to FITS standard"),
        ("BITPIX", 8, "array data type"),
        ("NAXIS", 0, "number of array dimensions"),
        ("EXTEND", True, ""),
    ]
    return _hdu([*first, *cards], b"")


def _tables(extensions: Sequence[Extension]) -> bytes:
    return b"".join(table_bytes(extension) for extension in extensions)


def _dated(cards: Sequence[Card], date: str) -> list[Card]:
    return [(key, date if key == "DATE" else value, comment) for key, value, comment in cards]


class Written(NamedTuple):
    """A file that stands at its place."""

    changed: bool
    """Whether it was written; else the same was there."""
    digest: str
    """SHA-256 of the content as if DATE were empty: what is the same is the same whenever it is written."""
    size: int
    """Bytes."""


def write(path: Path, primary: Sequence[Card], extensions: Sequence[Extension]) -> Written:
    """Write a file unless the same is there already.

    The new file stands beside the old one under another name until it is complete and on the disk, then takes its
    place: readers and crashes see the old file or the new one. If writing fails nothing is left behind.

    Parameters
    ----------
    path : Path
    primary : list of cards
        With DATE; a file that differs in DATE only counts as the same.
    extensions : list of Extension

    Raises
    ------
    OSError
        If it cannot be written (disk full, no permission).
    """
    tables = _tables(extensions)
    digest = hashlib.sha256(_primary(_dated(primary, "")))
    digest.update(tables)
    with contextlib.suppress(FileNotFoundError):
        found = path.read_bytes()
        date = _DATE.search(found[: 4 * BLOCK])
        if date is not None and found == _primary(_dated(primary, date.group(1).decode())) + tables:
            return Written(False, digest.hexdigest(), len(found))
    content = _primary(primary) + tables
    replace_atomically(path, content)
    return Written(True, digest.hexdigest(), len(content))


def write_bytes(path: Path, content: bytes) -> Written:
    """Write a file of another format unless the same is there already; see `write`."""
    digest = hashlib.sha256(content).hexdigest()
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return Written(False, digest, len(content))
    replace_atomically(path, content)
    return Written(True, digest, len(content))


def replace_atomically(path: Path, content: bytes) -> None:
    """Give a file new content; whatever happens it has either the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def now() -> str:
    """The time of writing for DATE, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
