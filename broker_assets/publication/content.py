"""Content of a product file, as needed for its delivery.

FITS as in the standard 4.0: blocks of 2880 bytes, cards of 80 (chapter 3), checksums of an HDU (chapter 4.4.2.7).
"""

from __future__ import annotations

import datetime
import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from broker_assets.instants import instant

BLOCK: Final = 2880
CARD: Final = 80
UNSTABLE: Final = (b"DATE    ", b"CHECKSUM", b"DATASUM ")
"""Cards that differ between two files of the same content."""
ONBOARD_EPOCH: Final = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
SECONDS: Final = {"s": 1.0, "ds": 0.1, "cs": 0.01, "ms": 1e-3, "us": 1e-6}
INTERVALS: Final = 500
"""Maximum number of coverage intervals kept; more are joined over the shortest gaps."""


class DamagedFile(ValueError):
    """A local file cannot be read or does not match its own checksums."""


class Facts(BaseModel):
    """Facts compared between versions, stored with each delivery so that the delivered file need not be read again."""

    model_config = ConfigDict(frozen=True)

    rows: int = 0
    """Rows of DATA."""
    nan: dict[str, float] = Field(default_factory=dict)
    """Fraction of NaN of each column; of integer columns 0."""
    covered: list[tuple[float, float]] = Field(default_factory=list)
    """Intervals with data, seconds since 2000-01-01 in the time system of the file; None if it has no times."""
    data_digest: str = ""
    """SHA-256 of names, types and values of DATA, without its keywords; for a plot, of its bytes."""


@dataclass(frozen=True)
class Content:
    """Content of a product file."""

    digest: str
    """SHA-256 of everything except DATE, CHECKSUM and DATASUM."""
    facts: Facts
    start: datetime.datetime | None
    """Start of the data; on-board time is taken as UTC, which is accurate to minutes."""
    made_at: datetime.datetime | None
    """DATE."""
    sums_wrong: tuple[str, ...] = ()
    """HDUs that do not match their own checksum."""
    damage: str = ""
    """Why the file cannot be read; empty if it can."""


def hdus(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Bounds of each HDU: start of header, start of data, end.

    Raises
    ------
    DamagedFile
        If the file ends early or a header has no end.
    """
    start = 0
    while start < len(data):
        at = start
        sizes: dict[bytes, int] = {}
        while True:
            block = data[at : at + BLOCK]
            if len(block) < BLOCK:
                raise DamagedFile("the file ends within a header")
            at += BLOCK
            cards = [block[i : i + CARD] for i in range(0, BLOCK, CARD)]
            for card in cards:
                keyword = card[:8].rstrip()
                if keyword in (b"BITPIX", b"PCOUNT", b"GCOUNT") or keyword.startswith(b"NAXIS"):
                    sizes[keyword] = int(card[10:].split(b"/")[0])
            if any(card.rstrip() == b"END" for card in cards):
                break
        axes = [sizes.get(b"NAXIS%d" % number, 0) for number in range(1, sizes.get(b"NAXIS", 0) + 1)]
        elements = math.prod(axes) + sizes.get(b"PCOUNT", 0) if axes else 0
        size = abs(sizes.get(b"BITPIX", 8)) // 8 * sizes.get(b"GCOUNT", 1) * elements
        end = at + -(-size // BLOCK) * BLOCK
        if end > len(data):
            raise DamagedFile("the file ends within its data")
        yield start, at, end
        start = end


def digest(data: bytes, suffix: str) -> str:
    """SHA-256 of the content of a file; for a FITS file, without the cards that change each time it is written.

    Raises
    ------
    DamagedFile
        If a FITS file is truncated.
    """
    if suffix != "fits":
        return hashlib.sha256(data).hexdigest()
    found = hashlib.sha256()
    for start, body, end in hdus(data):
        for at in range(start, body, CARD):
            card = data[at : at + CARD]
            if not card.startswith(UNSTABLE) and card.strip():
                found.update(card)
        found.update(data[body:end])
    return found.hexdigest()


def ones_sum(data: bytes, start: int = 0) -> int:
    """32-bit ones' complement sum of data whose length is a multiple of four."""
    total = start + int(np.frombuffer(data, dtype=">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def wrong_sums(data: bytes) -> tuple[str, ...]:
    """Extensions that do not match their own checksums; the primary header is rewritten for a delivery.

    The sum of an HDU with a valid CHECKSUM is all ones (or zero).
    """
    found = []
    for number, (start, body, end) in enumerate(hdus(data)):
        header = data[start:body]
        stated = {
            card[:8].rstrip(): card[10:].split(b"'")[1].strip()
            for card in (header[i : i + CARD] for i in range(0, len(header), CARD))
            if card.startswith((b"CHECKSUM= '", b"DATASUM = '"))
        }
        total = ones_sum(data[body:end])
        right = b"DATASUM" not in stated or int(stated[b"DATASUM"] or 0) == total
        if number and b"CHECKSUM" in stated:
            right = right and ones_sum(header, total) in (0, 0xFFFFFFFF)
        if not right:
            found.append(f"HDU {number}")
    return tuple(found)


def read(data: bytes, suffix: str) -> Content:
    """Read the content of a file.

    Parameters
    ----------
    data : bytes
    suffix : str
        `fits` or `svg`.

    Raises
    ------
    DamagedFile
        If the file cannot be read.
    """
    if not data:
        raise DamagedFile("the file is empty")
    if suffix != "fits":
        return Content(digest(data, suffix), Facts(data_digest=hashlib.sha256(data).hexdigest()), None, None)
    try:
        found = digest(data, suffix)
        sums = wrong_sums(data)
        with fits.HDUList.fromstring(data) as parts:
            header = parts[0].header
            if len(parts) < 2:
                raise DamagedFile("the file has no tables")
            table = next((part for part in parts[1:] if part.name == "DATA"), None)
            facts = Facts() if table is None else _facts(table, header)
            return Content(found, facts, start_of(header), _instant(header.get("DATE")), sums)
    except DamagedFile:
        raise
    except (OSError, ValueError, KeyError, IndexError, TypeError, fits.VerifyError) as error:
        raise DamagedFile(f"the file cannot be read: {error}") from error


def start_of(header: fits.Header) -> datetime.datetime | None:
    """Start of the data of a file; None if the header does not give it.

    Examples
    --------
    >>> start_of(fits.Header({"OBT_BEG": 664070400.5, "TIMESYS": "OBT"})).isoformat()
    '2021-01-16T00:00:00.500000+00:00'
    """
    if header.get("TIMESYS") == "UTC":
        return _instant(header.get("DATE-BEG"))
    value = header.get("OBT_BEG")
    if isinstance(value, str):
        coarse, _, fine = value.partition(":")
        seconds = float(coarse) + float(fine or 0) / 65536 if coarse.isdigit() else math.nan
    else:
        seconds = float(value) if isinstance(value, int | float) else math.nan
    return ONBOARD_EPOCH + datetime.timedelta(seconds=seconds) if math.isfinite(seconds) else None


def _instant(text: Any) -> datetime.datetime | None:
    if not isinstance(text, str):
        return None
    try:
        return instant(text)
    except ValueError:
        return None


def _facts(table: Any, header: fits.Header) -> Facts:
    """Rows, NaN and coverage of the table DATA."""
    # As stored, without scaling, so that equal bytes are equal values and nothing is converted twice.
    records = table.data.view(np.ndarray)
    nan: dict[str, float] = {}
    found = hashlib.sha256(repr(records.dtype.descr).encode())
    for name in records.dtype.names or ():
        values = np.ascontiguousarray(records[name])
        found.update(values.tobytes())
        nan[name] = float(np.isnan(values).mean()) if values.dtype.kind == "f" and values.size else 0.0
    return Facts(rows=len(records), nan=nan, covered=_covered(table, header), data_digest=found.hexdigest())


def _covered(table: Any, header: fits.Header) -> list[tuple[float, float]]:
    begin = start_of(header)
    names, records = table.data.names, table.data
    if begin is None or "time" not in names or not len(records):
        return []
    units = {column.name: SECONDS.get(str(column.unit or "cs").strip(), 0.01) for column in table.columns}
    centre = np.asarray(records["time"], dtype=np.float64).reshape(len(records), -1)[:, 0] * units["time"]
    length = np.zeros_like(centre)
    if "timedel" in names:
        length = np.asarray(records["timedel"], dtype=np.float64).reshape(len(records), -1)[:, 0] * units["timedel"]
    if len(centre) > 1 and not length.any():
        # Instantaneous samples represent the time until the next one.
        length = np.full_like(centre, float(np.median(np.diff(np.sort(centre)))))
    zero = (begin - ONBOARD_EPOCH).total_seconds()
    return joined(zero + centre - length / 2, zero + centre + length / 2)


def joined(begins: NDArray[np.float64], ends: NDArray[np.float64], most: int = INTERVALS) -> list[tuple[float, float]]:
    """Join intervals that touch; if too many remain, also those with the shortest gaps between them.

    Parameters
    ----------
    begins, ends : (n,) float64 array
        Seconds.
    most : int

    Examples
    --------
    >>> joined(np.array([0.0, 10.0, 4.0]), np.array([4.0, 12.0, 8.0]))
    [(0.0, 8.0), (10.0, 12.0)]
    """
    finite = np.isfinite(begins) & np.isfinite(ends)
    order = np.argsort(begins[finite], kind="stable")
    begins, ends = begins[finite][order], np.maximum.accumulate(ends[finite][order])
    if not len(begins):
        return []
    gaps = begins[1:] - ends[:-1]
    limit = 0.05
    wide = np.sort(gaps)[::-1]
    if len(wide) >= most:
        limit = max(limit, float(wide[most - 1]))
    breaks = np.flatnonzero(gaps > limit)
    first = np.concatenate([[0], breaks + 1])
    last = np.concatenate([breaks, [len(begins) - 1]])
    return [(round(float(begins[i]), 3), round(float(ends[j]), 3)) for i, j in zip(first, last, strict=True)]


def covered_seconds(intervals: Sequence[tuple[float, float]]) -> float:
    """Total length of disjoint intervals."""
    return sum(end - begin for begin, end in intervals)
