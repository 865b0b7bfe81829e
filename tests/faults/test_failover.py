"""The primary server is killed under load and its replica promoted: no acknowledged row is lost, and reads continue."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest

from broker_assets.api.connections import Connections
from broker_assets.backups.programs import Connection, Programs, User
from broker_assets.database.engine import DatabaseUnavailableError, connect
from broker_assets.local.postgres import EmbeddedPostgres

pytestmark = [pytest.mark.faults, pytest.mark.database, pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]

SMALL = {"shared_buffers": "32MB", "min_wal_size": "32MB"}


class BothServers:
    """Addresses of two servers in one URL, and which of them is the primary."""

    def __init__(self, primary: EmbeddedPostgres, replica: EmbeddedPostgres) -> None:
        self.primary = primary
        self.replica = replica
        self.pid = primary.pid

    def url(self, database: str = "broker", *, attributes: str = "primary") -> str:
        """SQLAlchemy URL with both."""
        hosts = ",".join(str(server.socket_folder) for server in (self.primary, self.replica))
        where = f"host={hosts}&port=5432,5432&target_session_attrs={attributes}"
        return f"postgresql+psycopg://postgres@/{database}?{where}"

    def dsn(self, database: str = "broker") -> str:
        """libpq URL of the first."""
        return self.primary.dsn(database)


@pytest.fixture(scope="module")
def mortal_postgres(service_folder: Path) -> Iterator[BothServers]:
    """A primary and its synchronous replica."""
    with EmbeddedPostgres(service_folder / "primary", configuration=SMALL) as primary:
        user = User.unprivileged()
        folder = service_folder / "replica"
        folder.mkdir()
        if user is not None:
            user.give(folder)
        source = Connection.of(f"{primary.url('postgres')}&application_name=replica")
        arguments: list[str | Path] = ["--pgdata", folder / "data", "--wal-method", "stream", "--checkpoint", "fast"]
        Programs().run("pg_basebackup", [*arguments, "--write-recovery-conf", "-d", source.text], user=user)
        with EmbeddedPostgres(folder, configuration=SMALL) as replica:
            with psycopg.connect(primary.dsn("postgres"), autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'replica'")
                connection.execute("SELECT pg_reload_conf()")
                deadline = time.monotonic() + 30
                state = "SELECT sync_state FROM pg_stat_replication WHERE application_name = 'replica'"
                while connection.execute(state).fetchone() != ("sync",):
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
            yield BothServers(primary, replica)


class Writer(threading.Thread):
    """Writes numbers, and notes those that were acknowledged."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.acknowledged: list[int] = []
        self.ended = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.ended.is_set():
            try:
                with connect(self.url, autocommit=True) as connection:
                    while not self.ended.is_set():
                        number += 1
                        connection.execute("INSERT INTO acknowledged VALUES (%s)", (number,))
                        self.acknowledged.append(number)
                        time.sleep(0.002)
            except (psycopg.Error, DatabaseUnavailableError):
                time.sleep(0.05)


class Reader(threading.Thread):
    """Reads as the web application does, and notes how long it got no answer."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.connections = Connections(url, most=2)
        self.ended = threading.Event()
        self.reads = self.failures = 0
        self.longest = 0.0

    def run(self) -> None:
        self.connections.open()
        last = time.monotonic()
        while not self.ended.is_set():
            try:
                with self.connections.use() as connection:
                    connection.execute("SELECT count(*) FROM objects").fetchone()
                self.reads += 1
                now = time.monotonic()
                self.longest, last = max(self.longest, now - last), now
            except (psycopg.Error, DatabaseUnavailableError):
                self.failures += 1
            time.sleep(0.01)
        self.connections.close()


def test_fail_over_under_load(platform: Any, packets: ModuleType, mortal_postgres: BothServers) -> None:
    servers = mortal_postgres
    messages = list(packets.Survey(objects=60, visits=12).packets())
    with connect(platform.database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE acknowledged (number bigint PRIMARY KEY)")
    producer = platform.producer()
    writer = Writer(platform.database_url)
    reader = Reader(servers.url(platform.database, attributes="prefer-standby"))
    child = platform.start_child()
    writer.start()
    reader.start()
    try:
        for number, message in enumerate(messages):
            platform.produce(producer, message)
            if number == len(messages) // 3:
                producer.flush(30)
                deadline = time.monotonic() + 60
                while platform.received() == 0:  # it is working
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                committed = platform.received()
                os.kill(servers.primary.pid or 0, signal.SIGKILL)
                assert servers.primary.pid is not None
                with psycopg.connect(servers.replica.dsn("postgres"), autocommit=True) as connection:
                    assert connection.execute("SELECT pg_promote(true, 60)").fetchone() == (True,)
                assert platform.received() >= committed
            time.sleep(0.002)
        producer.flush(30)
        platform.wait_until_drained()
        time.sleep(0.3)
    finally:
        writer.ended.set()
        reader.ended.set()
        writer.join(30)
        reader.join(30)
    assert child.stop() == 0
    kept = {number for (number,) in platform.query("SELECT number FROM acknowledged")}
    assert set(writer.acknowledged) <= kept
    assert len(writer.acknowledged) > 50
    assert reader.failures == 0, "those who read from the replica do not notice"
    assert reader.reads > 50
    assert reader.longest < 10.0
    platform.assert_agreement()
