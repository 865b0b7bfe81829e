"""PostgreSQL's programs: where they are, what is on their command line, how they fail."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from broker_assets.backups.manifest import BackupError
from broker_assets.backups.programs import Connection, Programs, User, end


def script(folder: Path, name: str, text: str) -> Programs:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return Programs(folder)


def test_passwords_are_not_on_the_command_line(tmp_path: Path) -> None:
    made = Connection.of("postgresql+psycopg://saver:s3cret@db.example:5433/broker?sslmode=require")
    assert "s3cret" not in made.text
    assert "sslmode=require" in made.text
    programs = script(tmp_path, "show", 'echo "$@ $PGPASSWORD $HOME"')
    os.environ["PGHOST"] = "elsewhere"
    try:
        said = programs.run("show", ["-d", made.text], environment=made.environment)
    finally:
        del os.environ["PGHOST"]
    assert said.split()[-1] == "s3cret"  # no other variable of ours reaches it


def test_failures_are_explained(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="BROKER_BACKUP__PROGRAMS"):
        Programs(tmp_path).run("pg_basebackup", [])
    programs = script(tmp_path, "fail", "echo one; echo 'error: no space' >&2; exit 3")
    with pytest.raises(BackupError, match="fail failed: one error: no space"):
        programs.run("fail", [])
    programs = script(tmp_path, "wait", "exec sleep 60")
    begun = time.monotonic()
    with pytest.raises(BackupError, match="did not end within"):
        programs.run("wait", [], seconds=0.2)
    assert time.monotonic() - begun < 20


def test_a_program_is_ended(tmp_path: Path) -> None:
    programs = script(tmp_path, "wait", "exec sleep 60")
    process = programs.start("wait", [], output=tmp_path / "log")
    assert psutil.pid_exists(process.pid)
    assert end(process) == -signal.SIGTERM
    stubborn = script(tmp_path, "stubborn", "trap '' TERM; sleep 60 & wait; sleep 60").start("stubborn", [])
    time.sleep(0.3)
    assert end(stubborn, seconds=0.2) == -signal.SIGKILL


def test_the_embedded_server_brings_them() -> None:
    for name in ("pg_basebackup", "pg_receivewal", "initdb", "postgres"):
        assert Programs().path(name).is_file()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_root_becomes_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = User.unprivileged()
    assert user is not None
    assert user.uid != 0
    assert Programs(Path("/usr/bin")).run("id", ["-u"], user=user).strip() == str(user.uid)
    (tmp_path / "a").touch()
    user.give(tmp_path)
    assert (tmp_path / "a").stat().st_uid == user.uid
    monkeypatch.setenv("BROKER_PG_USER", "nobody-of-this-name")
    with pytest.raises(BackupError, match="BROKER_PG_USER"):
        User.unprivileged()
