"""Filters, objects and batches in the database, as tests write them."""

from __future__ import annotations

import datetime
from typing import Any

import psycopg

from broker_assets.accounting import ledger
from broker_assets.filters.query import Form
from broker_assets.filters.store import FilterChanges, change_filter, create_filter

NIGHT = datetime.date(2025, 11, 20)
NOW = datetime.datetime(2025, 11, 21, tzinfo=datetime.UTC)


def enabled(connection: psycopg.Connection[Any], form: Form | str, name: str = "one", owner: str = "ann") -> int:
    """Number of a new filter that runs."""
    number = create_filter(connection, owner, name, form)
    change_filter(connection, owner, number, FilterChanges(active=True))
    return number


def add_object(connection: psycopg.Connection[Any], number: int, **columns: Any) -> None:
    """An object with few columns."""
    connection.execute(
        "INSERT INTO objects (diaobjectid, survey, ra, decl, ndiasources, g_psfflux, lastdiasourcemjdtai)"
        " VALUES (%(number)s, 1, %(ra)s, %(decl)s, %(ndiasources)s, %(g_psfflux)s, 61000)",
        {"number": number, "ra": 10.0, "decl": -5.0, "ndiasources": 3, "g_psfflux": 100.0} | columns,
    )


def add_annotator(connection: psycopg.Connection[Any], topic: str = "fink", **columns: Any) -> None:
    """An annotator of bob that all may see."""
    connection.execute(
        "INSERT INTO annotators (topic, owner, public, revision) VALUES (%s, %s, %s, 1)",
        (topic, columns.get("owner", "bob"), columns.get("public", True)),
    )


def add_batch(connection: psycopg.Connection[Any], kind: Any = "stream", night: datetime.date = NIGHT) -> int:
    """A batch of a night that has just been written, with facts of filters in the ledger."""
    batch = ledger.open_batch(connection, topic="alerts", kind=kind, code_version="1", started_at=NOW)
    connection.execute("UPDATE ingest_batch SET finished_at = clock_timestamp() WHERE ingestid = %s", (batch,))
    connection.execute("INSERT INTO ingest_batch_night (ingestid, night) VALUES (%s, %s)", (batch, night))
    connection.execute(
        "INSERT INTO ingest_batch_facts (ingestid, night, asset, enrichment, version, inputs, rows, checksum)"
        " VALUES (%s, %s, 'filter_matches', 'filters', '1', '{}', 0, 0)",
        (batch, night),
    )
    return batch


def add_run(
    connection: psycopg.Connection[Any],
    batch: int,
    filterid: int,
    matches: int = 0,
    *,
    night: datetime.date = NIGHT,
    over: int = 0,
    problem: str | None = None,
) -> None:
    """How a filter ran over a batch."""
    connection.execute(
        "INSERT INTO filter_runs (ingestid, night, filterid, version, matches, over_limit, problem, message)"
        " VALUES (%s, %s, %s, 1, %s, %s, %s, %s)",
        (batch, night, filterid, matches, over, problem, problem and f"{problem}!"),
    )


class Notices:
    """Notes what owners are notified of, each cause once."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self._causes: set[str] = set()

    def __call__(self, connection: Any, owner: str, subject: str, text: str, *, cause: str | None = None) -> int | None:
        if cause in self._causes:
            return None
        self._causes.add(cause or "")
        self.sent.append((owner, subject, text))
        return len(self.sent)
