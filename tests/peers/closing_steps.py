"""The steps of the closing scene: send, drain, prune, export, query the API, lose and restore a platform."""

from __future__ import annotations

import datetime
import json
import multiprocessing
import os
import random
import runpy
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from interface_server import serving
from log_receiver import start_receiving
from upath import UPath

from broker_assets.accounting import balance
from broker_assets.assets.alerts.cold import tables_of_night
from broker_assets.backups.base import write_base
from broker_assets.backups.programs import Connection, Programs, end
from broker_assets.backups.recovery import restore_base
from broker_assets.backups.shelf import Backup, Shelf
from broker_assets.cold import months as leaving
from broker_assets.cold.catalogue import ColdStore
from broker_assets.cold.hats.collection import NAME, Version, update
from broker_assets.cold.hats.rows import rows_of_night
from broker_assets.cold.nights import write_night
from broker_assets.database.engine import connect
from broker_assets.database.tables import PARTITIONED
from broker_assets.settings import DatabaseSettings, Settings

DRAIN_PROCESS = Path(__file__).resolve().parents[1] / "faults" / "drain_process.py"
PRELOADED = [
    *("broker_assets.stream.drain", "broker_assets.sky.matching", "broker_assets.resources.kafka"),
    *("broker_assets.packets.decoder", "broker_assets.packets.registry"),
]
"""Modules that each drain run needs, loaded once."""
CHECKS = (
    balance.batches,
    balance.offsets,
    balance.stored_rows,
    balance.archived_packets,
    balance.archive_positions,
)


def _drain(arguments: dict[str, Any], log: str) -> None:
    """Drain until SIGTERM, in a process of its own."""
    with open(log, "a", buffering=1) as output:
        sys.stdout = sys.stderr = output
        runpy.run_path(str(DRAIN_PROCESS))["main"](**arguments)


@dataclass
class Stream:
    """A topic of three drain runs, and what they write to."""

    postgres: Any
    kafka: Any
    folder: Path
    schemas: Path
    topic: str
    database: str
    partitions: int = 6
    runs: int = 3
    bounds: dict[str, Any] = field(default_factory=dict)
    """Limits of drain runs."""
    produced: int = 0
    kills: list[str] = field(default_factory=list)
    """Which run was killed, and when."""

    def __post_init__(self) -> None:
        self._fork = multiprocessing.get_context("forkserver")
        self._fork.set_forkserver_preload(PRELOADED)
        self._children: dict[int, Any] = {}
        self._admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap_servers, "log_level": 0})
        topic = NewTopic(
            self.topic,
            num_partitions=self.partitions,
            replication_factor=1,
            # Small enough that messages that were read soon leave the disk.
            config={"segment.bytes": str(64 * 1024**2), "file.delete.delay.ms": "1000"},
        )
        self._admin.create_topics([topic])[self.topic].result(30)

    @property
    def url(self) -> str:
        """URL of the database."""
        return str(self.postgres.url(self.database))

    @property
    def archive(self) -> Path:
        """Folder of the packets."""
        return self.folder / "archive"

    def send(self, packets: Iterator[bytes], keys: Sequence[int], *, ahead: int = 200_000) -> None:
        """Send packets, those of an object to one partition, never more than `ahead` beyond those that are stored."""
        producer = Producer(
            {
                "bootstrap.servers": self.kafka.bootstrap_servers,
                "linger.ms": 20,
                "batch.size": 1_000_000,
                "queue.buffering.max.kbytes": 128 * 1024,
                "log_level": 0,
            }
        )
        step = max(min(ahead // 4, 4096), 1)
        for key, packet in zip(keys, packets, strict=True):
            while True:
                try:
                    producer.produce(self.topic, packet, partition=key % self.partitions)
                    break
                except BufferError:
                    producer.poll(0.05)
            self.produced += 1
            if self.produced % step == 0:
                producer.poll(0)
                while self.produced - self.received() > ahead:
                    time.sleep(0.2)
        assert producer.flush(60) == 0, "Kafka took every message"

    # Drain runs -----------------------------------------------------------------------------------------------

    def start(self, run: int) -> None:
        """Start a drain run on its share of the partitions."""
        arguments = {
            "bootstrap_servers": self.kafka.bootstrap_servers,
            "database_url": self.url,
            "archive_url": self.archive.as_uri(),
            "schemas": str(self.schemas),
            "topic": self.topic,
            "partitions": list(range(run, self.partitions, self.runs)),
            "idle_seconds": 60.0,
            **self.bounds,
        }
        log = str(self.folder / f"drain-{run}.log")
        child = self._fork.Process(target=_drain, args=(arguments, log), daemon=True)
        child.start()
        self._children[run] = child

    def kill(self, choice: random.Random) -> None:
        """End a drain run at once, and start the next one on its partitions, as the sensor does."""
        run = choice.choice(sorted(self._children))
        at = self.received()
        self._children[run].kill()
        self._children[run].join(30)
        self.kills.append(f"run {run + 1} of {self.runs}, when {at:,} messages were stored")
        self.start(run)

    def stop(self, *, at_once: bool = False) -> None:
        """End all drain runs."""
        for child in self._children.values():
            child.kill() if at_once else child.terminate()
        for child in self._children.values():
            child.join(60)
        codes = {child.exitcode for child in self._children.values()}
        self._children = {}
        assert at_once or codes == {0}, f"drain runs ended with {codes}: see {self.folder}/drain-*.log"

    def received(self) -> int:
        """Messages in the ledger; 0 while the server is away."""
        with suppress(ConnectionError, psycopg.Error), connect(self.url) as connection:
            row = connection.execute("SELECT coalesce(sum(received), 0) FROM ingest_batch WHERE kind = 'stream'")
            return int((row.fetchone() or (0,))[0])
        return 0

    def wait(self, *, until: int | None = None, timeout: float = 3600.0) -> None:
        """Wait until a number of messages is in the ledger; default: all that were sent."""
        deadline = time.monotonic() + timeout
        while self.received() < (self.produced if until is None else until):
            assert time.monotonic() < deadline, f"{self.received()} of {self.produced} messages are stored"
            assert all(child.is_alive() for child in self._children.values()), f"see {self.folder}/drain-*.log"
            time.sleep(0.25)

    # What is checked ------------------------------------------------------------------------------------------

    def assert_closed(self) -> int:
        """Assert that the ledger balances and has every message of the topic once; return their number."""
        with connect(self.url) as connection:
            for check in CHECKS:
                assert check(connection) == [], check.__name__
            rows = connection.execute('SELECT "partition", next_offset FROM stream_offset').fetchall()
            held = connection.execute("SELECT count(*) FROM quarantine").fetchone()
        assert held == (0,)
        assert sum(offset for _, offset in rows) == self.received() == self.produced
        return self.produced

    # Kafka and archive are pruned -----------------------------------------------------------------------------

    @contextmanager
    def pruned(self, every: float = 5.0) -> Iterator[None]:
        """Delete stored messages from Kafka, again and again, for the duration of a `with` block."""
        stopped = threading.Event()

        def run() -> None:
            while not stopped.wait(every):
                with suppress(ConnectionError, psycopg.Error, KafkaException):
                    self.prune_topic()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join(30)
            self.prune_topic()

    def prune_topic(self) -> None:
        """Delete messages up to the committed positions."""
        with connect(self.url) as connection:
            rows = connection.execute('SELECT "partition", next_offset FROM stream_offset').fetchall()
        if rows:
            until = [TopicPartition(self.topic, partition, offset) for partition, offset in rows]
            for future in self._admin.delete_records(until).values():
                future.result(30)

    def prune_archive(self, night: str) -> int:
        """Delete the packets of a night; return their number of bytes."""
        with connect(self.url) as connection:
            rows = connection.execute("SELECT url FROM archive_file WHERE night = %s", (night,)).fetchall()
        files = [Path(url.removeprefix("file://")) for (url,) in rows]
        size = sum(file.stat().st_size for file in files)
        for file in files:
            file.unlink()
        return size

    # Cold store -----------------------------------------------------------------------------------------------

    @property
    def store(self) -> ColdStore:
        """The cold store; its catalogue is in the database, its files are not."""
        return ColdStore(self.url, (self.folder / "cold").as_uri())

    def export(self, night: str) -> dict[str, int]:
        """Write a night as partitions of Iceberg; return the number of rows of each table."""
        day = datetime.date.fromisoformat(night)
        written = write_night(self.store, day, tables_of_night({self.topic: "rubin"}))
        return {one.name: one.night.rows for one in written}

    def catalogue(self, night: str) -> tuple[Version, int]:
        """Bring the HATS catalogue up to date with a night; return it, and how many tiles were taken over unchanged."""
        folder = self.folder / "hats"
        with connect(self.url, autocommit=True) as connection:
            rows = rows_of_night(self.store, connection, datetime.date.fromisoformat(night))
        made = update(UPath(folder.as_uri()), rows, night)
        files = (folder / made.name / NAME / "dataset").rglob("Npix=*.parquet")
        return made, sum(file.stat().st_nlink > 1 for file in files)

    def leave(self, before: str) -> tuple[list[str], int]:
        """Move the months before that of a night out of the database; return them, and the number of rows compared."""
        with connect(self.url, autocommit=True) as connection:
            months = leaving.due(connection, datetime.date.fromisoformat(before), 0)
            connection.execute("SET default_transaction_isolation = 'repeatable read'")
            with connection.transaction():
                proofs = [leaving.prove(connection, table, month) for month in months for table in PARTITIONED]
            assert not leaving.stale_nights(proofs), "the cold store has all points of the months"
            left = leaving.detach(connection, months)
            leaving.drop_detached(connection, days=0.0)
        return sorted({proof.month for proof in left}), sum(proof.rows for proof in left)

    # The API --------------------------------------------------------------------------------------------------

    def ask(self, objects: Sequence[int], until: float) -> list[dict[str, Any]]:
        """Light curves of objects before a time, as the API answers them, by object; each list of points by time."""
        home = self.folder / "api"
        settings = Settings(home=home, database=DatabaseSettings(url=self.url), streams=[])  # type: ignore[arg-type]
        wanted = {"ids": [str(one) for one in objects], "until": until}
        with serving(settings) as address:
            answer = httpx.post(f"{address}/api/v1/lightcurves", json=wanted, timeout=600.0)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert not found["unknown"]
        return sorted((_ordered(one) for one in found["lightcurves"]), key=lambda one: int(one["diaObjectId"]))

    # Loss and restore -----------------------------------------------------------------------------------------

    def keep_log(self, shelf: Shelf, programs: Programs) -> Any:
        """Receive the write-ahead log from now on."""
        server = Connection.of(self.postgres.url("postgres"))
        return start_receiving(programs, shelf.log, server, compress=True, output=self.folder / "receiver.log")

    def back_up(self, shelf: Shelf, programs: Programs) -> Backup:
        """A base backup."""
        return write_base(self.url, shelf, programs)

    def lose(self, receiver: Any) -> int:
        """Lose the machine once the log has arrived elsewhere; return the number of acknowledged messages."""
        acknowledged = self.received()
        with psycopg.connect(self.postgres.dsn("postgres"), autocommit=True) as connection:
            row = connection.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
            deadline = time.monotonic() + 120
            there = "SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= %s"
            while connection.execute(there, row).fetchone() != (1,):
                assert time.monotonic() < deadline, "the log did not arrive"
                time.sleep(0.05)
        os.kill(self.postgres.pid, signal.SIGKILL)
        self.stop(at_once=True)
        end(receiver)
        self.postgres.stop()
        return acknowledged

    def restore(self, shelf: Shelf, backup: Backup, programs: Programs, place: Path, *, follow: bool = True) -> int:
        """Restore into an empty folder; return the number of messages in its ledger."""
        found = restore_base(shelf, backup, programs, place / "data", database=self.database, follow=follow)
        assert found.ledger is not None
        return found.ledger.received


def _ordered(curve: dict[str, Any]) -> dict[str, Any]:
    """Points of the same time have no order."""
    return {
        name: sorted(value, key=lambda point: json.dumps(point, sort_keys=True)) if isinstance(value, list) else value
        for name, value in curve.items()
    }


def points_of(curves: Sequence[dict[str, Any]]) -> int:
    """Number of points of some answers of the API."""
    return sum(len(value) for curve in curves for value in curve.values() if isinstance(value, list))


class Disk:
    """Peak sizes of folders, measured every few seconds for the duration of a `with` block."""

    def __init__(self, folders: dict[str, Path], every: float = 5.0) -> None:
        self.folders, self.every = folders, every
        self.peaks = dict.fromkeys([*folders, "together"], 0)
        self._stopped = threading.Event()

    def look(self) -> None:
        """Measure."""
        sizes = {name: _size(folder) for name, folder in self.folders.items()}
        for name, size in {**sizes, "together": sum(sizes.values())}.items():
            self.peaks[name] = max(self.peaks[name], size)

    def __enter__(self) -> Disk:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(60)
        self.look()

    def _run(self) -> None:
        while not self._stopped.wait(self.every):
            self.look()


def _size(folder: Path) -> int:
    """Bytes that a folder takes on the disk; a file with several names counts once."""
    seen: dict[tuple[int, int], int] = {}
    for base, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                found = os.stat(os.path.join(base, name), follow_symlinks=False)
                seen[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(seen.values())


def sample_of(objects: np.ndarray[Any, np.dtype[np.int64]], number: int, choice: random.Random) -> list[int]:
    """Some objects."""
    return sorted(choice.sample(objects.tolist(), min(number, len(objects))))


def empty(folder: Path) -> Path:
    """Make an empty folder that is open to the user to which PostgreSQL drops."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o711)
    return folder
