"""Publication by observation day: which files of a day may be delivered, and which ones the targets have."""

from __future__ import annotations

import datetime
import hashlib
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from broker_assets.publication.delivery_status import pending_files
from broker_assets.publication.names import NotAProductName, ProductName
from broker_assets.publication.selection import Candidate
from broker_assets.settings import PublicationSettings

AT_TARGET = ("published", "supplement")
"""Statuses of files that a target has."""


@dataclass(frozen=True)
class Receipt:
    """A file at a target."""

    target: str
    name: str
    """Our complete name."""
    delivered: str
    """Name at the target."""
    status: str
    sha256: str
    size: int
    delivered_at: datetime.datetime | None


@dataclass(frozen=True)
class Held:
    """A file that needs the approval of an operator."""

    target: str
    name: str
    reason: str


@dataclass
class DayState:
    """State of the files of a day, over all targets."""

    day: datetime.date
    receipts: list[Receipt] = field(default_factory=list)
    """Files that targets have."""
    held: list[Held] = field(default_factory=list)
    """Files that are held back."""
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    """Decisions by target and status."""

    @property
    def data_version(self) -> str:
        """Hash of the receipts: it changes if, and only if, the files of the day at a target change.

        Examples
        --------
        >>> DayState(datetime.date(2024, 5, 1)).data_version == DayState(datetime.date(2024, 5, 2)).data_version
        True
        """
        digest = hashlib.sha256()
        for receipt in sorted(self.receipts, key=lambda item: (item.target, item.name, item.delivered, item.sha256)):
            digest.update(f"{receipt.target}\0{receipt.name}\0{receipt.delivered}\0{receipt.sha256}\n".encode())
        return digest.hexdigest()[:32]


def candidates(connection: psycopg.Connection[Any], folder: Path, days: Collection[datetime.date]) -> list[Candidate]:
    """Current product files of some days, in the archive in `folder`.

    The creation time of a file is when its content was first recorded: rebuilding it with the same content does not
    change it.
    """
    rows = connection.execute(
        "SELECT path, made_at FROM product_file WHERE superseded_at IS NULL AND level <> 'LB' AND day = ANY(%s)"
        " ORDER BY path",
        (list(days),),
    )
    return [Candidate(folder / path, made_at=made_at, relative=path) for path, made_at in rows]


def due_days(
    connection: psycopg.Connection[Any], settings: PublicationSettings, now: datetime.datetime, folder: Path
) -> list[datetime.date]:
    """Days with files that a run would deliver or decide, ascending.

    Raises
    ------
    OSError
        If the blacklist cannot be read.
    """
    found: set[datetime.date] = set()
    for target in settings.targets:
        if not target.mirror:
            found |= {file.day for file in pending_files(connection, target, settings, now, folder)[0]}
    return sorted(found)


def states(connection: psycopg.Connection[Any], days: Collection[datetime.date]) -> dict[datetime.date, DayState]:
    """State of the files of some days, including those of earlier versions."""
    found = {day: DayState(day) for day in sorted(days)}
    day_of = _days_of_names(connection, days)
    rows = connection.execute(
        "SELECT target, name, status, settled, reason, delivered_name, sha256, size, delivered_at, agreed_at"
        " FROM publication WHERE name = ANY(%s) ORDER BY publicationid",
        (list(day_of),),
    )
    for target, name, status, settled, reason, delivered, sha256, size, delivered_at, agreed_at in rows:
        state = found[day_of[name]]
        state.counts.setdefault(target, Counter())[status] += 1
        if status in AT_TARGET:
            state.receipts.append(Receipt(target, name, delivered, status, sha256 or "", size or 0, delivered_at))
        elif status == "held" and settled and agreed_at is None:
            state.held.append(Held(target, name, reason))
    return found


def days_delivered_since(connection: psycopg.Connection[Any], since: datetime.datetime | None) -> list[datetime.date]:
    """Days of files that were delivered, or lost again, after a time; without a time, all."""
    rows = connection.execute(
        "SELECT DISTINCT day FROM product_file WHERE regexp_replace(name, '(_V[0-9]{2})U', '\\1') IN ("
        " SELECT name FROM publication WHERE delivered_at IS NOT NULL"
        " AND (%(since)s::timestamptz IS NULL OR greatest(delivered_at, decided_at) > %(since)s)) ORDER BY day",
        {"since": since},
    )
    return [day for (day,) in rows]


def days_answered_since(connection: psycopg.Connection[Any], since: datetime.datetime) -> list[datetime.date]:
    """Days of files that an operator approved or refused after a time."""
    rows = connection.execute(
        "SELECT DISTINCT day FROM product_file WHERE regexp_replace(name, '(_V[0-9]{2})U', '\\1') IN ("
        " SELECT name FROM publication WHERE agreed_at > %s) ORDER BY day",
        (since,),
    )
    return [day for (day,) in rows]


def unmirrored(connection: psycopg.Connection[Any], target: str) -> list[str]:
    """Paths of current files that a copy of the local archive lacks, or has with earlier content."""
    rows = connection.execute(
        "SELECT path FROM product_file WHERE superseded_at IS NULL AND NOT EXISTS ("
        " SELECT 1 FROM publication_mirror AS copy WHERE copy.target = %(target)s AND copy.path = product_file.path"
        " AND copy.verified_at >= product_file.made_at) ORDER BY path",
        {"target": target},
    )
    return [path for (path,) in rows]


def _days_of_names(connection: psycopg.Connection[Any], days: Collection[datetime.date]) -> dict[str, datetime.date]:
    """Observation day by complete file name, for all versions ever made."""
    found = {}
    rows = connection.execute(
        "SELECT DISTINCT name, day FROM product_file WHERE day = ANY(%s) AND level <> 'LB' ORDER BY day, name",
        (list(days),),
    )
    for text, day in rows:
        try:
            found[str(ProductName.parse(text).complete)] = day
        except NotAProductName:
            continue
    return found


def sample_receipts(
    connection: psycopg.Connection[Any], target: str, *, number: int, seed: str
) -> list[tuple[str, str]]:
    """A sample of the files last delivered to a target under their names: name there and SHA-256.

    Half of them are the newest, the others are random; another `seed` selects others.
    """
    latest = (
        "SELECT DISTINCT ON (receipt.name) receipt.name, receipt.sha256, receiptid FROM publication_receipt AS receipt"
        " JOIN publication USING (publicationid) WHERE receipt.target = %(target)s"
        " AND status IN ('published', 'supplement') ORDER BY receipt.name, receiptid DESC"
    )
    rows = connection.execute(
        f"WITH latest AS ({latest}), newest AS (SELECT * FROM latest ORDER BY receiptid DESC LIMIT %(half)s)"  # noqa: S608
        " SELECT name, sha256 FROM newest UNION"
        " (SELECT name, sha256 FROM latest ORDER BY md5(name || %(seed)s) LIMIT %(number)s - %(half)s) ORDER BY 1",
        {"target": target, "half": (number + 1) // 2, "number": number, "seed": seed},
    ).fetchall()
    return [(name, sha256) for name, sha256 in rows]
