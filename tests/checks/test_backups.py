"""Verdicts on backups, each with a next step where it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker_assets.checks import backups as checks
from broker_assets.resources.backups import Backups
from broker_assets.settings import BackupSettings

pytestmark = pytest.mark.database


def test_without_backups_and_after_a_loss(database_url: str, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "a").write_bytes(b"abc")
    backups = Backups(BackupSettings(), tmp_path / "backups", database_url, store.as_uri())
    for judge in (checks.restored_users_data, checks.restored_base, checks.present_files):
        verdict = judge(backups)
        assert not verdict.passed
        assert "docs/backups.md" in verdict.next_step
    assert checks.complete_log(backups).passed  # none is kept
    backups.make("objects")
    assert checks.present_files(backups).passed
    (store / "a").unlink()
    lost = checks.present_files(backups)
    assert not lost.passed
    assert "store/a" in lost.description
    # The list that was made after the loss does not hide it.
    backups.make("objects")
    assert not checks.present_files(backups).passed
    backups.make("users")
    damaged = backups.shelf.newest("users").path / "annotations.copy.zst"
    damaged.write_bytes(b"")
    assert "annotations" in checks.restored_users_data(backups).description


def test_a_gap_in_the_log_is_shown(database_url: str, tmp_path: Path) -> None:
    """That a server starts on a base backup, and what is then shown of it, is in `tests/backups`."""
    backups = Backups(BackupSettings(), tmp_path, database_url, "memory://")
    backups.shelf.log.mkdir()
    for number in (1, 3):
        (backups.shelf.log / f"{number:024X}").write_bytes(b"")
    verdict = checks.complete_log(backups)
    assert not verdict.passed
    assert f"segments between {1:024X} and {3:024X} are missing" in verdict.description
    assert "weekly_backup" in verdict.next_step
