"""Backups as a resource: made, old ones removed, new ones copied."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path

import pytest

from broker_assets.backups.log import segments
from broker_assets.backups.manifest import LogRange, Manifest
from broker_assets.backups.shelf import Backup, Shelf
from broker_assets.resources.backups import Backups
from broker_assets.settings import BackupSettings, Settings


def make(shelf: Shelf, days: float, kind: str = "users", first: int = 1) -> Backup:
    """A backup of some days ago."""
    begun = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)
    name = f"0000000100000000{first:08X}"
    log = LogRange(timeline=1, first=name, last=name, segment_size=16 << 20)
    with shelf.building(kind) as (folder, finish):  # type: ignore[arg-type]
        (folder / "a").write_bytes(b"abc")
        return finish(Manifest(kind=kind, begun=begun, ended=begun, files=(), log=log))  # type: ignore[arg-type]


def test_old_backups_and_the_log_before_them_go_and_copies_follow(tmp_path: Path) -> None:
    settings = BackupSettings(keep_days=2, keep_weeks=1, copy_url=(tmp_path / "copies").as_uri())
    backups = Backups(settings, tmp_path / "backups", None, "memory://")
    copies = backups.copies
    assert copies is not None
    made = [make(backups.shelf, days) for days in (3, 1)]
    bases = [make(backups.shelf, days, "database", first) for days, first in ((20, 1), (3, 4))]
    copies.bring(backups.shelf)
    backups.shelf.log.mkdir()
    for number in range(1, 7):
        (backups.shelf.log / f"0000000100000000{number:08X}").touch()
    assert backups.tidy("users") == [made[0].name]
    assert backups.tidy("database") == [bases[0].name]
    assert [one.number for one in segments(backups.shelf.log)] == [4, 5, 6]
    assert copies.names() == sorted([made[1].name, bases[1].name])
    shutil.rmtree(tmp_path / "copies")


def test_which_database(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="BROKER_DATABASE__URL"):
        _ = Backups.of(Settings(home=tmp_path)).url
    own, usual = "postgresql+psycopg://saver:secret@/broker", "postgresql+psycopg://writer@/broker"
    given = Settings.model_validate({"home": tmp_path, "database": {"url": usual}, "backup": {"database_url": own}})
    assert Backups.of(given).url == own
    assert "secret" not in repr(Backups.of(given))
    assert Backups.of(given).copies is None
