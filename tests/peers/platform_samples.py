"""Measurements of a running platform: memory of each process, sizes of tables and logs, lag, runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
from confluent_kafka import Consumer, KafkaException, TopicPartition
from platform_victims import LOADED_CODE, SERVICES, Victims

from broker_assets.database.engine import connect

COUNTED = ("event_logs", "asset_check_executions", "job_ticks", "runs", "run_tags", "asset_daemon_asset_evaluations")
"""Tables of Dagster whose rows are counted."""
ACTIVE = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")
MEGABYTE = 1024**2


def ends(servers: str, topic: str, seconds: float = 10.0) -> dict[int, int]:
    """The offset after the last message of each partition; empty while the cluster does not answer."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "soak", "log_level": 0})
    try:
        known = consumer.list_topics(topic, timeout=seconds).topics[topic].partitions
        return {
            number: int(consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=seconds)[1])
            for number in known
        }
    except KafkaException:
        return {}
    finally:
        consumer.close()


def _of_processes(name: str, processes: list[psutil.Process]) -> dict[str, float]:
    memory, files = 0, 0
    for process in processes:
        with suppress(psutil.Error):
            memory += process.memory_info().rss - process.memory_info().shared
            files += process.num_fds()
    return {f"memory of {name}, MB": memory / MEGABYTE, f"open files of {name}": float(files)} if memory else {}


def memory(victims: Victims) -> dict[str, float]:
    """Memory that is not shared, and open files, of services with their children; of runs the largest and the sum."""
    found: dict[str, float] = {}
    state = victims.state()
    loaded, workers = victims.loaded_code(), victims.workers()
    # Loaded code is a child of the daemon, and runs are its children or the daemon's.
    apart = {one.pid for one in [*loaded, *workers.values()]}
    if state is not None:
        supervisor = state.supervisor.process()
        found |= _of_processes("supervisor", [supervisor] if supervisor is not None else [])
    for name in SERVICES:
        found |= _of_processes(name, [one for one in victims.with_children(name) if one.pid not in apart])
    found |= _of_processes(LOADED_CODE, loaded)
    sizes = []
    for process in workers.values():
        with suppress(psutil.Error):
            sizes.append((process.memory_info().rss - process.memory_info().shared) / MEGABYTE)
    found["memory of the largest run, MB"] = max(sizes, default=0.0)
    found["processes of runs"] = float(len(sizes))
    return found


def tables(url: str, prefix: str, counted: tuple[str, ...] = ()) -> dict[str, float]:
    """Sizes of the non-empty tables of a database, and numbers of rows of some."""
    found: dict[str, float] = {}
    with connect(url, autocommit=True, connect_timeout=5, statement_timeout=30) as connection:
        rows = connection.execute(
            "SELECT relname, pg_total_relation_size(oid), n.mine FROM pg_class, LATERAL (SELECT"
            " relnamespace::regnamespace::text = 'public' AS mine) AS n WHERE relkind = 'r' AND n.mine"
        ).fetchall()
        for name, size, _ in rows:
            found[f"{prefix} table {name}, MB"] = size / MEGABYTE
        for name in counted:
            statement = psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier(name))
            ((count,),) = connection.execute(statement).fetchall()
            found[f"{prefix} rows of {name}"] = float(count)
    return found


def runs(url: str) -> dict[str, float]:
    """Runs that wait or go on, and how many there were, by their end."""
    with connect(url, autocommit=True, connect_timeout=5) as connection:
        rows: Mapping[str, int] = dict(
            connection.execute("SELECT status, count(*) FROM runs GROUP BY status").fetchall()  # type: ignore[arg-type]
        )
    active = {
        "runs active": float(sum(rows.get(name, 0) for name in ACTIVE)),
        "runs queued": float(rows.get("QUEUED", 0)),
    }
    return active | {f"runs ended {name}": float(count) for name, count in rows.items() if name not in ACTIVE}


def stream(url: str, name: str, offsets: Mapping[int, int]) -> dict[str, float]:
    """Lag of a stream and its newest latency."""
    with connect(url, autocommit=True, connect_timeout=5) as connection:
        known: dict[int, int] = dict(
            connection.execute(
                'SELECT "partition", next_offset FROM stream_offset WHERE topic = %s', (name,)
            ).fetchall()  # type: ignore[arg-type]
        )
        row = connection.execute(
            "SELECT sum(received), (SELECT latency_p99 FROM ingest_batch WHERE latency_p99 IS NOT NULL"
            " ORDER BY ingestid DESC LIMIT 1), (SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending')"
            " AND sinkid IN (SELECT sinkid FROM filter_sinks WHERE schedule = 'now')) FROM ingest_batch"
            " WHERE kind = 'stream' AND topic = %s",
            (name,),
        ).fetchone()
    received, latency, waiting = row or (0, None, 0)
    found = {"messages ingested": float(received or 0), "deliveries waiting": float(waiting)}
    if offsets:
        found["lag, messages"] = float(sum(end - known.get(number, 0) for number, end in offsets.items()))
    if latency is not None:
        found["latency of 99 %, s"] = float(latency)
    return found


def folders(home: Path) -> dict[str, float]:
    """Sizes of the folders of the home."""
    return {f"folder {path.name}, MB": _size(path) / MEGABYTE for path in sorted(home.iterdir()) if path.is_dir()}


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            if path.is_file() and not path.is_symlink():
                total += path.stat().st_blocks * 512
    return total


def sample(victims: Victims, database: str, topic: str, stream_name: str) -> dict[str, float]:
    """Everything; what does not answer is left out.

    Parameters
    ----------
    victims : Victims
        The processes.
    database : str
        SQLAlchemy URL of the database of the broker.
    topic, stream_name : str
        Whose lag is measured.
    """
    found: dict[str, Any] = {}
    state = victims.state()
    with suppress(psutil.Error):
        found |= memory(victims)
    if state is not None and state.addresses is not None:
        dagster = state.addresses.dagster_url.replace("+psycopg2", "+psycopg")
        offsets = ends(state.addresses.bootstrap_servers, topic, 5.0)
        measures: list[Callable[[], dict[str, float]]] = [
            lambda: tables(database, "broker"),
            lambda: tables(dagster, "Dagster", COUNTED),
            lambda: runs(dagster),
            lambda: stream(database, stream_name, offsets),
        ]
        for measure in measures:
            with suppress(ConnectionError, psycopg.Error):
                found |= measure()
    with suppress(OSError):
        found |= folders(victims.home)
    return found
