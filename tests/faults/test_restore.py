"""The server is lost under load: a backup is restored into an empty installation, which continues the stream."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest

from broker_assets.accounting import balance
from broker_assets.backups.base import write_base
from broker_assets.backups.log import start_receiving
from broker_assets.backups.programs import Connection, Programs, end
from broker_assets.backups.recovery import restore_base
from broker_assets.backups.shelf import Shelf
from broker_assets.database.engine import connect
from broker_assets.local.postgres import EmbeddedPostgres

pytestmark = [pytest.mark.faults, pytest.mark.database, pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]

SMALL = {"shared_buffers": "32MB", "min_wal_size": "32MB"}


@pytest.fixture(scope="module")
def mortal_postgres(service_folder: Path) -> Any:
    """A server of this module alone, small, for its base backups."""
    with EmbeddedPostgres(service_folder / "lost-postgres", configuration=SMALL) as server:
        yield server


def test_a_restored_server_continues_the_stream(
    platform: Any, packets: ModuleType, tmp_path: Path, service_folder: Path
) -> None:
    messages = list(packets.Survey(objects=40, visits=12).packets())
    third = len(messages) // 3
    shelf, programs = Shelf(tmp_path / "backups"), Programs()
    producer = platform.producer()

    def send(some: list[bytes]) -> None:
        for message in some:
            platform.produce(producer, message)
        producer.flush(30)

    send(messages[:third])
    child = platform.start_child()
    platform.wait_until_drained()
    lost = platform.postgres
    receiver = start_receiving(
        programs, shelf.log, Connection.of(lost.url("postgres")), compress=True, output=tmp_path / "receiver.log"
    )
    try:
        backup = write_base(platform.database_url, shelf, programs)
        send(messages[third : 2 * third])
        platform.wait_until_drained()
        acknowledged = platform.received()
        with psycopg.connect(lost.dsn("postgres"), autocommit=True) as connection:
            row = connection.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
            deadline = time.monotonic() + 30
            received = "SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= %s"
            while connection.execute(received, row).fetchone() != (1,):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        # The machine is lost, with everything on it but the backups and the object store.
        os.kill(lost.pid, signal.SIGKILL)
        child.kill()
    finally:
        end(receiver)
        lost.stop()

    place = service_folder / "restored"
    found = restore_base(shelf, backup, programs, place / "data", database=platform.database)
    assert found.ledger is not None
    assert found.ledger.received == acknowledged, "every committed batch is back"
    with EmbeddedPostgres(place, configuration=SMALL) as restored:
        platform.postgres = restored
        send(messages[2 * third :])
        child = platform.start_child()
        platform.wait_until_drained()
        assert child.stop() == 0
        platform.assert_agreement()

    # Without the log, the messages since the base backup are read from Kafka once more.
    place = service_folder / "restored-without-log"
    found = restore_base(shelf, backup, programs, place / "data", database=platform.database, follow=False)
    assert found.ledger is not None
    assert found.ledger.received == third
    with EmbeddedPostgres(place, configuration=SMALL) as restored:
        platform.postgres = restored
        child = platform.start_child()
        platform.wait_until_drained()
        assert child.stop() == 0
        with connect(platform.database_url) as connection:
            for check in (balance.batches, balance.offsets, balance.stored_rows, balance.archived_packets):
                assert check(connection) == [], check.__name__
        assert platform.received() == platform.produced
