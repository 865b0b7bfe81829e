"""The canary: an alert of our own that passes the whole stream every few minutes.

It is sent to a topic of our own and read by a drain run like any other: sensor, run, decoder, archive, enrichments, one
transaction. Its rows go to copies of the tables in the schema `SCHEMA` of the database, so that nothing of it is in the
science tables, in their ledger or in Dagster's assets. A filter that it passes sends it to a topic of our own. Its
latency is recorded, from Kafka's timestamp to the committed row, and that it arrived and reached its sink.
"""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass
from typing import Any, Final

import fsspec
import psycopg
from psycopg import sql

from broker_assets.database.tables import metadata, revision_counter, stream_offset
from broker_assets.filters.store import FilterChanges, change_filter, create_filter
from broker_assets.replay.producer import OutgoingMessage, produce
from broker_assets.settings.stream import StreamLocation
from broker_assets.simulation import Survey

SCHEMA: Final = "canary"
"""Schema of the database with its tables."""

KEPT_BATCHES: Final = 2000
"""About a week of canaries; then its tables and files are emptied."""

OWNER, FILTER = "system", "canary"
"""The filter that every canary passes."""

SEND_SECONDS: Final = 10.0
"""Time limit for Kafka's confirmation."""


@dataclass(frozen=True)
class Canary:
    """The last canary that arrived."""

    at: datetime.datetime
    """When its row was committed."""
    latency: float
    """Time from Kafka's timestamp to the commit, seconds."""
    waiting: float = 0.0
    """Time for which the oldest message about a canary has waited for its sink, seconds."""


def packet(now: float) -> bytes:
    """A packet of tonight, with identifiers unlike those of recent canaries, as a ZTF container with its schema.

    Parameters
    ----------
    now : float
        Unix time.
    """
    night = datetime.datetime.fromtimestamp(now, datetime.UTC).date().isoformat()
    # With twenty objects, none is visible in one night of seventy; with a hundred, some are visible in every night used
    # here.
    survey = Survey(seed=int(now // 60) % 1024, objects=100, nights=1, first_night=night, survey="ztf", cutouts="small")
    return next(survey.alerts()).payload


def send(location: StreamLocation, *, now: float | None = None) -> None:
    """Send a canary; the topic is created if it does not exist.

    Raises
    ------
    ReplayError, SecretFileError
        If Kafka refuses it, or a file with credentials cannot be read.
    """
    produce(
        [OutgoingMessage(packet(time.time() if now is None else now))],
        bootstrap_servers=location.cluster.bootstrap_servers or "",
        topic=location.topic,
        partitions=1,
        client=location.cluster.properties(),
        delivery_seconds=SEND_SECONDS,
    )


def last(connection: psycopg.Connection[Any], name: str) -> Canary | None:
    """The last canary that arrived; the connection must use its schema."""
    row = connection.execute(
        "SELECT finished_at, latency_max FROM ingest_batch WHERE topic = %s AND stored + duplicate > 0"
        " AND finished_at IS NOT NULL ORDER BY ingestid DESC LIMIT 1",
        (name,),
    ).fetchone()
    if row is None:
        return None
    waits = connection.execute(
        "SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 FROM deliveries"
        " WHERE state IN ('pending', 'sending', 'dead')"
    ).fetchone()
    return Canary(row[0], float(row[1] or 0.0), float(waits[0]) if waits is not None else 0.0)


def ensure_sink(connection: psycopg.Connection[Any], topic: str) -> int:
    """Set up the delivery of canaries: a filter that every canary passes, with a topic of our own; return its sink.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection that uses its schema.
    topic : str
        Topic of the messages.
    """
    with connection.transaction():
        row = connection.execute("SELECT sinkid FROM filter_sinks WHERE kind = 'kafka' AND target = %s", (topic,))
        found = row.fetchone()
        if found is not None:
            return int(found[0])
        number = create_filter(connection, OWNER, FILTER, "SELECT diaObjectId FROM objects", public=True)
        change_filter(connection, OWNER, number, FilterChanges(active=True))
        made = connection.execute(
            "INSERT INTO filter_sinks (filterid, owner, name, kind, target, public)"
            " VALUES (%s, %s, %s, 'kafka', %s, true) RETURNING sinkid",
            (number, OWNER, FILTER, topic),
        ).fetchone()
    if made is None:
        raise LookupError("INSERT … RETURNING gave no row")
    return int(made[0])


def prune(connection: psycopg.Connection[Any], *, keep: int = KEPT_BATCHES) -> int:
    """Empty the tables and the archive of the canary once they have grown; return the number of files removed.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection that uses its schema.
    keep : int
        Number of batches up to which nothing is removed.
    """
    row = connection.execute("SELECT count(*) FROM ingest_batch").fetchone()
    if row is None or row[0] <= keep:
        return 0
    with connection.transaction():
        urls = [url for (url,) in connection.execute("SELECT url FROM archive_file")]
        emptied = [table.name for table in metadata.sorted_tables if table not in (stream_offset, revision_counter)]
        names = sql.SQL(", ").join(map(sql.Identifier, emptied))
        connection.execute(sql.SQL("TRUNCATE {}").format(names))
    for url in urls:
        filesystem, path = fsspec.core.url_to_fs(url)
        if filesystem.exists(path):
            filesystem.rm(path)
    return len(urls)
