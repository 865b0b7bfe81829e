"""Servers that tests may kill, a child process that drains, and the comparison of everything that is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from forked_programs import open_program

from broker_assets.accounting import balance
from broker_assets.database import migrations
from broker_assets.database.engine import connect
from broker_assets.local.kafka import apache_kafka
from broker_assets.local.loaded_code import ForkedProcess
from broker_assets.local.postgres import EmbeddedPostgres
from broker_assets.local.processes import LocalPlatformError
from broker_assets.packets import archive

DRAIN_PROCESS = Path(__file__).with_name("drain_process.py")


@pytest.fixture(scope="module")
def mortal_postgres(service_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server of this module alone, which tests kill."""
    with EmbeddedPostgres(service_folder / "mortal-postgres", configuration={"shared_buffers": "64MB"}) as server:
        yield server


@pytest.fixture(scope="module")
def mortal_kafka(service_folder: Path) -> Iterator[Any]:
    """An Apache Kafka broker of this module alone, which tests kill."""
    try:
        broker = apache_kafka(service_folder / "mortal-kafka")
    except LocalPlatformError as error:
        if os.environ.get("BROKER_TEST_KAFKA_REQUIRED") == "1":
            pytest.fail(f"Apache Kafka is required here: {error}")
        pytest.skip(f"killing a broker needs a durable one: {error}")
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@dataclass
class DrainChild:
    """A process that drains until it is asked to stop, or killed."""

    process: subprocess.Popen[str] | ForkedProcess
    output: IO[str]
    reports: list[dict[str, Any]] = field(default_factory=list)
    """What its runs reported."""
    errors: list[str] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)
    committed: int = 0
    """Messages of its present run."""

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.output:
            with suppress(ValueError):
                event = json.loads(line)
                if "report" in event:
                    self.reports.append(event["report"])
                elif "error" in event:
                    self.errors.append(event["error"])
                elif "progress" in event:
                    self.committed = event["progress"]
                self.ready.set()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """Kill it at once, as the kernel would."""
        self.process.kill()
        self.process.wait()

    def stop(self, timeout: float = 60.0) -> int:
        """Ask it to finish; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout)
        self._reader.join(5.0)
        return code


def _drain_process(
    arguments: str, environment: Mapping[str, str] | None
) -> tuple[subprocess.Popen[str] | ForkedProcess, IO[str]]:
    """It is forked from loaded code, unless its environment may affect what it loads."""
    if environment is None:
        return open_program(DRAIN_PROCESS.stem, arguments, paths=[DRAIN_PROCESS.parent])
    process = subprocess.Popen(
        [sys.executable, str(DRAIN_PROCESS), arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    return process, process.stdout


@dataclass
class Platform:
    """Servers, a topic and an archive, and what was produced so far."""

    postgres: EmbeddedPostgres
    kafka: Any
    archive: Path
    schemas: Path
    topic: str
    database: str
    partitions: int
    produced: int = 0
    children: list[DrainChild] = field(default_factory=list)

    @property
    def database_url(self) -> str:
        """Of the database under test."""
        return self.postgres.url(self.database)

    def producer(self) -> Producer:
        """A producer that continues when the broker comes back, and repeats nothing."""
        return Producer(
            {
                "bootstrap.servers": self.kafka.bootstrap_servers,
                "enable.idempotence": True,
                "message.timeout.ms": 120_000,
                "reconnect.backoff.max.ms": 500,
                "message.max.bytes": 15_000_000,
                "log_level": 0,
            }
        )

    def produce(self, producer: Producer, value: bytes) -> None:
        """Send one message, to the partitions in turn."""
        while True:
            try:
                producer.produce(self.topic, value, partition=self.produced % self.partitions)
                break
            except BufferError:
                producer.poll(0.1)
        self.produced += 1
        producer.poll(0)

    def start_child(
        self, *, wait: bool = True, environment: Mapping[str, str] | None = None, **options: Any
    ) -> DrainChild:
        """Start a process that drains the topic."""
        arguments = {
            "bootstrap_servers": self.kafka.bootstrap_servers,
            "database_url": self.database_url,
            "archive_url": self.archive.as_uri(),
            "schemas": str(self.schemas),
            "topic": self.topic,
            "partitions": list(range(self.partitions)),
            "batch_max": 25,
            "batch_seconds": 0.2,
            "idle_seconds": 1.0,
            **options,
        }
        child = DrainChild(*_drain_process(json.dumps(arguments), environment))
        self.children.append(child)
        if wait:
            assert child.ready.wait(60.0), "the draining process did not come up"
        return child

    def restart_postgres(self) -> None:
        """Kill the server and start it again."""
        assert self.postgres.pid is not None
        os.kill(self.postgres.pid, signal.SIGKILL)
        self.postgres.stop()
        self.postgres.start()

    def restart_kafka(self) -> None:
        """Kill the broker and start it again on the same port."""
        assert self.kafka.pid is not None
        os.kill(self.kafka.pid, signal.SIGKILL)
        self.kafka.stop()
        self.kafka.start()

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with connect(self.database_url) as connection:
            return connection.execute(statement, parameters).fetchall()

    def received(self) -> int:
        """Messages in the ledger; 0 while the server is away."""
        with suppress(ConnectionError, psycopg.Error):
            return int(self.query("SELECT coalesce(sum(received), 0) FROM ingest_batch WHERE kind = 'stream'")[0][0])
        return 0

    def wait_until_drained(self, timeout: float = 120.0) -> None:
        """Wait until every produced message is in the ledger."""
        deadline = time.monotonic() + timeout
        while self.received() < self.produced:
            assert time.monotonic() < deadline, f"{self.received()} of {self.produced} messages after {timeout:.0f} s"
            time.sleep(0.2)

    def assert_agreement(self) -> None:
        """Assert that ledger, rows, archive and quarantine agree, and that no file exists that none of them knows."""
        with connect(self.database_url) as connection:
            for check in (
                balance.batches,
                balance.offsets,
                balance.stored_rows,
                balance.archived_packets,
                balance.archive_positions,
            ):
                assert check(connection) == [], check.__name__
        assert self.received() == self.produced
        known = self.query("SELECT url, sha256, packets FROM archive_file")
        places: Counter[tuple[int, int]] = Counter()
        for url, sha256, count in known:
            archive.verify(url, sha256=sha256, packets=count)
            header = archive.read_archive_header(url)
            places.update(zip(header.partitions.tolist(), header.offsets.tolist(), strict=True))
        places.update(self.query('SELECT "partition", "offset" FROM quarantine'))
        ends = dict(self.query('SELECT "partition", next_offset FROM stream_offset'))
        expected = {(partition, offset) for partition, end in ends.items() for offset in range(end)}
        assert set(places) == expected
        assert set(places.values()) <= {1}, "a message is in the archive or in quarantine, once"
        for url, position, length, source in self.query(
            "SELECT url, archiveposition, archivelength, diasourceid FROM diasources JOIN archive_file"
            " USING (archivefileid) ORDER BY random() LIMIT 25"
        ):
            packet = archive.read_packet(url, position, length)
            # The first field of the datum is diaSourceId.
            assert _zigzag(packet.datum) == source
        files = {path.as_uri() for path in self.archive.rglob("*") if path.is_file()}
        assert files == {url for url, _, _ in known}, "no file that the ledger does not know, none missing"


def _zigzag(datum: bytes) -> int:
    value = shift = 0
    for byte in datum[:10]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return (value >> 1) ^ -(value & 1)


@pytest.fixture
def platform(
    mortal_postgres: EmbeddedPostgres, mortal_kafka: Any, packets: ModuleType, tmp_path: Path
) -> Iterator[Platform]:
    """A fresh database, topic and archive on the module's servers."""
    number = str(time.monotonic_ns())
    database, topic = f"faults_{number}", f"faults-{number}"
    with psycopg.connect(mortal_postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{database}"')
    migrations.upgrade(mortal_postgres.url(database))
    admin = AdminClient({"bootstrap.servers": mortal_kafka.bootstrap_servers, "log_level": 0})
    for future in admin.create_topics([NewTopic(topic, num_partitions=3, replication_factor=1)]).values():
        future.result(30)
    made = Platform(
        mortal_postgres,
        mortal_kafka,
        tmp_path / "archive",
        packets.write_schema_folder(tmp_path / "schemas"),
        topic,
        database,
        partitions=3,
    )
    try:
        yield made
    finally:
        for child in made.children:
            if child.alive:
                child.kill()
