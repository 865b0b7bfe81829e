"""Base backups: made over a replication connection, unpacked only if nothing in them has changed."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker_assets.backups.base import extract, write_base
from broker_assets.backups.manifest import NAME, BackupError, DamagedBackup
from broker_assets.backups.programs import Programs
from broker_assets.backups.shelf import Shelf

pytestmark = pytest.mark.database


def test_what_it_holds(saved: Any, tmp_path: Path) -> None:
    manifest = saved.backup.manifest
    assert {file.name for file in manifest.files} == {"base.tar.gz", "pg_wal.tar.gz", "backup_manifest"}
    assert (manifest.ledger.batches, manifest.ledger.received) == (1, 10)
    assert manifest.database == "broker"
    assert stat.S_IMODE((saved.backup.path / "base.tar.gz").stat().st_mode) == 0o600
    assert extract(saved.shelf, saved.backup, tmp_path / "data") == manifest
    assert (tmp_path / "data" / "PG_VERSION").read_text().strip() == str(manifest.server // 10000)
    assert (tmp_path / "data" / "pg_wal" / manifest.log.first).is_file()
    with pytest.raises(BackupError, match="not empty"):
        extract(saved.shelf, saved.backup, tmp_path / "data")


def test_damage(saved: Any, tmp_path: Path) -> None:
    """A byte of the archive, or a file that was exchanged together with our manifest: both are found."""
    shelf = saved.copy(tmp_path)
    path = shelf.newest("database").path
    content = (path / "base.tar.gz").read_bytes()
    (path / "base.tar.gz").unlink()
    (path / "base.tar.gz").write_bytes(content[:1000] + b"\x00" + content[1001:])
    with pytest.raises(DamagedBackup, match="SHA-256"):
        extract(shelf, shelf.newest("database"), tmp_path / "one")
    (path / "base.tar.gz").write_bytes(content)
    server = json.loads((path / "backup_manifest").read_text())
    next(one for one in server["Files"] if one["Path"] == "PG_VERSION")["Checksum"] = "0" * 64
    (path / "backup_manifest").unlink()
    (path / "backup_manifest").write_text(json.dumps(server))
    manifest = shelf.newest("database").manifest
    assert manifest is not None
    (path / NAME).unlink()
    (path / NAME).write_text(manifest.model_copy(update={"files": base_files(path)}).model_dump_json())
    with pytest.raises(DamagedBackup, match="PG_VERSION differs"):
        extract(shelf, shelf.newest("database"), tmp_path / "two")


def base_files(path: Path) -> Any:
    from broker_assets.backups.manifest import describe_files

    return describe_files(path)


def test_a_full_disk(saved: Any, small_disk: Callable[[str], Path], database_url: str) -> None:
    """Neither making nor unpacking one leaves anything behind."""
    disk = small_disk("2m")
    with pytest.raises(BackupError, match="No space left"):
        extract(saved.shelf, saved.backup, disk / "data")
    shutil.rmtree(disk / "data")
    shelf = Shelf(disk)
    with pytest.raises(BackupError, match="No space left"):
        write_base(database_url, shelf, Programs())
    assert shelf.backups() == []
    assert list((disk / "database").iterdir()) == []
