"""A base backup and its log become a data folder that any server starts."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from broker_assets.backups.manifest import NAME, BackupError, DamagedBackup
from broker_assets.backups.programs import Programs
from broker_assets.backups.recovery import restore_base
from broker_assets.local.postgres import EmbeddedPostgres

pytestmark = pytest.mark.database


@pytest.fixture
def target(service_folder: Path, request: pytest.FixtureRequest) -> Path:
    return service_folder / "recovered" / request.node.name.partition("[")[0]


def test_everything_that_was_committed_is_back(saved: Any, target: Path) -> None:
    """The embedded server starts on it; a second restore into the same place is refused."""
    found = restore_base(saved.shelf, saved.backup, Programs(), target / "data")
    assert found.ledger is not None
    assert (found.ledger.batches, found.ledger.received) == (3, 70)
    assert found.positions == (("t", 0, 70),)
    assert found.segments >= 2
    assert [path.name for path in target.iterdir()] == ["data"]
    with EmbeddedPostgres(target) as server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SELECT sum(received) FROM ingest_batch").fetchone() == (70,)
        assert connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
    with pytest.raises(BackupError, match="files already"):
        restore_base(saved.shelf, saved.backup, Programs(), target / "data")


def test_up_to_a_time_or_without_the_log(saved: Any, target: Path) -> None:
    found = restore_base(saved.shelf, saved.backup, Programs(), target / "one", until=saved.middle)
    assert found.positions == (("t", 0, 30),)
    found = restore_base(saved.shelf, saved.backup, Programs(), target / "two", follow=False)
    assert (found.positions, found.segments) == ((("t", 0, 10),), 0)


def test_a_time_that_cannot_be_reached_is_refused(saved: Any, target: Path, tmp_path: Path) -> None:
    """Before the backup was completed, after the log ends, or without a log: another state would be restored."""
    ended = saved.backup.manifest.ended
    early = ended - datetime.timedelta(seconds=1)
    with pytest.raises(BackupError, match="restore an earlier one"):
        restore_base(saved.shelf, saved.backup, Programs(), target / "data", until=early)
    with pytest.raises(BackupError, match="without the write-ahead log that followed it"):
        restore_base(saved.shelf, saved.backup, Programs(), target / "data", until=saved.middle, follow=False)
    with pytest.raises(BackupError, match=r"ends with a transaction of .*: leave out --until"):
        restore_base(saved.shelf, saved.backup, Programs(), target / "data", until=ended + datetime.timedelta(days=1))
    assert not (target / "data").exists()
    with pytest.raises(BackupError, match="no backup of the kind 'database' from before"):
        saved.shelf.named("database", until=early)
    assert saved.shelf.named("database", until=saved.middle).name == saved.backup.name


def test_a_log_that_was_put_aside_is_still_followed(saved: Any, target: Path, tmp_path: Path) -> None:
    """After a first restore, for example to the wrong time; what the restored server writes does not matter."""
    shelf = saved.copy(tmp_path)
    shelf.close_log()
    shelf.log.mkdir()
    (shelf.log / "000000020000000000000009").write_bytes(bytes(saved.backup.manifest.log.segment_size))
    found = restore_base(shelf, shelf.newest("database"), Programs(), target / "data", until=saved.middle)
    assert found.positions == (("t", 0, 30),)
    later = saved.backup.manifest.model_copy(update={"begun": datetime.datetime.now(datetime.UTC)})
    assert shelf.log_after(later) == shelf.log
    later = saved.backup.manifest.log.model_copy(update={"first": "000000020000000000000009"})
    assert shelf.log_after(saved.backup.manifest.model_copy(update={"log": later})) == shelf.log


def test_what_is_damaged_is_refused_before_anything_is_written(saved: Any, target: Path, tmp_path: Path) -> None:
    shelf = saved.copy(tmp_path)
    backup = shelf.newest("database")
    first = sorted(path for path in shelf.log.iterdir() if path.name.startswith(backup.manifest.log.first))[0]
    first.rename(shelf.folder / "kept")
    with pytest.raises(DamagedBackup, match="write-ahead log"):
        restore_base(shelf, backup, Programs(), target / "data")
    (shelf.folder / "kept").rename(first)
    ledger = backup.manifest.ledger.model_copy(update={"received": 11})
    other = backup.manifest.model_copy(update={"ledger": ledger})
    (backup.path / NAME).unlink()
    (backup.path / NAME).write_text(other.model_dump_json())
    with pytest.raises(BackupError, match="restored ledger has 10 messages"):
        restore_base(shelf, shelf.newest("database"), Programs(), target / "data", follow=False)
    older = backup.manifest.model_copy(update={"server": 90300})
    (backup.path / NAME).write_text(older.model_dump_json())
    with pytest.raises(BackupError, match="PostgreSQL 9"):
        restore_base(shelf, shelf.newest("database"), Programs(), target / "data")
    assert not target.exists() or list(target.iterdir()) == []
