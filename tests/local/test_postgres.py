"""The embedded PostgreSQL: kill what you like, the next start has every committed row."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest
import sqlalchemy
from postgres_folders import fill, folder
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import make_url

from broker_assets.local.identity import closed_to
from broker_assets.local.postgres import EmbeddedPostgres, unprivileged_user
from broker_assets.local.processes import FolderInUseError, LocalPlatformError, wait_for_end

__all__ = ["folder"]

pytestmark = pytest.mark.database

PARENT = """
import sys, time
from broker_assets.local.postgres import EmbeddedPostgres
server = EmbeddedPostgres(sys.argv[1]).start()
print(server.pid, flush=True)
time.sleep(600)
"""


def count(server: EmbeddedPostgres) -> int:
    with psycopg.connect(server.dsn()) as connection:
        row = connection.execute("SELECT count(*) FROM numbers").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.slow
def test_life(folder: Path) -> None:
    """Start, both drivers, stop, a killed server, a killed owner, a stale pid file: one cluster throughout."""
    server = EmbeddedPostgres(folder / "pg")
    with server:
        for url, database in ((server.url(), "broker"), (server.dagster_url(), "dagster")):
            engine = sqlalchemy.create_engine(url)
            with engine.connect() as connection:
                assert connection.execute(sqlalchemy.text("SELECT current_database()")).scalar_one() == database
                assert connection.execute(sqlalchemy.text("SHOW fsync")).scalar_one() == "on"
                assert connection.execute(sqlalchemy.text("SHOW listen_addresses")).scalar_one() == ""
            engine.dispose()
        fill(server, 1000)
        with pytest.raises(FolderInUseError):
            EmbeddedPostgres(folder / "pg").start()
        if os.geteuid() == 0:
            assert psutil.Process(server.pid).uids().real == unprivileged_user().uid
    assert not server.running

    with server:
        assert count(server) == 1000
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while server.running and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not server.running

    with server:
        assert count(server) == 1000

    # The owner is killed: the server goes, and goes cleanly.
    owner = subprocess.Popen([sys.executable, "-c", PARENT, str(folder / "pg")], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    postmaster = psutil.Process(int(owner.stdout.readline()))
    owner.kill()
    owner.wait()
    owner.stdout.close()
    assert wait_for_end([postmaster], 15.0) == []
    assert "database system is shut down" in (folder / "pg" / "postgres.log").read_text().splitlines()[-1]

    # A pid file that names a living process which is no server (after a restart of the machine).
    (folder / "pg" / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{folder}/pg/data\n0\n5432\n\n\n")
    with server:
        assert count(server) == 1000


@pytest.mark.slow
class Impatient(EmbeddedPostgres):
    """One that must answer as soon as it listens, but for its recovery."""

    recovered = False

    def launch(self) -> None:
        super().launch()
        address = self.dsn("postgres").encode()
        while self.running and psycopg.pq.PGconn.ping(address) == psycopg.pq.Ping.NO_RESPONSE:
            time.sleep(0.001)
        self._deadline = 0.0

    def _is_recovering(self) -> bool:
        recovering = super()._is_recovering()
        self.recovered |= recovering
        return recovering


def test_a_recovery_may_take_longer_than_a_start(folder: Path) -> None:
    """A server that is ended while it replays its log begins again, and would never be ready after hours of load."""
    with EmbeddedPostgres(folder / "pg") as server:
        fill(server, 1000)
    # A recovery of which the length is known: it asks for files of the log, and waits for each.
    (folder / "pg" / "local.conf").write_text("restore_command = 'sleep 0.5; false'\n")
    signal_file = server.data / "recovery.signal"
    signal_file.touch()
    os.chown(signal_file, server.data.stat().st_uid, server.data.stat().st_gid)
    with Impatient(folder / "pg") as again:
        assert again.recovered
        assert count(again) == 1000


def test_an_interrupted_initialisation_is_begun_again(folder: Path) -> None:
    partial = folder / "pg" / ".data.0123.part"
    partial.mkdir(parents=True)
    (partial / "PG_VERSION").write_text("18")
    with EmbeddedPostgres(folder / "pg") as server:
        fill(server, 1)
        assert count(server) == 1
    assert not partial.exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two words", "a+b", "50%20", "j\N{LATIN SMALL LETTER O WITH DIAERESIS}rg's"])
def test_programs_find_the_socket_in_any_folder(tmp_path: Path, name: str) -> None:
    """libpq and SQLAlchemy read the same URL, and differ in what a plus sign is."""
    server = EmbeddedPostgres(tmp_path / name)
    assert conninfo_to_dict(server.dsn())["host"] == str(server.socket_folder)
    for url in (server.url(), server.dagster_url(), server.dsn()):
        assert make_url(url).query["host"] == str(server.socket_folder)


def test_a_long_path_gets_a_short_socket(folder: Path) -> None:
    deep = folder / ("x" * 60) / ("y" * 60)
    deep.mkdir(parents=True)
    server = EmbeddedPostgres(deep / "pg")
    assert not str(server.socket_folder).startswith(str(deep))
    with server:
        fill(server, 1)
        assert server.socket_folder.stat().st_mode & 0o077 == 0
    assert not server.socket_folder.exists()


def test_settings_that_the_server_refuses_are_explained(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "pg", configuration={"shared_buffers": "much"})
    with pytest.raises(LocalPlatformError, match="shared_buffers"):
        server.start()
    assert not server.running
    server.stop()


def test_a_closed_folder_is_named(folder: Path) -> None:
    inner = folder / "private" / "state"
    inner.mkdir(parents=True)
    (folder / "private").chmod(0o700)
    assert closed_to(inner, 4_000_000, 4_000_000) == folder / "private"
    (folder / "private").chmod(0o711)
    assert closed_to(inner, 4_000_000, 4_000_000) is None
