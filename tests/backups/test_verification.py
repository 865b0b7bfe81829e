"""Whether backups can be restored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from broker_assets.backups.manifest import BackupError, DamagedBackup
from broker_assets.backups.programs import Programs
from broker_assets.backups.shelf import Shelf
from broker_assets.backups.users_data import write_users_data
from broker_assets.backups.verification import verify_users_data
from broker_assets.checks.backups import restored_base
from broker_assets.resources.backups import Backups
from broker_assets.settings import BackupSettings

pytestmark = pytest.mark.database


def test_users_data_are_restored_into_a_server_of_their_own(
    database_url: str, tmp_path: Path, service_folder: Path
) -> None:
    shelf = Shelf(tmp_path)
    with pytest.raises(BackupError, match="no backup"):
        verify_users_data(shelf, Programs())
    backup = write_users_data(database_url, shelf)
    found = verify_users_data(shelf, Programs(), service_folder / "verified")
    assert backup.manifest is not None
    assert (found.name, found.tables) == (backup.name, len(backup.manifest.tables))
    assert found.rows == sum(one.rows for one in backup.manifest.tables.values()) > 0
    (backup.path / "watchlists.copy.zst").write_bytes(b"")
    with pytest.raises(DamagedBackup, match="watchlists"):
        verify_users_data(shelf, Programs())


def test_a_server_starts_on_the_newest_base_backup(saved: Any, service_folder: Path) -> None:
    verified = BackupSettings(scratch=service_folder / "verified")
    verdict = restored_base(Backups(verified, saved.shelf.folder, None, "memory://"))
    assert verdict.passed
    assert verdict.metadata["backup"] == saved.backup.name
    assert verdict.metadata["messages in the ledger"] == 70
    assert list((service_folder / "verified").iterdir()) == []


def test_the_log_is_watched(saved: Any) -> None:
    """Nothing is wrong before it is kept and while it is; afterwards the server waits."""
    assert saved.troubles[:2] == [[], []]
    assert len(saved.troubles[2]) == 1
    assert "not being received" in saved.troubles[2][0]
