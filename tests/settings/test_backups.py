"""The settings of backups."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from broker_assets.settings import Settings
from broker_assets.settings.backups import BackupSettings


def test_backups_are_below_home_unless_they_have_a_folder(tmp_path: Path) -> None:
    assert Settings(home=tmp_path).backup_folder == tmp_path.resolve() / "backups"
    assert Settings(home=tmp_path, backup=BackupSettings(folder=Path("/mnt/b"))).backup_folder == Path("/mnt/b")


def test_nothing_is_kept_for_no_time_and_secrets_are_hidden() -> None:
    with pytest.raises(ValidationError):
        BackupSettings(keep_days=0)
    given = BackupSettings.model_validate({"copy_url": "s3://b/c", "copy_secrets": {"secret": "hidden-one"}})
    assert "hidden-one" not in repr(given)
