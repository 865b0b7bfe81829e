"""Verdicts on backups, each with a next step where it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker_assets.backups.verification import Verified
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


def test_what_was_restored_is_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import datetime

    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    monkeypatch.setattr(checks, "verify_base", lambda *_: Verified("database/x", now, messages=7, segments=3))
    verdict = checks.restored_base(Backups(BackupSettings(), tmp_path, None, "memory://"))
    assert verdict.passed
    assert verdict.metadata["messages in the ledger"] == 7
    monkeypatch.setattr(checks, "log_troubles", lambda *_: ["segments between a and b are missing"])
    backups = Backups(BackupSettings(), tmp_path, "postgresql+psycopg://x@/y", "memory://")
    assert "weekly_backup" in checks.complete_log(backups).next_step
