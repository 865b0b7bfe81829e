"""Which bulk files are due: scheduled files that have not been applied, including those missed during an outage.

TNS makes a full file and one of the previous day shortly after midnight UTC, and hourly files for the last 24 hours,
each named by its hour. Hourly files are early, daily files fill gaps between hours, the full file removes objects that
no longer exist.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import psycopg

from broker_assets.settings.limits import LIMITS, InputLimits
from broker_assets.tns.bulk import BadBulkFile, covered_interval, fingerprint, parse_bulk_csv, unpack
from broker_assets.tns.client import TnsClient, TnsNotFoundError, bulk_name
from broker_assets.tns.refresh import Kind, Refresh, apply_bulk_file, skip_unchanged

HOUR_READY = datetime.timedelta(minutes=30)
"""Delay after the end of an hour before its file is fetched."""
DAY_READY = datetime.timedelta(hours=8, minutes=10)
"""Delay after the end of a day before its file is fetched."""
FULL_READY = datetime.timedelta(hours=9, minutes=15)
"""Time on `FULL_DAYS` at which the full file is fetched."""
FULL_DAYS = (1, 4)
MOST_DAYS = 14
"""After a longer outage, the full file is cheaper than individual days."""
LATE_FULL = datetime.timedelta(days=3)
"""How late a full file may be, which TNS makes every day. An older one is applied nevertheless: it deletes nothing that
is newer than it claims to be, and does not cause daily files to be fetched."""
_DAY = datetime.timedelta(days=1)
_HOUR = datetime.timedelta(hours=1)


class FileNotReady(LookupError):
    """TNS still has the file of the previous hour or day under this name; it is fetched again next time."""


@dataclass(frozen=True)
class DueFile:
    """A bulk file to apply."""

    name: str
    """File name at TNS."""
    kind: Kind
    """full, day or hour."""
    covers_until: datetime.datetime
    """End of the time it covers, UTC."""


@dataclass(frozen=True)
class AppliedFile:
    """Record of an applied file."""

    name: str
    kind: Literal["full", "day", "hour"]
    covers_until: datetime.datetime
    applied_at: datetime.datetime


def due_files(applied: Iterable[AppliedFile], now: datetime.datetime) -> list[DueFile]:
    """Bulk files to fetch now, in the order in which to apply them.

    Parameters
    ----------
    applied : iterable of AppliedFile
        Files that have been applied.
    now : datetime
        With time zone.

    Returns
    -------
    list of DueFile
        Empty when nothing is missing.

    Examples
    --------
    >>> now = datetime.datetime(2026, 11, 20, 2, 31, tzinfo=datetime.UTC)
    >>> [file.name for file in due_files([], now)][:2]
    ['tns_public_objects.csv.zip', 'tns_public_objects_00.csv.zip']
    """
    now = now.astimezone(datetime.UTC)
    known = list(applied)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    fulls = [file.covers_until for file in known if file.kind == "full"]
    base = max(fulls, default=None)
    due: list[DueFile] = []
    if base is None or base < _last_full(now) or midnight - base > (MOST_DAYS + 1) * _DAY:
        base = midnight
        due.append(DueFile(bulk_name(), "full", midnight))
    have = {(file.kind, file.covers_until) for file in known}
    first = base.replace(hour=0, minute=0, second=0, microsecond=0)
    days = [first + number * _DAY for number in range((midnight - first).days)]
    ended = [(day, day + _DAY) for day in days]
    due += [
        DueFile(bulk_name(day=start.date()), "day", end)
        for start, end in ended
        if now >= end + DAY_READY and ("day", end) not in have
    ]
    covered = max([base, *(end for start, end in ended if ("day", end) in have or now >= end + DAY_READY)])
    hour = now.replace(minute=0, second=0, microsecond=0)
    ends = [hour - number * _HOUR for number in reversed(range(23))]
    due += [
        DueFile(bulk_name(hour=(end - _HOUR).hour), "hour", end)
        for end in ends
        if end > covered and now >= end + HOUR_READY and ("hour", end) not in have
    ]
    return due


def _last_full(now: datetime.datetime) -> datetime.datetime:
    """Midnight of the last day on which a full file was due."""
    day = now
    while day.day not in FULL_DAYS or day - day.replace(hour=0, minute=0, second=0, microsecond=0) < FULL_READY:
        day = day.replace(hour=0, minute=0, second=0, microsecond=0) - datetime.timedelta(microseconds=1)
    return day.replace(hour=0, minute=0, second=0, microsecond=0)


def applied_files(connection: psycopg.Connection[Any]) -> list[AppliedFile]:
    """Files that have been applied; for an hourly file, only the last day is known."""
    rows = connection.execute("SELECT name, kind, covers_until, applied_at FROM tns_file ORDER BY name")
    return [AppliedFile(*row) for row in rows]


def files_version(connection: psycopg.Connection[Any]) -> str | None:
    """Version of the bulk files that TNS has, as far as they were fetched; None before the first.

    A hash of the content of the newest file of each name: fetching an unchanged file again does not change it.
    """
    rows = connection.execute("SELECT name, sha256 FROM tns_file ORDER BY name").fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:32] if rows else None


@dataclass(frozen=True)
class CaughtUp:
    """Result of fetching and applying the due files."""

    refreshes: dict[str, Refresh]
    """By file name."""
    missing: tuple[str, ...]
    """Files that TNS does not have (yet)."""
    damaged: dict[str, str]
    """Files that could not be read, and why; they are fetched again next time."""


def catch_up(
    connection: psycopg.Connection[Any], client: TnsClient, files: Iterable[DueFile], *, limits: InputLimits = LIMITS
) -> CaughtUp:
    """Fetch and apply files, each in its own transaction.

    Raises
    ------
    TnsRefusedError, TnsUnavailableError
        If TNS refuses access or is unavailable; files applied before stay applied.
    SuspiciousBulkFile
        If a full file would delete too much.
    """
    refreshes: dict[str, Refresh] = {}
    missing: list[str] = []
    damaged: dict[str, str] = {}
    for due in files:
        try:
            refreshes[due.name] = apply_content(connection, client.bulk_file(due.name), due, limits=limits)
        except (TnsNotFoundError, FileNotReady):
            missing.append(due.name)
        except BadBulkFile as error:
            damaged[due.name] = str(error)
    return CaughtUp(refreshes, tuple(missing), damaged)


def apply_content(
    connection: psycopg.Connection[Any], content: bytes, due: DueFile, *, limits: InputLimits = LIMITS
) -> Refresh:
    """Apply a file as sent by TNS; one that is already known is not parsed.

    The first line of a file says what it covers. A full file lists every object up to that time and no later one,
    whenever it is fetched. An hourly or daily file that covers another time is the old one under the same name.

    Raises
    ------
    FileNotReady
        If it is the file of another hour or day.
    BadBulkFile, SuspiciousBulkFile
        See `parse_bulk_csv` and `apply_bulk_file`.
    """
    text = unpack(content, limits=limits)
    covers_until, lists_until = _covered(text, due)
    about: dict[str, Any] = {"name": due.name, "kind": due.kind, "covers_until": covers_until}
    unchanged = skip_unchanged(connection, fingerprint(text), **about)
    if unchanged is not None:
        return unchanged
    return apply_bulk_file(connection, parse_bulk_csv(text, limits=limits), lists_until=lists_until, **about)


def _covered(text: bytes, due: DueFile) -> tuple[datetime.datetime, datetime.datetime]:
    """End of the time that a file covers, and time up to which it lists every object; by default from the schedule."""
    interval = covered_interval(text)
    if interval is None:
        return due.covers_until, due.covers_until
    start, end = interval
    if due.kind == "full":
        lists_until = min(end, due.covers_until)
        return (lists_until if due.covers_until - end <= LATE_FULL else due.covers_until), lists_until
    if end - start == (_HOUR if due.kind == "hour" else _DAY) and end != due.covers_until:
        raise FileNotReady(f"{due.name} covers {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}, not the time due")
    return due.covers_until, due.covers_until
