"""Copies of backups in another store."""

from __future__ import annotations

import datetime
import shutil
import uuid
from pathlib import Path

import fsspec
import pytest

from broker_assets.backups.copies import Copies
from broker_assets.backups.manifest import NAME, BackupError, DamagedBackup, Manifest
from broker_assets.backups.shelf import Backup, Shelf

BEGUN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def make(shelf: Shelf, day: int) -> Backup:
    begun = BEGUN + datetime.timedelta(days=day)
    with shelf.building("users") as (folder, finish):
        (folder / "a").write_bytes(b"abc" * day)
        return finish(Manifest(kind="users", begun=begun, ended=begun, files=()))


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_copies_come_back(tmp_path: Path, kind: str) -> None:
    url = (tmp_path / "elsewhere").as_uri() if kind == "file" else f"memory://{uuid.uuid4().hex}"
    shelf, copies = Shelf(tmp_path / "backups"), Copies(url)
    made = [make(shelf, day) for day in range(3)]
    assert copies.names() == []
    assert copies.bring(shelf) == [backup.name for backup in made]
    assert copies.bring(shelf) == []
    assert copies.names() == [backup.name for backup in made]
    shutil.rmtree(shelf.folder)
    assert copies.fetch(made[1].name, shelf) == made[1]
    assert shelf.opened(shelf.newest("users")) == made[1].manifest
    # Those that are older than what is kept here go there, too.
    assert copies.remove_surplus(shelf) == [made[0].name]
    files, root = fsspec.core.url_to_fs(url)
    with files.open(f"{root}/{made[2].name}/a", "wb") as file:
        file.write(b"changed")
    with pytest.raises(DamagedBackup):
        copies.fetch(made[2].name, shelf)
    assert shelf.backups() == [made[1]]
    files.rm_file(f"{root}/{made[2].name}/{NAME}")
    with pytest.raises(BackupError, match="no complete copy"):
        copies.fetch(made[2].name, shelf)


def test_a_store_that_cannot_be_opened() -> None:
    with pytest.raises(BackupError, match="cannot be opened"):
        Copies("nothing-like-this://x").names()
