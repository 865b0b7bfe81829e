"""Logs of services on this machine, by day (UTC): which exist, and the lines of a day.

Services write to files `<name>.log` in one folder; a file that has become large is renamed to `<name>.log.1`. A line
belongs to the time at its beginning, or to that of the line before it: lines of tracebacks have no time of their own.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LARGEST: Final = 16_000_000
"""Maximum number of bytes that are read from the end of a file."""
LONGEST: Final = 2000
"""Maximum number of characters of a line that are shown."""
_TIME: Final = re.compile(
    rb"^(?:\x1b\[[0-9;]*m)?\W{0,2}(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:[.,]\d+)? ?(UTC|Z|[+-]\d\d:?\d\d)?",
    re.MULTILINE,
)
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_PROBLEM: Final = re.compile(r"\b(WARNING|ERROR|CRITICAL|FATAL|PANIC|Traceback)\b")


class UnknownService(LookupError):
    """There is no log of this service; the message says which."""


@dataclass(frozen=True)
class LogLine:
    """A line of a log."""

    at: datetime.datetime | None
    """UTC; None for lines before the first one with a time."""
    text: str
    problem: bool
    """Whether it reports a problem."""


@dataclass(frozen=True)
class LogDay:
    """What a service wrote on a day."""

    lines: list[LogLine]
    """The last lines of the day, in order."""
    total: int
    days: list[datetime.date]
    """Days with lines, newest first."""
    whole: bool
    """Whether the files were read from their beginning."""


def services(folder: Path, daily: Path | None = None) -> list[str]:
    """Names of services with a log in `folder`, or in a day of `daily`; empty if neither exists."""
    found = {path.name.partition(".log")[0] for path in folder.glob("*.log*") if path.is_file()}
    if daily is not None:
        found |= {path.stem for path in daily.glob("????-??-??/*.log")}
    return sorted(found)


def read_day(
    folder: Path,
    service: str,
    day: datetime.date | None = None,
    *,
    most: int = 500,
    problems: bool = False,
    text: str = "",
    daily: Path | None = None,
) -> LogDay:
    """Return the lines of a service on a day.

    Parameters
    ----------
    folder : Path
        Folder of the logs.
    service : str
        One of `services`.
    day : date, optional
        Day (UTC); default: the newest with lines.
    most : int
        Maximum number of lines, the last of the day.
    problems : bool
        Only lines that report a problem.
    text : str
        Only lines that contain this text, ignoring case.
    daily : Path, optional
        Folder of the logs of earlier days, `<day>/<service>.log`.

    Raises
    ------
    UnknownService
        If there is no log of this service.
    """
    if service not in services(folder, daily):
        raise UnknownService(f"there is no log of a service {service!r}")
    lines: list[LogLine] = []
    whole = True
    for path in (folder / f"{service}.log.1", folder / f"{service}.log"):
        if path.is_file():
            content, complete = _end_of(path)
            whole = whole and complete
            lines += _lines(content)
    here = {line.at.date() for line in lines if line.at is not None}
    kept = {datetime.date.fromisoformat(path.parent.name): path for path in _kept(daily, service)}
    days = sorted(here | kept.keys(), reverse=True)
    chosen = day or (days[0] if days else None)
    of_day = [line for line in lines if (line.at.date() if line.at else None) == chosen]
    if chosen in kept:
        content, complete = _end_of(kept[chosen])
        of_kept = list(_lines(content))
        # The files of the services have the newest lines, but perhaps not all lines: of an earlier day, or of a service
        # that writes so much that its file was renamed twice on this day.
        if chosen != max(here, default=None) or len(of_kept) > len(of_day):
            of_day, whole = of_kept, complete
    wanted = text.casefold()
    shown = [
        line for line in of_day if (line.problem or not problems) and (not wanted or wanted in line.text.casefold())
    ]
    return LogDay(shown[-most:], len(shown), days, whole)


def _kept(daily: Path | None, service: str) -> list[Path]:
    """Daily files of a service that are kept."""
    if daily is None:
        return []
    return [path / f"{service}.log" for path in daily.glob("????-??-??") if (path / f"{service}.log").is_file()]


def _end_of(path: Path) -> tuple[bytes, bool]:
    """The end of a file from the beginning of a line, and whether it is the whole file."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = max(0, size - LARGEST)
        file.seek(start)
        content = file.read(LARGEST)
    return (content if start == 0 else content.partition(b"\n")[2]), start == 0


def line_groups(content: bytes) -> Iterator[tuple[datetime.datetime | None, bytes]]:
    """Yield each line with a time (UTC), together with the following lines without one; None before the first time."""
    found = list(_TIME.finditer(content))
    begins = [match.start() for match in found]
    if content and (not begins or begins[0] > 0):
        yield None, content[: begins[0]] if begins else content
    for match, end in zip(found, [*begins, len(content)][1:], strict=True):
        yield _moment(match), content[match.start() : end]


def _lines(content: bytes) -> Iterator[LogLine]:
    """Lines with the times to which they belong."""
    for moment, text in line_groups(content):
        yield from _parted(text, moment)


def _parted(content: bytes, at: datetime.datetime | None) -> Iterator[LogLine]:
    for line in content.decode("utf-8", "replace").splitlines():
        text = _COLOUR.sub("", line)[:LONGEST]
        if text.strip():
            yield LogLine(at, text, _PROBLEM.search(text) is not None)


def _moment(match: re.Match[bytes]) -> datetime.datetime | None:
    """The time of a line, UTC; without a zone, it is in that of this machine."""
    zone = (match[3] or b"").decode()
    zone = "+00:00" if zone in ("UTC", "Z") else zone
    try:
        moment = datetime.datetime.fromisoformat(f"{match[1].decode()}T{match[2].decode()}{zone}")
    except ValueError:
        return None
    return moment.astimezone(datetime.UTC)
