"""Decisions and deliveries, in PostgreSQL.

Each step of a file is a separate transaction: a killed run leaves a correct record of everything before. The functions
need a connection that is not within a transaction.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from broker_assets.publication.decisions import Decision, Entry
from broker_assets.publication.names import ProductName
from broker_assets.publication.targets import Arrived

Connection = psycopg.Connection[Any]

COLUMNS: Final = ", ".join(Entry.model_fields)
"""Columns of an `Entry`."""
REASON_LENGTH: Final = 2_000
"""Maximum length of a stored reason, characters."""


class NothingToAgree(LookupError):
    """No file with this name waits for an operator; the message describes its state."""


@dataclass(frozen=True)
class Known:
    """Part of an entry that suffices to recognise an unchanged file without opening it."""

    digest: str
    status: str
    settled: bool
    retry_after: datetime.datetime | None
    source_size: int
    source_mtime: int
    reason: str


@contextmanager
def locked(connection: Connection, target: str, archive_name: str) -> Iterator[None]:
    """Hold the lock on an archive name while deciding; other runs wait. It ends with the process at the latest."""
    raw = hashlib.sha256(f"publication\0{target}\0{archive_name}".encode()).digest()[:8]
    key = int.from_bytes(raw, "big", signed=True)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_lock(%s)", (key,))
    try:
        yield
    finally:
        if not connection.closed:
            with connection.transaction():
                connection.execute("SELECT pg_advisory_unlock(%s)", (key,))


def known(connection: Connection, target: str, names: Sequence[str]) -> dict[str, list[Known]]:
    """Known entries of files by complete name, newest first."""
    found: dict[str, list[Known]] = {}
    with connection.transaction():
        rows = connection.execute(
            "SELECT name, digest, status, settled, retry_after, source_size, source_mtime, reason FROM publication"
            " WHERE target = %s AND name = ANY(%s) ORDER BY decided_at DESC, publicationid DESC",
            (target, list(names)),
        ).fetchall()
    for name, *values in rows:
        found.setdefault(name, []).append(Known(*values))
    return found


def related(connection: Connection, target: str, name: ProductName) -> list[Entry]:
    """All entries of the same archive name or the same subject."""
    with connection.transaction(), connection.cursor(row_factory=class_row(Entry)) as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM publication WHERE target = %(target)s"  # noqa: S608 (our own column names)
            " AND (archive_name = %(archive)s OR subject = %(subject)s) ORDER BY publicationid",
            {"target": target, "archive": name.archive_name, "subject": name.subject},
        )
        return cursor.fetchall()


def record(connection: Connection, values: dict[str, Any]) -> int:
    """Record a decision, new or replacing that of an earlier run on the same content.

    Parameters
    ----------
    connection : psycopg.Connection
    values : dict
        Columns of `publication`; `facts` as a dict.

    Returns
    -------
    int
        Identifier of the entry.
    """
    values = values | {"facts": Jsonb(values["facts"]), "reason": values["reason"][:REASON_LENGTH]}
    if values["status"] != "delivering":
        # An operator's earlier answer applied to the earlier state.
        values |= {"agreed_by": None, "agreed_why": None, "agreed_at": None}
    names = ", ".join(values)
    places = ", ".join(f"%({name})s" for name in values)
    changes = ", ".join(f"{name} = excluded.{name}" for name in values if name not in ("target", "name", "digest"))
    with connection.transaction():
        row = connection.execute(
            f"INSERT INTO publication ({names}) VALUES ({places}) ON CONFLICT (target, name, digest)"  # noqa: S608
            f" DO UPDATE SET {changes}, decided_at = now() RETURNING publicationid",
            values,
        ).fetchone()
        _replace_others(connection, values["target"], values["name"], values["digest"])
    return int(row[0]) if row else 0


def _replace_others(connection: Connection, target: str, name: str, digest: str) -> None:
    """Record that undelivered contents no longer exist."""
    connection.execute(
        "UPDATE publication SET status = 'replaced', settled = false, retry_after = NULL,"
        " reason = 'replaced by another content before it was delivered'"
        " WHERE target = %s AND name = %s AND digest <> %s"
        " AND status IN ('held', 'error', 'blacklisted', 'ignored', 'delivering')",
        (target, name, digest),
    )


def touch(connection: Connection, target: str, name: str, digest: str, size: int, mtime: int) -> None:
    """Record that a file with new times has a known content."""
    with connection.transaction():
        _replace_others(connection, target, name, digest)
        connection.execute(
            "UPDATE publication SET source_size = %s, source_mtime = %s"
            " WHERE target = %s AND name = %s AND digest = %s",
            (size, mtime, target, name, digest),
        )


def arrived(connection: Connection, publicationid: int, status: str, receipt: Arrived, run_id: str) -> None:
    """Record that a delivered copy was read back, with its receipt."""
    with connection.transaction():
        connection.execute(
            "UPDATE publication SET status = %s, settled = true, delivered_at = now(), decided_at = now(), run_id = %s"
            " WHERE publicationid = %s",
            (status, run_id, publicationid),
        )
        connection.execute(
            "UPDATE publication AS old SET status = 'replaced', settled = false,"
            " reason = 'replaced at the target by another content' FROM publication AS new"
            " WHERE new.publicationid = %s AND old.target = new.target AND old.name = new.name"
            " AND old.publicationid <> new.publicationid AND old.status IN ('published', 'supplement')",
            (publicationid,),
        )
        connection.execute(
            "INSERT INTO publication_receipt (publicationid, target, name, url, size, sha256, run_id)"
            " SELECT publicationid, target, %s, %s, %s, %s, %s FROM publication WHERE publicationid = %s",
            (receipt.name, receipt.url, receipt.size, receipt.sha256, run_id, publicationid),
        )


def failed(connection: Connection, publicationid: int, reason: str, run_id: str) -> None:
    """Record that a file did not arrive; the next run retries under the same name."""
    with connection.transaction():
        connection.execute(
            "UPDATE publication SET status = 'error', settled = false, reason = %s, run_id = %s, decided_at = now()"
            " WHERE publicationid = %s",
            (reason[:REASON_LENGTH], run_id, publicationid),
        )


def begin_run(connection: Connection, run_id: str, target: str) -> None:
    """Record the start of a run; a repeated run continues under its identifier."""
    with connection.transaction():
        connection.execute(
            "INSERT INTO publication_run (run_id, target) VALUES (%s, %s) ON CONFLICT (run_id, target) DO NOTHING",
            (run_id, target),
        )


def end_run(
    connection: Connection, run_id: str, target: str, counts: dict[str, int], failure: str | None = None
) -> None:
    """Record the result of a run."""
    with connection.transaction():
        connection.execute(
            "UPDATE publication_run SET finished_at = now(), counts = %s, failure = %s"
            " WHERE run_id = %s AND target = %s",
            (Jsonb(counts), failure, run_id, target),
        )


def columns_of(decision: Decision) -> dict[str, Any]:
    """Columns filled by a decision."""
    return {
        "status": "delivering" if decision.deliver else decision.status,
        "settled": decision.settled and not decision.deliver,
        "retry_after": decision.retry_after,
        "reason": decision.reason,
        "delivered_name": None if decision.delivered is None else str(decision.delivered),
        "supplement": decision.supplement,
        "base_name": decision.base,
    }
