"""Logs of services by day (UTC), kept for weeks: `service_logs/<day>/<service>.log`.

What a service writes to its file is copied from there, line by line, to the file of the day that the line belongs to.
It does not depend on Dagster, whose event log is pruned. A process that dies in between loses no line and doubles none:
where it was is kept with the lengths that the files of the days had then.
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
"""Bytes of a log that are copied at a time; the rest follows the next time."""
POSITIONS: Final = ".positions.json"


def collect(logs: Path, daily: Path, now: datetime.datetime) -> int:
    """Copy new lines of all services to the files of their days.

    Parameters
    ----------
    logs : Path
        Folder of the files `<service>.log`, to which services append; a rotated one is `<service>.log.1`.
    daily : Path
        Folder of the days; made if absent.
    now : datetime
        Its day is that of lines without a time, where none was before them.

    Returns
    -------
    int
        Bytes that were copied.

    Raises
    ------
    OSError
        If the disk is full; the lines follow the next time.
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
    return copied


def prune(daily: Path, *, before: datetime.date) -> list[str]:
    """Remove the logs of days before a day; gives these days."""
    old = [day for day in days(daily) if day < before]
    for day in old:
        shutil.rmtree(daily / day.isoformat())
    return [day.isoformat() for day in old]


def days(daily: Path, service: str | None = None) -> list[datetime.date]:
    """Days of which there are logs, of a service or of any, the newest first."""
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
    """Files to copy from, and where in them to begin."""
    status = log.stat()
    rotated = log.with_name(f"{log.name}.1")
    if position.get("inode") == status.st_ino:
        if position["offset"] <= status.st_size:
            return [(log, position["offset"])]
        # A file that was truncated begins again; what was in it was copied to the rotated one before.
        copied = rotated.is_file() and rotated.stat().st_size >= position["offset"]
        return [*([(rotated, position["offset"])] if copied else []), (log, 0)]
    if position and rotated.is_file() and rotated.stat().st_ino == position["inode"]:
        return [(rotated, position["offset"]), (log, 0)]
    return [(log, 0)]


def _undo(daily: Path, service: str, position: dict[str, Any]) -> None:
    """Remove what was appended after the position was kept."""
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
    """Copy complete lines; gives their bytes and the new position."""
    with source.open("rb") as file:
        inode = os.fstat(file.fileno()).st_ino
        file.seek(start)
        content = file.read(MOST)
    # The last line may not be complete; one longer than all that is read is split.
    content = content[: content.rfind(b"\n") + 1] or (content if len(content) == MOST else b"")
    if not content:
        return 0, {**position, "inode": inode, "offset": start}
    day = position.get("day") or now.astimezone(datetime.UTC).date().isoformat()
    by_day: dict[str, list[bytes]] = {}
    for moment, text in line_groups(content):
        day = moment.date().isoformat() if moment is not None else day
        by_day.setdefault(day, []).append(text)
    files = {name: daily / name / f"{service}.log" for name in by_day}
    sizes = {name: path.stat().st_size if path.is_file() else 0 for name, path in files.items()}
    # Before anything is appended, so that what a process leaves when it dies is removed the next time.
    keep({"inode": inode, "offset": start, "day": position.get("day"), "sizes": sizes})
    for name, pieces in by_day.items():
        files[name].parent.mkdir(exist_ok=True)
        with files[name].open("ab") as target:
            target.writelines(pieces)
        sizes[name] += sum(map(len, pieces))
    done = {"inode": inode, "offset": start + len(content), "day": day, "sizes": sizes}
    keep(done)
    return len(content), done
