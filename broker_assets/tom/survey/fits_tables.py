"""The binary table of a FITS file as numpy columns, compressed with gzip or not.

SNANA writes files of a few objects with 171 columns: a general reader spends most of its time on columns that nobody
asks for. Here astropy reads the headers, and numpy the requested columns.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final, cast

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from broker_assets.numerals import REAL, WHOLE

LARGEST: Final = 4 * 1024**3
"""Largest unpacked file, bytes."""
_GZIP: Final = b"\x1f\x8b"
_FORM: Final = re.compile(r"(\d*)([LXBIJKAEDCMPQ])(?:[EDIJ]?\(\d*\))?")
_TYPES: Final = {"L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_OTHER_BYTES: Final = {"C": 8, "M": 16, "P": 8, "Q": 16}
"""Bytes of an element of the formats that are not read; columns of them may stand between those that are."""
NUMBER: Final = re.compile(rf"{REAL.pattern}|[+-]?(?:nan|inf)", re.IGNORECASE)
"""A number in words, as C and Fortran write it."""


class DamagedFile(ValueError):
    """A file of a simulation cannot be used; the message says which and why."""


class FitsTable:
    """The first binary table of a file, and the header before it.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    DamagedFile
        If it is not a FITS file with a binary table, is truncated, or too large.
    OSError
        If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        stream = io.BytesIO(_unpacked(path))
        try:
            self.primary = fits.Header.fromfile(stream, padding=True)
            self._header = fits.Header.fromfile(stream, padding=True)
            if str(self._header.get("XTENSION", "")).strip() != "BINTABLE":
                raise DamagedFile(f"{path} has no binary table")
            self._read(stream)
        except DamagedFile:
            raise
        except (OSError, EOFError, ValueError, KeyError, TypeError, fits.VerifyError) as error:
            raise DamagedFile(f"{path} is not a FITS file with a binary table: {error or 'it is empty'}") from None

    def _read(self, stream: io.BytesIO) -> None:
        values = {card.keyword: card.value for card in self._header.cards}
        width, rows, columns = (int(values[name]) for name in ("NAXIS1", "NAXIS2", "TFIELDS"))
        layout: dict[str, tuple[str, int]] = {}
        offset = 0
        self._scaled: set[str] = set()
        self._null: dict[str, int] = {}
        self._twice: set[str] = set()
        for number in range(1, columns + 1):
            name, form = str(values[f"TTYPE{number}"]).strip(), str(values[f"TFORM{number}"]).strip()
            found = _FORM.fullmatch(form)
            if found is None:
                raise DamagedFile(f"{self.path}: column {name} has the format {form}, which is not supported")
            repeat = int(found[1] or 1)
            kind = f"S{repeat}" if found[2] == "A" else _TYPES.get(found[2])
            if name in layout:
                self._twice.add(name)
            elif kind is not None and repeat and (found[2] == "A" or repeat == 1):
                layout[name] = (kind, offset)
            if values.get(f"TZERO{number}", 0) != 0 or values.get(f"TSCAL{number}", 1) != 1:
                self._scaled.add(name)
            if f"TNULL{number}" in values:
                self._null[name] = int(values[f"TNULL{number}"])
            offset += _bytes_of(found[2], repeat)
        if offset != width:
            raise DamagedFile(f"{self.path}: its columns have {offset} bytes, its rows {width}")
        data = stream.read(width * rows)
        if len(data) < width * rows:
            raise DamagedFile(f"{self.path} is truncated: {len(data)} of {width * rows} bytes of its table are there")
        self._rows: NDArray[Any] = np.frombuffer(
            data,
            np.dtype(
                {
                    "names": list(layout),
                    "formats": [kind for kind, _ in layout.values()],
                    "offsets": [place for _, place in layout.values()],
                    "itemsize": width,
                }
            ),
        )

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._stored(name) is not None

    def _stored(self, name: str) -> str | None:
        """The name of a column as the file writes it. FITS compares names without regard to case (standard, 7.3.2), but
        SNANA may have names that differ in nothing else."""
        names = self._rows.dtype.names or ()
        if name in names:
            return name
        alike = [one for one in names if one.upper() == name.upper()]
        return alike[0] if len(alike) == 1 else None

    def columns(self, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Columns in native byte order; texts as bytes without trailing blanks.

        Raises
        ------
        DamagedFile
            If columns are missing; the message names them. Names are found in another case too.
        """
        missing = [name for name in names if name not in self]
        if missing:
            raise DamagedFile(f"{self.path} has no column {', '.join(missing)}")
        stored = {name: self._stored(name) or name for name in names}
        twice = sorted(self._twice.intersection(stored.values()))
        if twice:
            raise DamagedFile(f"{self.path} has two columns {', '.join(twice)}")
        scaled = sorted(name for name, one in stored.items() if one in self._scaled)
        if scaled:
            raise DamagedFile(f"{self.path}: {', '.join(scaled)} is scaled, which is not supported")
        found: dict[str, NDArray[Any]] = {}
        for name, one in stored.items():
            values = np.ascontiguousarray(self._rows[one])
            if values.dtype.kind == "S":
                found[name] = np.char.rstrip(values)
            else:
                found[name] = values.astype(values.dtype.newbyteorder("="))
        return found

    def integers(self, name: str) -> NDArray[np.int64]:
        """A column of whole numbers, which the file may store as integers, as floats or in words.

        Raises
        ------
        DamagedFile
            If the column is missing, or a value is missing or not a whole number of 64 bits; the message names the row.
        """
        values = self.columns([name])[name]
        if values.dtype.kind == "S":
            return self._of_texts(name, values, WHOLE, np.int64, "a whole number")
        if values.dtype.kind == "f":
            self._refuse(~(np.abs(values) < 2.0**63) | (values != np.round(values)), name, values, "a whole number")
        elif (null := self._missing(name, values)).any():
            raise DamagedFile(f"{self.path}: row {int(np.flatnonzero(null)[0]) + 1} has no {name}")
        return values.astype(np.int64)

    def floats(self, name: str) -> NDArray[np.floating[Any]]:
        """A column of numbers; NaN where the file has none.

        Raises
        ------
        DamagedFile
            If the column is missing, or a value is not a number; the message names the row.
        """
        values = self.columns([name])[name]
        if values.dtype.kind == "S":
            return self._of_texts(name, values, NUMBER, np.float64, "a number")
        if values.dtype.kind == "f":
            return values
        return np.where(self._missing(name, values), np.nan, values.astype(np.float64))

    def texts(self, name: str) -> NDArray[np.str_]:
        """A column of texts, without blanks at either end.

        Raises
        ------
        DamagedFile
            If the column is missing, or not of texts in ASCII.
        """
        values = self.columns([name])[name]
        if values.dtype.kind != "S":
            raise DamagedFile(f"{self.path}: {name} is not a text")
        try:
            return np.char.decode(np.char.strip(values), "ascii")
        except UnicodeDecodeError:
            raise DamagedFile(f"{self.path}: {name} is not a text in ASCII") from None

    def _missing(self, name: str, values: NDArray[Any]) -> NDArray[np.bool_]:
        null = self._null.get(self._stored(name) or name)
        return np.zeros(len(values), bool) if null is None else values == null

    def _of_texts(
        self, name: str, values: NDArray[Any], form: re.Pattern[str], kind: type[Any], what: str
    ) -> NDArray[Any]:
        words = [one.decode("latin-1").strip() for one in values.tolist()]
        self._refuse(np.array([form.fullmatch(word) is None for word in words], bool), name, values, what)
        try:
            return np.array(words, np.str_).astype(kind)
        except OverflowError:
            raise DamagedFile(f"{self.path}: {name} has a value of more than 64 bits") from None

    def _refuse(self, wrong: NDArray[np.bool_], name: str, values: NDArray[Any], what: str) -> None:
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            shown = values[row].decode("latin-1") if values.dtype.kind == "S" else values[row].item()
            raise DamagedFile(f"{self.path}: {name} of row {row + 1} is {shown!r}, not {what}")


def _bytes_of(form: str, repeat: int) -> int:
    """Bytes of a field of a row."""
    if form == "X":
        return (repeat + 7) // 8
    if form == "A":
        return repeat
    return repeat * (_OTHER_BYTES.get(form) or np.dtype(_TYPES[form]).itemsize)


def unpacked_stream(raw: IO[bytes]) -> IO[bytes]:
    """The content of an open file, unpacked if it is compressed with gzip, whatever its name."""
    packed = raw.read(len(_GZIP)) == _GZIP
    raw.seek(0)
    return cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if packed else raw


def _unpacked(path: Path) -> bytes:
    try:
        with path.open("rb") as raw:
            content = unpacked_stream(raw).read(LARGEST + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedFile(f"{path} cannot be unpacked: {error}") from None
    if len(content) > LARGEST:
        raise DamagedFile(f"{path} has more than {LARGEST} bytes")
    if not content.startswith(b"SIMPLE  ="):
        raise DamagedFile(f"{path} is not a FITS file")
    return content
