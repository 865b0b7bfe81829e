"""Folders that are filled from outside, as assets."""

from __future__ import annotations

from pathlib import Path

from broker_assets.assets.telemetry.folders import folder_key, input_files, input_files_key, telemetry_folders
from broker_assets.settings import TelemetrySettings
from broker_assets.telemetry.archive.input_versions import INPUTS


def test_every_watched_folder_is_an_asset_without_its_password() -> None:
    urls = [
        "/data/incoming",
        "sftp://stix:secret@gateway.example:2222/tm",
        "s3://bucket/tm",
        "sftp://gateway.example/tm",
    ]
    specs = telemetry_folders(TelemetrySettings(incoming=urls))
    assert [spec.key for spec in specs] == [folder_key(url) for url in urls]
    assert len({spec.key for spec in specs}) == len(urls)
    assert "secret" not in repr([(spec.key, spec.metadata, spec.description) for spec in specs])


def test_every_input_has_its_files(tmp_path: Path) -> None:
    specs = {spec.key: spec for spec in input_files(TelemetrySettings(kernels=tmp_path))}
    assert specs.keys() == {input_files_key(name) for name in INPUTS}
    assert specs[input_files_key("spice_kernels")].metadata["path"] == str(tmp_path)
    assert "path" not in specs[input_files_key("request_table")].metadata
    assert all("setting `telemetry." in (spec.description or "") for spec in specs.values())
