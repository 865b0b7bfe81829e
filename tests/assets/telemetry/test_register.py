"""The register of telemetry files as an asset."""

from __future__ import annotations

from broker_assets.assets.telemetry.folders import folder_key
from broker_assets.assets.telemetry.register import telemetry_register
from broker_assets.database.tables import telemetry_file
from broker_assets.monitoring.telemetry.judgements import INCOMING


def test_the_register_depends_on_every_folder() -> None:
    folders = [folder_key(url) for url in ("/data/one", "sftp://gateway.example/tm")]
    spec = telemetry_register(folders)
    assert spec.key.to_user_string() == INCOMING, "checks of the arrival find it by this name"
    assert [dependency.asset_key for dependency in spec.deps] == folders
    assert not list(telemetry_register().deps), "without folders it is filled by commands only"


def test_its_columns_are_shown() -> None:
    schema = telemetry_register().metadata["dagster/column_schema"]
    columns = {column.name: column for column in schema.columns}
    assert set(columns) == {column.name for column in telemetry_file.columns}
    assert all(column.description for column in columns.values())
