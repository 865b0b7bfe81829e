"""A small server with a base backup and the log that followed it; made once and then stopped."""

from __future__ import annotations

import datetime
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from log_receiver import start_receiving
from small_disks import mounted_disk

from broker_assets.backups.base import write_base
from broker_assets.backups.programs import Connection, Programs, end
from broker_assets.backups.shelf import Backup, Shelf
from broker_assets.backups.verification import log_troubles
from broker_assets.database import migrations
from broker_assets.local.postgres import EmbeddedPostgres

SMALL = {"fsync": "off", "shared_buffers": "32MB", "min_wal_size": "32MB"}


@dataclass
class Saved:
    """A base backup and its log."""

    folder: Path
    shelf: Shelf
    backup: Backup
    middle: datetime.datetime
    """After the first rows that the base backup does not have, and before the last."""
    troubles: list[list[str]]
    """What was wrong with the log before it was kept, while it was, and after."""

    def copy(self, folder: Path) -> Shelf:
        """A copy of the backups that a test may damage."""
        shutil.copytree(self.shelf.folder, folder / "backups")
        return Shelf(folder / "backups")


def wait_until_received(dsn: str) -> None:
    """Wait until everything that is committed has arrived in the folder of the log."""
    deadline = time.monotonic() + 30
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
        assert row is not None
        while connection.execute(
            "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'pg_receivewal' AND flush_lsn >= %s", row
        ).fetchone() != (1,):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def add_batch(connection: psycopg.Connection[tuple[object, ...]], offset: int, messages: int) -> None:
    """A batch of the ledger."""
    row = connection.execute(
        "INSERT INTO ingest_batch (topic, kind, code_version, started_at, finished_at, received, stored)"
        " VALUES ('t', 'stream', '1', now(), now(), %s, %s) RETURNING ingestid",
        (messages, messages),
    ).fetchone()
    assert row is not None
    connection.execute(
        "INSERT INTO stream_offset (topic, \"partition\", next_offset, ingestid) VALUES ('t', 0, %s, %s)"
        ' ON CONFLICT (topic, "partition") DO UPDATE SET next_offset = excluded.next_offset',
        (offset + messages, row[0]),
    )


@pytest.fixture(scope="session")
def saved(service_folder: Path) -> Iterator[Saved]:
    """One batch of the ledger in the base backup, two in the log."""
    folder = service_folder / "saved"
    folder.mkdir(mode=0o711)
    shelf, programs, troubles = Shelf(folder / "backups"), Programs(), []
    with EmbeddedPostgres(folder / "server", configuration=SMALL) as server:
        migrations.upgrade(server.url())
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            add_batch(connection, 0, 10)
            troubles.append(log_troubles(shelf, server.url()))
            receiver = start_receiving(
                programs, shelf.log, Connection.of(server.url()), compress=False, output=folder / "receiver.log"
            )
            try:
                backup = write_base(server.url(), shelf, programs)
                add_batch(connection, 10, 20)
                connection.execute("SELECT pg_switch_wal()")
                middle = datetime.datetime.now(datetime.UTC)
                time.sleep(0.02)
                add_batch(connection, 30, 40)
                wait_until_received(server.dsn())
                troubles.append(log_troubles(shelf, server.url()))
            finally:
                end(receiver)
            time.sleep(0.2)
            troubles.append(log_troubles(shelf, server.url()))
    yield Saved(folder, shelf, backup, middle, troubles)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A function that mounts a file system of a size (`1m`)."""
    with ExitStack() as mounted:
        yield lambda size: mounted.enter_context(mounted_disk(tmp_path / f"disk-{size}", size))
