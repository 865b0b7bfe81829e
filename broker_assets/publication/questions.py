"""Queries of the history, and decisions of operators."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict

from broker_assets.publication.decisions import Entry, Status
from broker_assets.publication.history import COLUMNS, NothingToAgree
from broker_assets.publication.names import NotAProductName, ProductName

Connection = psycopg.Connection[Any]


class Receipt(BaseModel):
    """A delivery that was read back and verified."""

    model_config = ConfigDict(frozen=True)

    receiptid: int
    """Identifier."""
    publicationid: int
    """Decision that caused the delivery."""
    target: str
    """Archive."""
    name: str
    """Name at the target."""
    url: str
    """URL of the file."""
    size: int
    """Size read back, bytes."""
    sha256: str
    """SHA-256 of what was read back."""
    verified_at: datetime.datetime
    """When."""
    run_id: str
    """Run that delivered it."""


class Run(BaseModel):
    """A run of the publisher."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    """Identifier."""
    target: str
    """Archive."""
    started_at: datetime.datetime
    """Start of the run."""
    finished_at: datetime.datetime | None
    """End of the run; None if it is running or was killed."""
    counts: dict[str, int]
    """Number of files by outcome."""
    failure: str | None
    """Why it ended early."""


def complete_name(name: str) -> str:
    """The complete name of a file given with or without U; other texts unchanged."""
    try:
        return str(ProductName.parse(Path(name).name).complete)
    except NotAProductName:
        return name


def entries(
    connection: Connection,
    *,
    target: str | None = None,
    statuses: Sequence[Status] | None = None,
    name: str | None = None,
    since: datetime.datetime | None = None,
    limit: int = 100_000,
) -> list[Entry]:
    """Entries of the history, latest decision first.

    Parameters
    ----------
    connection : psycopg.Connection
    target, statuses, since : optional
        Only entries with these values.
    name : str, optional
        Only files whose name, or name at the target, contains this text.
    limit : int
    """
    with connection.transaction(), connection.cursor(row_factory=class_row(Entry)) as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM publication WHERE (%(target)s::text IS NULL OR target = %(target)s)"  # noqa: S608
            " AND (%(statuses)s::text[] IS NULL OR status = ANY(%(statuses)s))"
            " AND (%(name)s::text IS NULL OR strpos(name, %(name)s) > 0 OR strpos(delivered_name, %(name)s) > 0)"
            " AND (%(since)s::timestamptz IS NULL OR decided_at >= %(since)s)"
            " ORDER BY decided_at DESC, publicationid DESC LIMIT %(limit)s",
            {
                "target": target,
                "statuses": None if statuses is None else list(statuses),
                "name": name,
                "since": since,
                "limit": limit,
            },
        )
        return cursor.fetchall()


def held(connection: Connection, target: str | None = None) -> list[Entry]:
    """Files that wait for an operator: held back, or too many of an archive name, and not yet approved."""
    found = entries(connection, target=target, statuses=("held", "error"))
    return [entry for entry in found if entry.settled and not entry.agreed]


def pending(connection: Connection, target: str | None = None) -> list[Entry]:
    """Files that the next run retries: interrupted, failed, or approved."""
    found = entries(connection, target=target, statuses=("delivering", "held", "error"))
    return [entry for entry in found if not entry.settled]


def receipts(
    connection: Connection, *, target: str | None = None, name: str | None = None, newest: int | None = None
) -> list[Receipt]:
    """Receipts of a target, or of a file (its complete name, or its name at the target).

    In order of delivery; with `newest`, only that number of them, the newest first.
    """
    with connection.transaction(), connection.cursor(row_factory=class_row(Receipt)) as cursor:
        cursor.execute(
            "SELECT r.receiptid, r.publicationid, r.target, r.name, r.url, r.size, r.sha256, r.verified_at, r.run_id"
            " FROM publication_receipt r JOIN publication p USING (publicationid)"
            " WHERE (%(target)s::text IS NULL OR r.target = %(target)s)"
            " AND (%(name)s::text IS NULL OR r.name = %(name)s OR p.name = %(name)s) ORDER BY"
            " CASE WHEN %(newest)s::bigint IS NULL THEN r.receiptid ELSE -r.receiptid END LIMIT %(newest)s",
            {"target": target, "name": name, "newest": newest},
        )
        return cursor.fetchall()


def runs(connection: Connection, target: str | None = None, limit: int = 20) -> list[Run]:
    """The last runs, newest first."""
    with connection.transaction(), connection.cursor(row_factory=class_row(Run)) as cursor:
        cursor.execute(
            "SELECT run_id, target, started_at, finished_at, counts, failure FROM publication_run"
            " WHERE (%(target)s::text IS NULL OR target = %(target)s) ORDER BY started_at DESC LIMIT %(limit)s",
            {"target": target, "limit": limit},
        )
        return cursor.fetchall()


def counts(connection: Connection) -> dict[str, dict[str, int]]:
    """Number of entries of each target by status."""
    found: dict[str, dict[str, int]] = {}
    with connection.transaction():
        rows = connection.execute(
            "SELECT target, status, count(*) FROM publication GROUP BY 1, 2 ORDER BY 1, 2"
        ).fetchall()
    for target, status, count in rows:
        found.setdefault(target, {})[status] = count
    return found


def agree(
    connection: Connection,
    name: str,
    *,
    who: str,
    why: str,
    target: str | None = None,
    answer: Literal["deliver", "refuse"] = "deliver",
) -> list[Entry]:
    """Record an operator's decision on a waiting file.

    Parameters
    ----------
    connection : psycopg.Connection
        The change is committed.
    name : str
        Name of our file, with or without U.
    who, why : str
        Recorded with the file.
    target : str, optional
        Only at this target; default: at all targets where the file waits.
    answer : str
        `deliver`: the next run delivers it against the rules. `refuse`: it is not delivered.

    Returns
    -------
    list of Entry
        The previous entries, one per target.

    Raises
    ------
    NothingToAgree
        If no file with this name is waiting.
    ValueError
        If who or why is empty.
    """
    if not who.strip() or not why.strip():
        raise ValueError("a decision requires a name and a reason")
    complete = complete_name(name)
    with connection.transaction():
        found = [entry for entry in held(connection, target) if entry.name == complete]
        if not found:
            past = entries(connection, target=target, name=complete, limit=5)
            said = "; ".join(f"{entry.target}: {entry.status} {entry.reason}".strip() for entry in past)
            raise NothingToAgree(f"{complete} does not wait for an operator ({said or 'the history does not have it'})")
        for entry in found:
            connection.execute(
                "UPDATE publication SET agreed_by = %s, agreed_why = %s, agreed_at = now(), settled = %s,"
                " status = CASE WHEN %s THEN 'ignored' ELSE status END,"
                " reason = CASE WHEN %s THEN 'refused by an operator; ' || reason ELSE reason END"
                " WHERE publicationid = %s AND settled",
                (who, why, *[answer == "refuse"] * 3, entry.publicationid),
            )
    return found


def supplement_report(connection: Connection, target: str) -> str:
    """All supplements at a target, as tab-separated text: filename, basefile, comment."""
    found = entries(connection, target=target, statuses=("supplement",))
    found.sort(key=lambda entry: entry.publicationid)
    rows = (f"{entry.delivered_name}\t{entry.base_name}\t{entry.comment}\n" for entry in found)
    return "filename\tbasefile\tcomment\n" + "".join(rows)
