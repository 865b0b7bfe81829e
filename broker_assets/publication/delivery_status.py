"""What was delivered to each target, what is due, and what waits for an operator."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import class_row
from pydantic import BaseModel, Field

from broker_assets.publication.names import NotAProductName, ProductName
from broker_assets.publication.selection import Rules, is_due, wanted
from broker_assets.settings import PublicationSettings, PublicationTarget

SHOWN = 50
"""Maximum number of files listed; all are counted."""

_COUNTERS = {
    "published": "published",
    "supplement": "supplements",
    "ignored": "ignored",
    "blacklisted": "blacklisted",
    "held": "held",
    "error": "errors",
}
"""How each status is counted; `delivering` is in neither group."""


class PendingFile(BaseModel):
    """A file that a target should have but does not."""

    name: str
    day: datetime.date
    due_since: datetime.datetime
    tried: bool = False
    """Decided before: interrupted, failed, or approved by an operator."""


class HeldFile(BaseModel):
    """A file that needs the approval of an operator, or that could not be delivered."""

    name: str
    status: str
    reason: str
    decided_at: datetime.datetime


class TargetState(BaseModel):
    """Deliveries to one target."""

    target: str
    mirror: bool = False
    published: int = 0
    """First files of their names."""
    supplements: int = 0
    ignored: int = 0
    blacklisted: int = 0
    held: int = 0
    errors: int = 0
    copied: int = 0
    """Files of a mirror."""
    young: int = 0
    """Not yet old enough."""
    pending: list[PendingFile] = Field(default_factory=list, exclude=True)
    """Due but not decided, oldest first."""
    open: list[HeldFile] = Field(default_factory=list)
    """Held and failed ones, oldest first."""
    last_run: datetime.datetime | None = None
    """When the last run ended."""
    failure: str = ""
    """Why it ended early."""


def target_state(
    connection: psycopg.Connection[Any],
    target: PublicationTarget,
    settings: PublicationSettings,
    now: datetime.datetime,
    folder: Path,
) -> TargetState:
    """Status of one target; `folder` is the archive of products.

    Raises
    ------
    OSError
        If the blacklist cannot be read.
    """
    state = TargetState(target=target.name, mirror=target.mirror)
    rows = connection.execute(
        "SELECT status, count(*) FROM publication WHERE target = %s GROUP BY status", (target.name,)
    )
    for status, count in rows:
        if status in _COUNTERS:
            setattr(state, _COUNTERS[status], int(count))
    with connection.cursor(row_factory=class_row(HeldFile)) as cursor:
        cursor.execute(
            "SELECT name, status, reason, decided_at FROM publication"
            " WHERE target = %s AND status IN ('held', 'error') ORDER BY decided_at, name LIMIT %s",
            (target.name, SHOWN),
        )
        state.open = cursor.fetchall()
    run = connection.execute(
        "SELECT finished_at, coalesce(failure, '') FROM publication_run"
        " WHERE target = %s AND finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT 1",
        (target.name,),
    ).fetchone()
    if run is not None:
        state.last_run, state.failure = run
    if target.mirror:
        row = connection.execute("SELECT count(*) FROM publication_mirror WHERE target = %s", (target.name,)).fetchone()
        state.copied = int(row[0]) if row is not None else 0
        return state
    state.pending, state.young = pending_files(connection, target, settings, now, folder)
    return state


def pending_files(
    connection: psycopg.Connection[Any],
    target: PublicationTarget,
    settings: PublicationSettings,
    now: datetime.datetime,
    folder: Path,
) -> tuple[list[PendingFile], int]:
    """Files that the next run of the publisher decides on, oldest first, and how many are too recent.

    Parameters
    ----------
    connection : psycopg.Connection
    target : PublicationTarget
    settings : PublicationSettings
    now : datetime
        With a time zone.
    folder : Path
        The archive of products; files rebuilt with an earlier content are recognised by their time there.
    """
    rules = Rules.of(target, settings)
    # A decision applies to what existed when it was made; files made since then, or with open decisions, are checked.
    files = connection.execute(
        "SELECT file.name, file.path, file.day, file.made_at, bool_or(NOT entry.stands) IS TRUE AS again,"
        " array_agg(ARRAY[entry.source_size, entry.source_mtime]) FILTER (WHERE entry.stands) AS settled"
        " FROM product_file AS file LEFT JOIN ("
        "  SELECT name, decided_at, source_size, source_mtime,"
        "   settled AND coalesce(retry_after > %(now)s, true) AS stands FROM publication WHERE target = %(target)s"
        " ) AS entry ON entry.name = regexp_replace(file.name, '(_V[0-9]{2})U', '\\1')"
        " WHERE superseded_at IS NULL AND level <> 'LB' AND (%(all)s OR level = ANY(%(levels)s))"
        " GROUP BY productfileid HAVING bool_or(NOT entry.stands) IS TRUE"
        "  OR bool_or(entry.stands AND entry.decided_at >= file.made_at) IS NOT TRUE",
        {"now": now, "target": target.name, "all": "*" in rules.levels, "levels": sorted(rules.levels)},
    ).fetchall()
    young = 0
    pending = []
    for text, path, day, made_at, again, settled in files:
        try:
            parsed = ProductName.parse(text)
        except NotAProductName:
            continue
        if not wanted(parsed, rules) or (settled and _as_settled(folder / path, settled)):
            continue
        if again or is_due(parsed, made_at, rules, now):
            waiting = rules.waiting_low_latency if parsed.is_low_latency else rules.waiting
            pending.append(PendingFile(name=text, day=day, due_since=made_at + waiting, tried=again))
        else:
            young += 1
    return sorted(pending, key=lambda file: (file.due_since, file.name)), young


def _as_settled(path: Path, settled: Collection[Sequence[int]]) -> bool:
    """Whether a file is one of those settled, by size and time: the publisher uses the same criterion."""
    try:
        found = path.stat()
    except OSError:
        return False
    return [found.st_size, found.st_mtime_ns] in [list(pair) for pair in settled]
