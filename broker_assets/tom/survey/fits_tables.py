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
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

LARGEST: Final = 4 * 1024**3
"""Largest unpacked file, bytes."""
_FORM: Final = re.compile(r"(\d*)([LBIJKEDA])")
_TYPES: Final = {"L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}


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
        for number in range(1, columns + 1):
            name, form = str(values[f"TTYPE{number}"]).strip(), str(values[f"TFORM{number}"]).strip()
            found = _FORM.fullmatch(form)
            if found is None:
                raise DamagedFile(f"{self.path}: column {name} has the format {form}, which is not supported")
            repeat = int(found[1] or 1)
            kind = f"S{repeat}" if found[2] == "A" else _TYPES[found[2]]
            size = np.dtype(kind).itemsize
            if found[2] == "A" or repeat == 1:
                layout[name] = (kind, offset)
            if f"TZERO{number}" in values or f"TSCAL{number}" in values:
                self._scaled.add(name)
            offset += size if found[2] == "A" else size * repeat
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
        return name in (self._rows.dtype.names or ())

    def columns(self, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Columns in native byte order; texts as bytes without trailing blanks.

        Raises
        ------
        DamagedFile
            If columns are missing; the message names them.
        """
        missing = [name for name in names if name not in self]
        if missing:
            raise DamagedFile(f"{self.path} has no column {', '.join(missing)}")
        scaled = sorted(self._scaled.intersection(names))
        if scaled:
            raise DamagedFile(f"{self.path}: {', '.join(scaled)} is scaled, which is not supported")
        found: dict[str, NDArray[Any]] = {}
        for name in names:
            values = np.ascontiguousarray(self._rows[name])
            if values.dtype.kind == "S":
                found[name] = np.char.rstrip(values)
            else:
                found[name] = values.astype(values.dtype.newbyteorder("="))
        return found


def _unpacked(path: Path) -> bytes:
    raw = path.read_bytes()
    if not raw.startswith(b"\x1f\x8b"):
        content = raw
    else:
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
                content = stream.read(LARGEST + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DamagedFile(f"{path} cannot be unpacked: {error}") from None
    if len(content) > LARGEST:
        raise DamagedFile(f"{path} has more than {LARGEST} bytes")
    if not content.startswith(b"SIMPLE  ="):
        raise DamagedFile(f"{path} is not a FITS file")
    return content
