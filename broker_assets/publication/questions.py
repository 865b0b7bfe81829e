"""Questions to the history, and what operators answer to it."""

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
    """A delivery that was read back and found right."""

    model_config = ConfigDict(frozen=True)

    receiptid: int
    """Identifier."""
    publicationid: int
    """Decision that it was delivered for."""
    target: str
    """Archive."""
    name: str
    """Name there."""
    url: str
    """Where it is."""
    size: int
    """Bytes read back."""
    sha256: str
    """Of what was read back."""
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
    """When it began."""
    finished_at: datetime.datetime | None
    """When it ended; none: it runs, or was killed."""
    counts: dict[str, int]
    """Files by outcome."""
    failure: str | None
    """Why it ended early."""


def complete_name(name: str) -> str:
    """The complete name of a file given with or without U; other texts as they are."""
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
    """Entries of the history, newest decision first.

    Parameters
    ----------
    connection : psycopg.Connection
    target, statuses, since : optional
        Only these.
    name : str, optional
        Only files whose name, or name at the target, has this part.
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
    """Files that wait for an operator: held back, or too many of an archive name, and not agreed to yet."""
    found = entries(connection, target=target, statuses=("held", "error"))
    return [entry for entry in found if entry.settled and not entry.agreed]


def pending(connection: Connection, target: str | None = None) -> list[Entry]:
    """Files that the next run tries again: cut off, failed, or agreed to."""
    found = entries(connection, target=target, statuses=("delivering", "held", "error"))
    return [entry for entry in found if not entry.settled]


def receipts(connection: Connection, *, target: str | None = None, name: str | None = None) -> list[Receipt]:
    """Receipts in the order of delivery, of a target, or of a file (its complete name, or its name at the target)."""
    with connection.transaction(), connection.cursor(row_factory=class_row(Receipt)) as cursor:
        cursor.execute(
            "SELECT r.receiptid, r.publicationid, r.target, r.name, r.url, r.size, r.sha256, r.verified_at, r.run_id"
            " FROM publication_receipt r JOIN publication p USING (publicationid)"
            " WHERE (%(target)s::text IS NULL OR r.target = %(target)s)"
            " AND (%(name)s::text IS NULL OR r.name = %(name)s OR p.name = %(name)s) ORDER BY r.receiptid",
            {"target": target, "name": name},
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
    """Entries of each target by status."""
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
    """Enter what an operator answers to a file that waits.

    Parameters
    ----------
    connection : psycopg.Connection
        The change is committed.
    name : str
        Name of our file, with or without U.
    who, why : str
        Kept with the file.
    target : str, optional
        Only there; everywhere it waits unless given.
    answer : str
        `deliver`: the next run delivers it although the rules speak against it. `refuse`: it stays at home.

    Returns
    -------
    list of Entry
        As they were before, one for each target.

    Raises
    ------
    NothingToAgree
        If no file of this name waits.
    ValueError
        If who or why is empty.
    """
    if not who.strip() or not why.strip():
        raise ValueError("an answer needs a name and a reason")
    complete = complete_name(name)
    with connection.transaction():
        found = [entry for entry in held(connection, target) if entry.name == complete]
        if not found:
            past = entries(connection, target=target, name=complete, limit=5)
            said = "; ".join(f"{entry.target}: {entry.status} {entry.reason}".strip() for entry in past)
            raise NothingToAgree(f"{complete} does not wait for an answer ({said or 'the history does not have it'})")
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
    """Every supplement that a target has, as tab-separated text: filename, basefile, comment."""
    found = entries(connection, target=target, statuses=("supplement",))
    found.sort(key=lambda entry: entry.publicationid)
    rows = (f"{entry.delivered_name}\t{entry.base_name}\t{entry.comment}\n" for entry in found)
    return "filename\tbasefile\tcomment\n" + "".join(rows)
