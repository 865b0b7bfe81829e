"""The bulk files of TNS: a zip with one CSV, read into a table, with the reasons for rejected lines."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from broker_assets.sky.htm import htm

TNS_VERSION = "1"

COLUMNS = {
    "objid": "objid",
    "ra": "ra",
    "decl": "declination",
    "tns_name": "name",
    "tns_prefix": "name_prefix",
    "disc_mag": "discoverymag",
    "disc_mag_filter": "filter",
    "type": "type",
    "z": "redshift",
    "disc_int_name": "internal_names",
    "disc_date": "discoverydate",
    "lastmodified_date": "lastmodified",
    "sender": "reporting_group",
    "reporters": "reporters",
    "source_group": "source_group",
}
"""Column of `crossmatch_tns` to column of the file; found by name, so that order and additions do not matter."""

OPTIONAL = {"objid"}
"""Columns that a file may lack."""

_NUMBERS = {"ra": True, "decl": True, "disc_mag": False, "z": False, "objid": False}
"""Numeric columns, and whether a row without the value is bad."""
_TIMES = ("disc_date", "lastmodified_date")
_LARGEST_MEMBER = 2 * 1024**3


class BadBulkFile(ValueError):
    """The file as a whole is unusable; nothing must be applied."""


@dataclass(frozen=True)
class BadRow:
    """A line that was not accepted."""

    line: int
    """Number of the line in the file, from 1."""
    text: str
    """The line as received."""
    reason: str
    """What is wrong with it."""


@dataclass(frozen=True)
class BulkFile:
    """Content of a bulk file."""

    objects: pa.Table
    """Columns of `crossmatch_tns`, with `htm16`; one row for each object."""
    bad: tuple[BadRow, ...]
    """Lines that were not accepted."""
    banner: str
    """First line: the time covered by the file, in words."""
    sha256: str
    """SHA-256 of the unpacked file, hexadecimal."""


def unpack(content: bytes) -> bytes:
    """The CSV in the zip that TNS sends.

    Raises
    ------
    BadBulkFile
        If the bytes are no whole zip with one member.

    Examples
    --------
    >>> unpack(b"<html>Too many requests</html>")
    Traceback (most recent call last):
    ...
    broker_assets.tns.bulk.BadBulkFile: not a zip archive but b'<html>Too many requests</html>'
    """
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise BadBulkFile(f"not a zip archive but {content[:60]!r}")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) != 1:
                raise BadBulkFile(f"the zip has {len(members)} members, not one")
            if members[0].file_size > _LARGEST_MEMBER:
                raise BadBulkFile(f"the CSV unpacks to {members[0].file_size} bytes, more than {_LARGEST_MEMBER}")
            return archive.read(members[0])
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise BadBulkFile(f"the zip is damaged: {error}") from error


def fingerprint(text: bytes) -> str:
    """SHA-256 of the unpacked file, hexadecimal, by which an unchanged file is recognised without parsing it."""
    return hashlib.sha256(text).hexdigest()


def parse_bulk_csv(text: bytes) -> BulkFile:
    """Read the unpacked CSV.

    Parameters
    ----------
    text : bytes
        A banner line, the column names, the rows; UTF-8, fields quoted.

    Returns
    -------
    BulkFile

    Raises
    ------
    BadBulkFile
        If it is no such CSV, or columns are missing; the message says which.
    """
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadBulkFile(f"not UTF-8 at byte {error.start}") from error
    reader = csv.reader(io.StringIO(decoded, newline=""))
    banner, header = "", []
    for row in reader:
        names = [name.strip() for name in row]
        if "name" in names and "ra" in names:
            header = names
            break
        if reader.line_num > 3:
            break
        banner = ",".join(row)
    missing = [name for ours, name in COLUMNS.items() if name not in header and ours not in OPTIONAL]
    if missing:
        raise BadBulkFile(f"columns missing: {', '.join(missing)}; the column names must be in one of the first lines")
    rows: list[list[str]] = []
    lines: list[int] = []
    bad: list[BadRow] = []
    before = reader.line_num
    try:
        for row in reader:
            line, before = before + 1, reader.line_num
            if len(row) == len(header):
                rows.append(row)
                lines.append(line)
            elif row:
                bad.append(BadRow(line, _as_line(row), f"{len(row)} fields instead of {len(header)}"))
    except csv.Error as error:
        raise BadBulkFile(f"line {reader.line_num}: {error}") from error
    table, failed = _convert(rows, header)
    bad += [BadRow(lines[row], _as_line(rows[row]), reason) for row, reason in sorted(failed.items())]
    table, repeated = _last_of_each(table, np.delete(np.array(lines, np.int64), sorted(failed)))
    bad += [BadRow(line, name, "the same object occurs again later in the file") for line, name in repeated]
    return BulkFile(table, tuple(sorted(bad, key=lambda row: row.line)), banner, fingerprint(text))


def _as_line(row: list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="").writerow(row)
    return buffer.getvalue()


def _convert(rows: list[list[str]], header: list[str]) -> tuple[pa.Table, dict[int, str]]:
    """Convert the columns to their types, and note why some rows are invalid."""
    by_name = dict(zip(header, zip(*rows, strict=True) if rows else ((),) * len(header), strict=True))
    failed: dict[int, str] = {}
    columns: dict[str, pa.Array] = {}
    for ours, theirs in COLUMNS.items():
        stripped = [text.strip() for text in by_name.get(theirs, ("",) * len(rows))]
        texts = pd.Series(stripped, dtype="object")
        empty = np.array([not text for text in stripped], dtype=bool)
        if ours in _NUMBERS:
            numbers = pd.to_numeric(texts.where(~empty), errors="coerce").to_numpy(np.float64, na_value=np.nan)
            wrong = ~np.isfinite(numbers) & (~empty | _NUMBERS[ours])
            _note(failed, wrong, texts, f"{theirs} {{!r}} is not a number")
            kind = pa.int64() if ours == "objid" else pa.float32() if ours == "disc_mag" else pa.float64()
            values = pa.array(np.where(np.isfinite(numbers), numbers, 0.0), mask=~np.isfinite(numbers))
            columns[ours] = pc.cast(values, kind, safe=False)
        elif ours in _TIMES:
            times = pd.to_datetime(texts.where(~empty), errors="coerce", format="ISO8601", utc=True)
            _note(failed, times.isna().to_numpy(dtype=bool) & ~empty, texts, f"{theirs} {{!r}} is not a date and time")
            columns[ours] = pa.array(times, pa.timestamp("us", tz="UTC"))
        else:
            required = ours in {"tns_name"}
            if required:
                _note(failed, empty, texts, f"{theirs} is empty")
            columns[ours] = pa.array(stripped, pa.string(), mask=None if required or ours == "tns_prefix" else empty)
    ra, dec = np.asarray(columns["ra"].fill_null(0.0)), np.asarray(columns["decl"].fill_null(0.0))
    outside = (np.abs(dec) > 90.0) | (ra < 0.0) | (ra >= 360.0 + 1e-9)
    _note(failed, outside, pd.Series(list(zip(ra, dec, strict=True)), dtype="object"), "position {} is not on the sky")
    keep = np.ones(len(rows), bool)
    keep[list(failed)] = False
    table = pa.table(columns).filter(pa.array(keep))
    trixels = htm(np.asarray(table["ra"]), np.asarray(table["decl"])) if len(table) else np.empty(0, np.int64)
    return table.append_column("htm16", pa.array(trixels, pa.int64())), failed


def _note(failed: dict[int, str], wrong: np.ndarray, texts: pd.Series, reason: str) -> None:
    for row in np.flatnonzero(wrong).tolist():
        failed.setdefault(row, reason.format(texts.iloc[row]))


def _last_of_each(table: pa.Table, lines: np.ndarray) -> tuple[pa.Table, list[tuple[int, str]]]:
    """One row for each name and each number: the last one, since a file is written in the order of changes."""
    names = pd.Series(table["tns_name"].to_pylist(), dtype="object")
    numbers = pd.Series(table["objid"].to_pylist(), dtype="object")
    twice = names.duplicated(keep="last") | (numbers.duplicated(keep="last") & numbers.notna())
    repeated = twice.to_numpy(dtype=bool)
    if not repeated.any():
        return table, []
    gone = np.flatnonzero(repeated)
    return table.filter(pa.array(~repeated)), [(int(lines[row]), str(names.iloc[row])) for row in gone]
