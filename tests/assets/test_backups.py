"""Backups as assets."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance, materialize

from broker_assets.assets.backups import OBJECTS, USERS, build_backup_assets
from broker_assets.checks.backups import FILES, build_backup_checks
from broker_assets.database.engine import connect
from broker_assets.provenance import versions
from broker_assets.resources.backups import Backups
from broker_assets.resources.database import Database
from broker_assets.settings import Settings

pytestmark = pytest.mark.database


def test_backups_are_versions(database_url: str, tmp_path: Path) -> None:
    """Each is a new version with what it holds; the list of the store is checked in the same run."""
    settings = Settings.model_validate(
        {"home": tmp_path, "database": {"url": database_url}, "archive_url": (tmp_path / "store").as_uri()}
    )
    backups, database = Backups.of(settings), Database(database_url)
    with DagsterInstance.ephemeral() as instance:
        done = materialize(
            [*build_backup_assets(settings), *build_backup_checks(settings)],
            selection=[USERS, OBJECTS],
            resources={"backups": backups, "database": database},
            instance=instance,
        )
        assert done.success
        event = instance.get_latest_materialization_event(AssetKey(USERS))
        assert event is not None
        assert event.asset_materialization is not None
        shown = event.asset_materialization.metadata
        assert shown["path"].value == str(backups.shelf.newest("users").path)
        assert int(str(shown["dagster/row_count"].value)) > 0
        verdicts = {check.check_name: check for check in done.get_asset_check_evaluations()}
        assert verdicts[FILES].passed
    with connect(database_url) as connection:
        known = versions.recorded(connection, [(USERS, ""), (OBJECTS, "")])
    assert len(known) == 2
    assert len(backups.shelf.backups()) == 2
