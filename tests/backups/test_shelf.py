"""The folder of the backups: complete or absent, closed to others, and never without the newest."""

from __future__ import annotations

import datetime
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from broker_assets.backups.manifest import NAME, BackupError, DamagedBackup, Kind, Manifest
from broker_assets.backups.shelf import Backup, Shelf

BEGUN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def make(shelf: Shelf, day: int, *, kind: Kind = "users", content: bytes = b"abc") -> Backup:
    begun = BEGUN + datetime.timedelta(days=day)
    with shelf.building(kind) as (folder, finish):
        (folder / "a").write_bytes(content)
        return finish(Manifest(kind=kind, begun=begun, ended=begun, files=()))


def test_backups_are_found_and_closed_to_other_users(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        shelf = Shelf(tmp_path / "backups")
        made = make(shelf, 0)
    finally:
        os.umask(old)
    assert shelf.backups() == [made]
    assert shelf.named("users") == shelf.named(made.name) == shelf.newest("users") == made
    assert shelf.opened(made).files[0].name == "a"
    for path in (shelf.folder, *shelf.folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    with pytest.raises(BackupError, match="no backup 'users/2020"):
        shelf.named("users/2020")
    with pytest.raises(BackupError, match="'database'"):
        shelf.newest("database")


def test_what_was_not_completed_is_not_a_backup(tmp_path: Path) -> None:
    """An error while it is made leaves nothing; the folder of a killed process goes at the next start."""
    shelf = Shelf(tmp_path)
    with suppress(ZeroDivisionError), shelf.building("users") as (folder, _):
        (folder / "a").write_bytes(b"abc")
        raise ZeroDivisionError
    assert shelf.backups() == []
    assert list((tmp_path / "users").iterdir()) == []
    left = tmp_path / "users" / f".users.{'0' * 32}.part"
    left.mkdir()
    (left / "a").write_bytes(b"abc")
    assert shelf.backups() == []
    made = make(shelf, 0)
    assert [path.name for path in (tmp_path / "users").iterdir()] == [made.path.name]


def test_damaged_ones_are_listed_and_refused(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    good, bad, half = make(shelf, 0), make(shelf, 1), make(shelf, 2)
    (bad.path / "a").write_bytes(b"abd")
    (half.path / NAME).unlink()
    assert [backup.damage != "" for backup in shelf.backups()] == [False, False, True]
    assert shelf.newest("users") == bad
    with pytest.raises(DamagedBackup, match="SHA-256"):
        shelf.opened(bad)
    with pytest.raises(DamagedBackup, match="not completed"):
        shelf.opened(shelf.backups()[2])
    shelf.opened(good)


def test_old_ones_go_but_never_the_newest_that_can_be_used(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    made = [make(shelf, day) for day in range(4)]
    (made[3].path / NAME).unlink()
    removed = shelf.prune("users", before=BEGUN + datetime.timedelta(days=1, hours=1))
    assert removed == [made[0].name, made[1].name]
    assert shelf.prune("users", before=BEGUN + datetime.timedelta(days=900)) == [made[3].name]
    assert shelf.backups() == [made[2]]


def test_a_full_disk_leaves_the_older_backups(small_disk: Callable[[str], Path]) -> None:
    folder = small_disk("1m")
    shelf = Shelf(folder / "backups")
    made = make(shelf, 0)
    with pytest.raises(BackupError, match="No space left"):
        make(shelf, 1, content=b"x" * 2_000_000)
    assert shelf.backups() == [made]
    assert [path.name for path in (shelf.folder / "users").iterdir()] == [made.path.name]
    shelf.opened(made)


def test_the_log_is_put_aside(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    assert shelf.close_log() is None
    shelf.log.mkdir()
    aside = shelf.close_log()
    assert aside is not None
    assert aside.is_dir()
    assert not shelf.log.exists()
