"""The register of telemetry files: one row per content under a URL, with its state.

    new ──► staging ──► staged ──► processed
     ▲         │           │
     └─ failed ┴───────────┴──► quarantined

Each step is committed before the next begins, so a run that dies at any moment leaves rows that show where to continue.
A file that changes before it is copied keeps its row; one that changes afterwards is a new version.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.rows import class_row

from broker_assets.telemetry.reception.folders import Listed

SEEN_AGAIN: Final = datetime.timedelta(hours=1)
"""Minimum interval between updates of `last_seen`: a folder of 100,000 files is listed twice a minute."""


@dataclass(frozen=True)
class RegisteredFile:
    """A row of the register."""

    telemetryfileid: int
    folder: str
    url: str
    name: str
    version: int
    size: int
    modified: datetime.datetime | None
    sha256: str | None
    state: str
    tries: int
    copies: int
    staged: str | None


_COLUMNS = ", ".join(RegisteredFile.__dataclass_fields__)


@dataclass(frozen=True)
class Waiting:
    """Files that a run would process."""

    files: int
    bytes: int
    unreported: int
    """Files in the packet store whose products were not made or not reported, because a run died."""


def observe(connection: psycopg.Connection[Any], folder: str, listed: Sequence[Listed], now: datetime.datetime) -> int:
    """Record the current contents of a folder; return the number of changed rows.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use; uses one transaction.
    folder : str
        URL of the folder.
    listed : sequence of Listed
        Everything in it.
    now : datetime
        Time of the listing, UTC; the clocks of servers are not used.
    """
    with connection.transaction():
        rows = connection.execute(
            "SELECT DISTINCT ON (url) url, telemetryfileid, version, size, modified, state, staged, last_seen"
            " FROM telemetry_file WHERE folder = %s ORDER BY url, version DESC",
            (folder,),
        ).fetchall()
        known = {row[0]: row[1:] for row in rows}
        added: list[tuple[Listed, int]] = []
        changed: list[tuple[int, Listed]] = []
        seen: list[int] = []
        for file in listed:
            if file.url not in known:
                added.append((file, 1))
                continue
            identifier, version, size, modified, state, staged, last_seen = known[file.url]
            if state == "gone":
                changed.append((identifier, file))
            elif (size, modified) == (file.size, file.modified):
                if now - last_seen >= SEEN_AGAIN:
                    seen.append(identifier)
            elif state == "new" or (state == "failed" and staged is None):
                changed.append((identifier, file))
            elif state != "staging":  # while it is copied, the copying run takes care of it
                added.append((file, version + 1))
        present = {file.url for file in listed}
        gone = [
            row[0]
            for url, row in known.items()
            if url not in present and (row[4] == "new" or (row[4] == "failed" and row[5] is None))
        ]
        return _write(connection, folder, added, changed, seen, gone, now)


def _write(
    connection: psycopg.Connection[Any],
    folder: str,
    added: Sequence[tuple[Listed, int]],
    changed: Sequence[tuple[int, Listed]],
    seen: Sequence[int],
    gone: Sequence[int],
    now: datetime.datetime,
) -> int:
    files = [file for file, _ in added]
    # Sensor and run may list at the same time: rows recorded by the other are left unchanged.
    count = connection.execute(
        "INSERT INTO telemetry_file (folder, url, name, version, size, modified, first_seen, last_seen,"
        " unchanged_since) SELECT %(folder)s, url, name, version, size, modified, %(now)s, %(now)s, %(now)s"
        " FROM unnest(%(urls)s::text[], %(names)s::text[], %(versions)s::int[], %(sizes)s::bigint[],"
        " %(modified)s::timestamptz[]) AS given (url, name, version, size, modified) ON CONFLICT DO NOTHING",
        {
            "folder": folder,
            "now": now,
            "urls": [file.url for file in files],
            "names": [file.name for file in files],
            "versions": [version for _, version in added],
            "sizes": [file.size for file in files],
            "modified": [file.modified for file in files],
        },
    ).rowcount
    count += connection.execute(
        "UPDATE telemetry_file AS file SET size = given.size, modified = given.modified, state = 'new', reason = NULL,"
        " next_try = NULL, unchanged_since = %(now)s, last_seen = %(now)s"
        " FROM unnest(%(ids)s::bigint[], %(sizes)s::bigint[], %(modified)s::timestamptz[])"
        "  AS given (telemetryfileid, size, modified)"
        " WHERE file.telemetryfileid = given.telemetryfileid AND state IN ('new', 'failed', 'gone') AND staged IS NULL",
        {
            "now": now,
            "ids": [identifier for identifier, _ in changed],
            "sizes": [file.size for _, file in changed],
            "modified": [file.modified for _, file in changed],
        },
    ).rowcount
    count += connection.execute(
        "UPDATE telemetry_file SET state = 'gone', reason = 'no longer in its folder', next_try = NULL"
        " WHERE telemetryfileid = ANY(%s) AND state IN ('new', 'failed') AND staged IS NULL",
        (list(gone),),
    ).rowcount
    connection.execute("UPDATE telemetry_file SET last_seen = %s WHERE telemetryfileid = ANY(%s)", (now, list(seen)))
    return count


_DUE = (
    "((state = 'new' AND unchanged_since <= %(stable)s) OR state IN ('staging', 'staged') OR state = 'failed')"
    " AND (next_try IS NULL OR next_try <= %(now)s)"
)
"""Rows that a run would process; `staging` ones only while no run is active."""


def _due(now: datetime.datetime, stable_seconds: float) -> dict[str, Any]:
    return {"now": now, "stable": now - datetime.timedelta(seconds=stable_seconds)}


def waiting(connection: psycopg.Connection[Any], now: datetime.datetime, stable_seconds: float) -> Waiting:
    """Count the work for a run."""
    row = connection.execute(
        f"SELECT count(*) FILTER (WHERE {_DUE}), coalesce(sum(size) FILTER (WHERE {_DUE}), 0)::bigint,"  # noqa: S608
        " count(*) FILTER (WHERE state = 'processed' AND reported_at IS NULL) FROM telemetry_file"
        " WHERE state IN ('new', 'staging', 'staged', 'failed') OR (state = 'processed' AND reported_at IS NULL)",
        _due(now, stable_seconds),
    ).fetchone()
    return Waiting(*row) if row is not None else Waiting(0, 0, 0)


def runs_with_files(connection: psycopg.Connection[Any], run_ids: Sequence[str]) -> set[str]:
    """Return which of some runs have put a file into the packet store."""
    rows = connection.execute("SELECT DISTINCT run_id FROM telemetry_file WHERE run_id = ANY(%s)", (list(run_ids),))
    return {row[0] for row in rows}


@dataclass(frozen=True)
class FolderState:
    """Summary of a folder in the register."""

    states: Mapping[str, int]
    """Rows by state."""
    waiting_bytes: int
    version: str
    """Changes whenever a file arrives, changes, or changes state."""


def folder_state(connection: psycopg.Connection[Any], folder: str) -> FolderState:
    """Summarise the rows of a folder."""
    rows = connection.execute(
        "SELECT state, count(*), max(telemetryfileid), max(unchanged_since), max(processed_at),"
        " coalesce(sum(size) FILTER (WHERE state NOT IN ('processed', 'gone', 'quarantined', 'dismissed')), 0)::bigint"
        " FROM telemetry_file WHERE folder = %s GROUP BY state ORDER BY state",
        (folder,),
    ).fetchall()
    version = hashlib.sha256(repr([folder, *(row[:5] for row in rows)]).encode()).hexdigest()[:16]
    return FolderState({row[0]: row[1] for row in rows}, sum(row[5] for row in rows), version)


def take_over(connection: psycopg.Connection[Any]) -> int:
    """Reset rows that a dead run was copying; only under the lock of runs."""
    return connection.execute("UPDATE telemetry_file SET state = 'new' WHERE state = 'staging'").rowcount


def due(
    connection: psycopg.Connection[Any],
    now: datetime.datetime,
    stable_seconds: float,
    *,
    folders: Sequence[str],
    most: int,
) -> list[RegisteredFile]:
    """Files to process: those already copied first, then by the time they were first seen, then by name.

    Files not yet copied are omitted unless their folder is one of `folders`, the currently readable ones.
    """
    with connection.cursor(row_factory=class_row(RegisteredFile)) as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM telemetry_file WHERE {_DUE}"  # noqa: S608 (names of our own fields)
            " AND (staged IS NOT NULL OR folder = ANY(%(folders)s))"
            " ORDER BY staged IS NULL, first_seen, name, version LIMIT %(most)s",
            {**_due(now, stable_seconds), "folders": list(folders), "most": most},
        )
        return cursor.fetchall()


def known_content(connection: psycopg.Connection[Any], sha256: str, name: str) -> tuple[int, str] | None:
    """A processed file with this content whose name does not sort after this one.

    Products name the first file, by name, of each packet. A file whose name sorts before the known ones is therefore
    read, so that products do not depend on the order of arrival.
    """
    row: tuple[int, str] | None = connection.execute(
        "SELECT telemetryfileid, name FROM telemetry_file WHERE sha256 = %s AND state = 'processed'"
        ' AND same_as IS NULL AND name COLLATE "C" <= %s ORDER BY name COLLATE "C" LIMIT 1',
        (sha256, name),
    ).fetchone()
    return row


def unreported(connection: psycopg.Connection[Any]) -> tuple[list[int], dict[str, set[datetime.date]]]:
    """Files whose products were not yet made and reported, and their days by family.

    Includes files of this run, and of runs that died before.
    """
    rows = connection.execute(
        "SELECT telemetryfileid, family, day FROM telemetry_file LEFT JOIN telemetry_file_day USING (telemetryfileid)"
        " WHERE state = 'processed' AND reported_at IS NULL"
    ).fetchall()
    days: dict[str, set[datetime.date]] = {}
    for _, family, day in rows:
        if family is not None:
            days.setdefault(family, set()).add(day)
    return sorted({row[0] for row in rows}), days


def set_reported(connection: psycopg.Connection[Any], files: Sequence[int], now: datetime.datetime) -> None:
    """Record that the products of the days of these files were made and reported."""
    connection.execute("UPDATE telemetry_file SET reported_at = %s WHERE telemetryfileid = ANY(%s)", (now, list(files)))


def retry(connection: psycopg.Connection[Any], files: Sequence[int] | None = None) -> int:
    """Take all or some files out of quarantine: the next run retries them; dismissed ones only by number."""
    return connection.execute(
        "UPDATE telemetry_file SET state = CASE WHEN staged IS NULL THEN 'new' ELSE 'staged' END, tries = 0,"
        " next_try = NULL WHERE (%(files)s::bigint[] IS NULL AND state IN ('quarantined', 'failed'))"
        " OR (telemetryfileid = ANY(%(files)s) AND state IN ('quarantined', 'failed', 'dismissed'))",
        {"files": list(files) if files is not None else None},
    ).rowcount


def dismiss(connection: psycopg.Connection[Any], files: Sequence[int]) -> int:
    """Give up files that failed or are in quarantine, such as those that cannot be sent again; return their number.

    Their bytes and reasons are kept. Other content under the same name is a new file.
    """
    return connection.execute(
        "UPDATE telemetry_file SET state = 'dismissed', next_try = NULL"
        " WHERE state IN ('quarantined', 'failed') AND telemetryfileid = ANY(%s)",
        (list(files),),
    ).rowcount


def staged_path(root: Path, file: RegisteredFile) -> Path | None:
    """Path of the copy of a file, if it exists."""
    path = root / file.staged if file.staged is not None else None
    return path if path is not None and path.is_file() else None


@dataclass(frozen=True)
class Entry:
    """A row of the register, for display."""

    telemetryfileid: int
    url: str
    name: str
    version: int
    size: int
    state: str
    packets: int | None
    new_packets: int | None
    bad_packets: int | None
    tries: int
    copies: int
    next_try: datetime.datetime | None
    reason: str | None
    sha256: str | None
    staged: str | None
    run_id: str | None
    first_seen: datetime.datetime
    processed_at: datetime.datetime | None
    reported_at: datetime.datetime | None
    same_as: int | None


@dataclass(frozen=True)
class BadPacket:
    """A packet, or another piece, that could not be used."""

    position: int
    number: int | None
    reason: str
    size: int


def entries(
    connection: psycopg.Connection[Any],
    *,
    states: Sequence[str] | None = None,
    name: str | None = None,
    limit: int = 100,
) -> list[Entry]:
    """Rows of the register, newest first.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    states : sequence of str, optional
        Only rows in these states.
    name : str, optional
        Only files with this name.
    limit : int
        Maximum number of rows.
    """
    columns = ", ".join(Entry.__dataclass_fields__)
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        cursor.execute(
            f"SELECT {columns} FROM telemetry_file"  # noqa: S608 (names of our own fields)
            " WHERE (%(states)s::text[] IS NULL OR state = ANY(%(states)s))"
            " AND (%(name)s::text IS NULL OR name = %(name)s)"
            " ORDER BY telemetryfileid DESC LIMIT %(limit)s",
            {"states": list(states) if states is not None else None, "name": name, "limit": limit},
        )
        return cursor.fetchall()


def bad_packets(connection: psycopg.Connection[Any], telemetryfileid: int) -> list[BadPacket]:
    """Parts of a file that could not be used, in file order."""
    with connection.cursor(row_factory=class_row(BadPacket)) as cursor:
        cursor.execute(
            "SELECT position, number, reason, length(data) AS size FROM telemetry_quarantine"
            " WHERE telemetryfileid = %s ORDER BY position, reason",
            (telemetryfileid,),
        )
        return cursor.fetchall()
