"""Logs of services by day (UTC), kept for weeks: `service_logs/<day>/<service>.log`.

What a service writes to its file is copied, line by line, to the file of the day to which the line belongs. This does
not depend on Dagster, whose event log is pruned. If the process dies in between, no line is lost or duplicated: its
position is stored together with the lengths that the daily files had at that point.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from broker_assets.monitoring.service_logs import line_groups
from broker_assets.storage.atomic import replace_atomically

MOST: Final = 32 << 20
"""Maximum number of bytes of a log that are copied by one call; the rest follows with the next call."""
POSITIONS: Final = ".positions.json"
COMPARED: Final = 128
"""Bytes before a position by which a truncated file is recognised; a line begins with its time."""


def collect(logs: Path, daily: Path, now: datetime.datetime) -> int:
    """Copy new lines of all services to the files of their days.

    Parameters
    ----------
    logs : Path
        Folder of the files `<service>.log`, to which services append; a rotated one is `<service>.log.1`.
    daily : Path
        Folder of the daily files; created if absent.
    now : datetime
        Lines without a time, and with none before them, are assigned to its day.

    Returns
    -------
    int
        Bytes that were copied.

    Raises
    ------
    OSError
        If the disk is full; the lines follow with the next call.
    """
    daily.mkdir(parents=True, exist_ok=True)
    path = daily / POSITIONS
    try:
        positions: dict[str, dict[str, Any]] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        positions = {}
    copied = 0
    for log in sorted(logs.glob("*.log")):
        position = positions.get(log.stem, {})
        _undo(daily, log.stem, position)

        def keep(where: dict[str, Any], service: str = log.stem) -> None:
            positions[service] = where
            replace_atomically(path, json.dumps(positions))

        for source, start in _sources(log, position):
            number, position = _copy(source, start, daily, log.stem, position, now, keep)
            copied += number
            if source != log and position["offset"] < source.stat().st_size:
                break  # the rest of a rotated log comes before what was written afterwards
    return copied


def prune(daily: Path, *, before: datetime.date) -> list[str]:
    """Remove the logs of all days before a day; return the names of these days."""
    old = [day for day in days(daily) if day < before]
    for day in old:
        shutil.rmtree(daily / day.isoformat())
    return [day.isoformat() for day in old]


def days(daily: Path, service: str | None = None) -> list[datetime.date]:
    """Days with logs of a service, or of any service, newest first."""
    found = []
    for path in daily.iterdir() if daily.is_dir() else ():
        try:
            day = datetime.date.fromisoformat(path.name)
        except ValueError:
            continue
        if service is None or (path / f"{service}.log").is_file():
            found.append(day)
    return sorted(found, reverse=True)


def _sources(log: Path, position: dict[str, Any]) -> list[tuple[Path, int]]:
    """Files to copy from, and where to begin in each."""
    status = log.stat()
    rotated = log.with_name(f"{log.name}.1")
    if position.get("inode") == status.st_ino:
        if _continues(log, position):
            return [(log, position["offset"])]
        # A truncated file is read from its beginning; its former content was copied to the rotated file before.
        copied = rotated.is_file() and _continues(rotated, position)
        return [*([(rotated, position["offset"])] if copied else []), (log, 0)]
    if position and rotated.is_file() and rotated.stat().st_ino == position["inode"]:
        return [(rotated, position["offset"]), (log, 0)]
    return [(log, 0)]


def _continues(log: Path, position: dict[str, Any]) -> bool:
    """Whether a file has what was copied: one that was truncated may have become larger again."""
    offset = int(position["offset"])
    if log.stat().st_size < offset:
        return False
    return "before" not in position or _before(log, offset) == str(position["before"])


def _before(log: Path, offset: int) -> str:
    """The last bytes before a position."""
    with log.open("rb") as file:
        file.seek(max(0, offset - COMPARED))
        return file.read(min(offset, COMPARED)).hex()


def _undo(daily: Path, service: str, position: dict[str, Any]) -> None:
    """Remove what was appended after the position was stored."""
    for day, size in position.get("sizes", {}).items():
        path = daily / day / f"{service}.log"
        if path.is_file() and path.stat().st_size > size:
            os.truncate(path, size)


def _copy(
    source: Path,
    start: int,
    daily: Path,
    service: str,
    position: dict[str, Any],
    now: datetime.datetime,
    keep: Callable[[dict[str, Any]], None],
) -> tuple[int, dict[str, Any]]:
    """Copy complete lines; return their number of bytes and the new position."""
    with source.open("rb") as file:
        inode = os.fstat(file.fileno()).st_ino
        file.seek(start)
        content = file.read(MOST)
        ends = source.suffix == ".1" and not file.read(1)
    # The last line may be incomplete, except where nothing follows: in a rotated log, whose program died in the middle
    # of it or continues it in the next log. A line longer than everything that is read is split.
    if not ends:
        content = content[: content.rfind(b"\n") + 1] or (content if len(content) == MOST else b"")
    before = _before(source, start)
    if not content:
        return 0, {**position, "inode": inode, "offset": start, "before": before}
    day = position.get("day") or now.astimezone(datetime.UTC).date().isoformat()
    by_day: dict[str, list[bytes]] = {}
    for moment, text in line_groups(content):
        day = moment.date().isoformat() if moment is not None else day
        by_day.setdefault(day, []).append(text)
    files = {name: daily / name / f"{service}.log" for name in by_day}
    sizes = {name: path.stat().st_size if path.is_file() else 0 for name, path in files.items()}
    # Before anything is appended, so that what a dying process leaves behind is removed by the next call.
    keep({"inode": inode, "offset": start, "before": before, "day": position.get("day"), "sizes": sizes})
    for name, pieces in by_day.items():
        files[name].parent.mkdir(exist_ok=True)
        with files[name].open("ab") as target:
            target.writelines(pieces)
        sizes[name] += sum(map(len, pieces))
    offset = start + len(content)
    done = {"inode": inode, "offset": offset, "before": _before(source, offset), "day": day, "sizes": sizes}
    keep(done)
    return len(content), done
