"""The bulk files of TNS: a zip with one CSV, read into a table, with the reasons for rejected lines."""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import re
import zipfile
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from broker_assets.settings.limits import LIMITS, InputLimits
from broker_assets.sky.htm import htm

TNS_VERSION = "2"

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
"""Columns of the file by column of `crossmatch_tns`; found by name, so that order and additions do not matter."""

OPTIONAL = {"objid"}
"""Columns that a file may lack."""

_NUMBERS = {
    "ra": (True, -360.0, 360.0), "decl": (True, -90.0, 90.0), "disc_mag": (False, -100.0, 100.0),
    "z": (False, -1.0, 10_000.0),
}  # fmt: skip
"""Numeric columns: whether a value is required, and the smallest and largest value."""
_DECIMAL = r"^[+-]?(\d{1,40}\.?\d{0,40}|\.\d{1,40})([eE][+-]?\d{1,3})?$"
_OBJECT_NUMBER = r"^\d{1,18}$"
_TIMES = ("disc_date", "lastmodified_date")
_LONGEST_NAME = 100
"""Characters of a name, at most; names of TNS have up to 16."""
_LARGEST_DIRECTORY = 4096
"""Bytes of the directory of a zip with one member, at most; enough for a name and its extra fields."""
_END_OF_DIRECTORY, _ZIP64_LOCATOR = b"PK\x05\x06", b"PK\x06\x07"
_BANNER = re.compile(
    r"\s*(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})Z?"
    r"(?:\s{1,9}[-–]\s{1,9}(?:(\d{4}-\d{2}-\d{2})[ T])?(\d{2}:\d{2}:\d{2})Z?)?\s*",
    re.ASCII,
)
_DATE = r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$"
"""Dates of the file. What else pandas reads as ISO 8601 includes a year alone and the words *now* and *today*."""
_AHEAD = datetime.timedelta(days=1)
"""How far a date may be in the future, since clocks differ. A damaged one would be newer than every true one for ever:
no file could change the object, and no full file could delete it."""
_NAME_PARTS = re.compile(r"\w{3,100}")


class BadBulkFile(ValueError):
    """The file as a whole is unusable; nothing of it is applied."""


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
    """First line: the time covered by the file, as text."""
    sha256: str
    """SHA-256 of the unzipped file, hexadecimal."""

    @property
    def unread_names(self) -> frozenset[str]:
        """Words of the rejected lines, the names of their objects among them: the file does list these objects."""
        return frozenset(word for row in self.bad for word in _NAME_PARTS.findall(row.text))


def unpack(content: bytes, *, limits: InputLimits = LIMITS) -> bytes:
    """The CSV in the zip that TNS sends.

    Parameters
    ----------
    content : bytes
        The zip.
    limits : InputLimits
        `tns_bytes` limits the CSV; nothing beyond it is unzipped.

    Raises
    ------
    BadBulkFile
        If the bytes are not a complete zip file with one member, or that is too large.

    Examples
    --------
    >>> unpack(b"<html>Too many requests</html>")
    Traceback (most recent call last):
    ...
    broker_assets.tns.bulk.BadBulkFile: not a zip archive but b'<html>Too many requests</html>'
    """
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise BadBulkFile(f"not a zip archive but {content[:60]!r}")
    _refuse_long_directory(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) != 1:
                raise BadBulkFile(f"the zip has {len(members)} members, not one")
            with archive.open(members[0]) as member:
                text = member.read(min(members[0].file_size, limits.tns_bytes) + 1)
    except BadBulkFile:
        raise
    except Exception as error:  # zipfile and its codecs fail in many ways on damaged bytes, all equivalent here
        raise BadBulkFile(f"the zip is damaged: {error}") from error
    if len(text) > limits.tns_bytes:
        raise BadBulkFile(f"the CSV unpacks to more than {limits.tns_bytes:,} bytes (BROKER_LIMITS__TNS_BYTES)")
    return text


def _refuse_long_directory(content: bytes) -> None:
    """Refuse a zip with a directory of many members before it is read: each entry costs ten times its bytes."""
    at = content.rfind(_END_OF_DIRECTORY)
    size = int.from_bytes(content[at + 12 : at + 16], "little")
    if size > _LARGEST_DIRECTORY or content[max(at - 20, 0) : at].startswith(_ZIP64_LOCATOR):
        raise BadBulkFile("the zip has many members, not one")


def fingerprint(text: bytes) -> str:
    """SHA-256 of the unzipped file, hexadecimal, by which an unchanged file is recognised without parsing it."""
    return hashlib.sha256(text).hexdigest()


def covered_interval(text: bytes) -> tuple[datetime.datetime, datetime.datetime] | None:
    """The half-open interval that an unzipped file says it covers, UTC; None if its first line does not say.

    Parameters
    ----------
    text : bytes
        The file; the first line is, for example, ``"2026-11-19 00:00:00 - 23:59:59"``. A single time is the end of the
        interval.

    Examples
    --------
    >>> [time.isoformat() for time in covered_interval(b'"2026-11-19 00:00:00 - 23:59:59"')]
    ['2026-11-19T00:00:00+00:00', '2026-11-20T00:00:00+00:00']
    """
    banner = text[:200].removeprefix(b"\xef\xbb\xbf").splitlines()[:1]
    # spreadsheets fill the line up with empty fields
    found = _BANNER.fullmatch(banner[0].decode("utf-8", "replace").strip(' ,"')) if banner else None
    if found is None:
        return None
    day, first, last_day, last = found.groups()
    try:
        start = datetime.datetime.fromisoformat(f"{day}T{first}+00:00")
        end = start if last is None else datetime.datetime.fromisoformat(f"{last_day or day}T{last}+00:00")
        if end.second == 59:  # the last second belongs to the interval
            end += datetime.timedelta(seconds=1)
        if end < start and last_day is None:
            end += datetime.timedelta(days=1)
    except (ValueError, OverflowError):
        return None
    return (start, end) if start <= end else None


def parse_bulk_csv(text: bytes, *, limits: InputLimits = LIMITS, now: datetime.datetime | None = None) -> BulkFile:
    """Read the unzipped CSV.

    Parameters
    ----------
    text : bytes
        A banner line, the column names, the rows; UTF-8, fields quoted.
    limits : InputLimits
        `tns_rows` limits the rows.
    now : datetime, optional
        With time zone; the present time unless given. A line with a date more than a day after both it and the end of
        the time that the file covers is rejected.

    Returns
    -------
    BulkFile

    Raises
    ------
    BadBulkFile
        If it is not such a CSV file, columns are missing (the message says which), or there are too many rows.
    """
    try:
        text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadBulkFile(f"not UTF-8 at byte {error.start}") from error
    # Decoded as it is read: a decoded text in memory would take four bytes per character.
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(text), encoding="utf-8-sig", newline=""))
    banner, header = "", []
    try:
        for row in reader:
            names = [name.strip().lower() for name in row]
            if "name" in names and "ra" in names:
                header = names
                break
            if reader.line_num > 3:
                break
            banner = ",".join(row)
    except csv.Error as error:
        raise BadBulkFile(f"line {reader.line_num}: {error}") from error
    if len(set(header)) != len(header):
        raise BadBulkFile("a column occurs twice in the line of column names")
    missing = [name for ours, name in COLUMNS.items() if name not in header and ours not in OPTIONAL]
    if missing:
        raise BadBulkFile(f"columns missing: {', '.join(missing)}; the column names must be in one of the first lines")
    rows: list[list[str]] = []
    lines: list[int] = []
    bad: list[BadRow] = []
    before = reader.line_num
    try:
        for number, row in enumerate(reader):
            line, before = before + 1, reader.line_num
            if number >= limits.tns_rows:  # empty lines count, since they take time, too
                raise BadBulkFile(f"more than {limits.tns_rows:,} rows (BROKER_LIMITS__TNS_ROWS)")
            if len(row) == len(header):
                rows.append(row)
                lines.append(line)
            elif row:
                bad.append(BadRow(line, _as_line(row), f"{len(row)} fields instead of {len(header)}"))
    except csv.Error as error:
        raise BadBulkFile(f"line {reader.line_num}: {error}") from error
    interval = covered_interval(text)
    newest = max([now or datetime.datetime.now(datetime.UTC), *(interval or ())])
    table, failed = _convert(rows, header, newest + _AHEAD)
    bad += [BadRow(lines[row], _as_line(rows[row]), reason) for row, reason in sorted(failed.items())]
    table, repeated = _newest_of_each(table, np.delete(np.array(lines, np.int64), sorted(failed)))
    bad += [BadRow(line, name, "the same object occurs again in the file, newer or later") for line, name in repeated]
    return BulkFile(table, tuple(sorted(bad, key=lambda row: row.line)), banner, fingerprint(text))


def _as_line(row: list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="").writerow(row)
    return buffer.getvalue()


def _convert(rows: list[list[str]], header: list[str], latest: datetime.datetime) -> tuple[pa.Table, dict[int, str]]:
    """Convert the columns to their types, and note why some rows are invalid."""
    by_name = dict(zip(header, zip(*rows, strict=True) if rows else ((),) * len(header), strict=True))
    failed: dict[int, str] = {}
    columns: dict[str, pa.Array] = {}
    for ours, theirs in COLUMNS.items():
        stripped = [text.strip() for text in by_name.get(theirs, ("",) * len(rows))]
        texts = pd.Series(stripped, dtype="object")
        empty = np.array([not text for text in stripped], dtype=bool)
        if ours == "objid":
            columns[ours] = _object_numbers(stripped, empty, failed, theirs, texts)
        elif ours in _NUMBERS:
            required, smallest, largest = _NUMBERS[ours]
            decimal = np.asarray(pc.match_substring_regex(pa.array(stripped, pa.string()), _DECIMAL), dtype=bool)
            numbers = np.full(len(rows), np.nan)
            numbers[decimal] = texts[decimal].astype(np.float64)
            decimal &= np.isfinite(numbers)  # an exponent may be beyond what can be represented
            _note(failed, ~decimal & (~empty | required), texts, f"{theirs} {{!r}} is not a number")
            if ours not in ("ra", "decl"):  # for a position, both values are shown
                outside = decimal & ~((numbers >= smallest) & (numbers <= largest))
                _note(failed, outside, texts, f"{theirs} {{!r}} is not between {smallest:g} and {largest:g}")
                numbers[outside] = np.nan
            known = np.isfinite(numbers)
            values = pa.array(np.where(known, numbers, 0.0), mask=~known)
            columns[ours] = pc.cast(values, pa.float32() if ours == "disc_mag" else pa.float64())
        elif ours in _TIMES:
            dated = np.asarray(pc.match_substring_regex(pa.array(stripped, pa.string()), _DATE), dtype=bool)
            times = pd.to_datetime(texts.where(dated), errors="coerce", format="ISO8601", utc=True).dt.floor("us")
            _note(failed, times.isna().to_numpy(dtype=bool) & ~empty, texts, f"{theirs} {{!r}} is not a date and time")
            _note(failed, (times > latest).to_numpy(dtype=bool), texts, f"{theirs} {{!r}} is in the future")
            columns[ours] = pa.array(times.dt.as_unit("us"), pa.timestamp("us", tz="UTC"))
        else:
            _note(failed, np.array(["\0" in text for text in stripped], bool), texts, f"{theirs} {{!r}} has a NUL")
            required = ours == "tns_name"
            if required:
                _note(failed, empty, texts, f"{theirs} is empty")
                long = np.array([len(text) > _LONGEST_NAME for text in stripped], bool)
                _note(failed, long, texts, f"{theirs} {{!r:.40}}… has more than {_LONGEST_NAME} characters")
                several = np.array([not text.isprintable() or " " in text for text in stripped], bool)
                _note(failed, several, texts, f"{theirs} {{!r}} is not one word")
            columns[ours] = pa.array(stripped, pa.string(), mask=None if required or ours == "tns_prefix" else empty)
    ra, dec = np.asarray(columns["ra"].fill_null(0.0)), np.asarray(columns["decl"].fill_null(0.0))
    outside = ~((np.abs(dec) <= 90.0) & (ra >= 0.0) & (ra <= 360.0))
    positions = pd.Series(list(zip(ra.tolist(), dec.tolist(), strict=True)), dtype="object")
    _note(failed, outside, positions, "position {} is not on the sky")
    columns["ra"] = pa.array(np.where(ra == 360.0, 0.0, ra))
    keep = np.ones(len(rows), bool)
    keep[list(failed)] = False
    table = pa.table(columns).filter(pa.array(keep))
    trixels = htm(np.asarray(table["ra"]), np.asarray(table["decl"])) if len(table) else np.empty(0, np.int64)
    return table.append_column("htm16", pa.array(trixels, pa.int64())), failed


def _object_numbers(
    stripped: list[str], empty: np.ndarray, failed: dict[int, str], name: str, texts: pd.Series
) -> pa.Array:
    """Numbers of objects, exactly; a float could not hold all of them."""
    whole = np.asarray(pc.match_substring_regex(pa.array(stripped, pa.string()), _OBJECT_NUMBER), dtype=bool)
    _note(failed, ~whole & ~empty, texts, f"{name} {{!r}} is not the number of an object")
    return pa.array([int(text) if good else None for text, good in zip(stripped, whole, strict=True)], pa.int64())


def _note(failed: dict[int, str], wrong: np.ndarray, texts: pd.Series, reason: str) -> None:
    for row in np.flatnonzero(wrong).tolist():
        failed.setdefault(row, reason.format(texts.iloc[row]))


def _newest_of_each(table: pa.Table, lines: np.ndarray) -> tuple[pa.Table, list[tuple[int, str]]]:
    """One row for each name and each number: the one that TNS modified last, or the last of several equal ones."""
    modified = table["lastmodified_date"].to_pandas()
    order = modified.sort_values(kind="stable", na_position="first").index
    names = pd.Series(table["tns_name"].to_pylist(), dtype="object").reindex(order)
    numbers = pd.Series(table["objid"].to_pylist(), dtype="object").reindex(order)
    twice = names.duplicated(keep="last") | (numbers.duplicated(keep="last") & numbers.notna())
    repeated = twice.sort_index().to_numpy(dtype=bool)
    if not repeated.any():
        return table, []
    gone = np.flatnonzero(repeated)
    return table.filter(pa.array(~repeated)), [(int(lines[row]), str(names[row])) for row in gone]
