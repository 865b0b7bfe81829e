"""`broker-assets backup`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from broker_assets.backups.shelf import Shelf
from broker_assets.commands.backup import app
from broker_assets.database.engine import connect
from broker_assets.settings import load_settings

pytestmark = pytest.mark.database


@pytest.fixture
def home(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BROKER_DATABASE__URL", database_url)
    monkeypatch.setenv("BROKER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BROKER_BACKUP__COPY_URL", (tmp_path / "copies").as_uri())
    load_settings.cache_clear()
    return tmp_path / "home"


def test_run_list_check_restore_fetch(home: Path, database_url: str, postgres: Any, new_database: Any) -> None:
    run = CliRunner().invoke
    assert "There are no backups in" in run(app, ["list"]).output
    made = run(app, ["run", "users", "objects"])
    assert made.exit_code == 0, made.output
    shelf = Shelf(home / "backups")
    name = shelf.newest("users").name
    assert name in made.output
    listed = run(app, ["list"])
    assert name in listed.output
    assert "rows in" in listed.output
    assert f"{name}" in listed.output.partition("Copies in")[2]
    assert run(app, ["check", "objects"]).exit_code == 0

    with connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO access.users (username, password, roles) VALUES ('later', '', '{}')")
    # Options of the other kind have no effect, which somebody who gives them does not expect.
    for option in (["--until", "2027-01-31T12:00:00Z"], ["--into", str(home / "data")], ["--no-log"]):
        without_effect = run(app, ["restore", "users", "--replace", *option])
        assert without_effect.exit_code == 2, option
        assert "which has no such option" in " ".join(without_effect.output.split())
    base = home / "backups" / "database" / "20270101T000000.000000Z"
    base.mkdir(parents=True)
    for option in (["--replace"], ["--database", "postgresql+psycopg://ann@127.0.0.1:1/x"]):
        without_effect = run(app, ["restore", f"database/{base.name}", *option])
        assert without_effect.exit_code == 2, option
        assert "which has no such option" in " ".join(without_effect.output.split())
    both = run(app, ["restore", f"database/{base.name}", "--until", "2027-01-31T12:00:00", "--no-log"])
    assert (both.exit_code, "brought to a time by" in " ".join(both.output.split())) == (2, True), both.output
    base.rmdir()
    assert "'yesterday' is not a time" in run(app, ["restore", "users", "--until", "yesterday"]).output
    refused = run(app, ["restore", "users"])
    assert refused.exit_code != 0
    assert "access.users" in str(refused.exception)
    assert run(app, ["restore", "users", "--replace"]).exit_code == 0
    with connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM access.users").fetchone() == (0,)
    with new_database() as empty:
        assert run(app, ["restore", name, "--database", postgres.url(empty)]).exit_code == 0

    (shelf.named(name).path / "annotations.copy.zst").write_bytes(b"")
    failed = run(app, ["check", "users"])
    assert failed.exit_code == 1
    assert "annotations" in failed.output
    shelf.named(name).path.rename(home / "aside")
    assert run(app, ["fetch", name]).exit_code == 0
    shelf.opened(shelf.named(name))
    for wrong in (["run", "nothing"], ["restore", "objects"], ["restore", "users/2020"], ["fetch", "users/2020"]):
        assert run(app, wrong).exit_code != 0, wrong


def test_the_log_is_received_until_stopped(home: Path, database_url: str) -> None:
    command = [sys.executable, "-m", "broker_assets.cli", "backup", "receive"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ})
    assert process.stdout is not None
    try:
        assert "Keeping the write-ahead log" in process.stdout.readline()
        with connect(database_url, autocommit=True) as connection:
            active = "SELECT active FROM pg_replication_slots WHERE slot_name = 'broker_backup'"
            deadline = time.monotonic() + 30
            while connection.execute(active).fetchone() != (True,):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        with connect(database_url, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active")
            connection.execute("SELECT pg_drop_replication_slot('broker_backup')")
