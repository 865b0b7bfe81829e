"""What a command makes in this process is known like what a run makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from dagster import AssetKey, DagsterInstance
from platform_state import state

from broker_assets.assets.reporter import Entry
from broker_assets.commands.reporting import dagster_instance, reporting
from broker_assets.database.engine import connect
from broker_assets.local.instance import write_instance
from broker_assets.monitoring.state_file import write_state
from broker_assets.partitions import nights
from broker_assets.provenance import versions
from broker_assets.settings import Settings

pytestmark = pytest.mark.database

NIGHT = "2025-11-20"


def entry(version: str, archive: str = "a1") -> Entry:
    used = versions.Input(asset="packet_archive", partition=NIGHT, data_version=archive)
    return Entry(versions.Artefact(asset="sources", partition=NIGHT, data_version=version, inputs=(used,)))


def report_made(settings: Settings, made: Entry) -> int:
    with reporting(settings) as reporter:
        return reporter.send(reporter.report([made], partitions=nights, new_inputs=True))


def test_provenance_alone(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    settings = Settings.model_validate({"database": {"url": database_url}})
    assert report_made(settings, entry("v1")) == 1
    assert report_made(settings, entry("v1")) == 0
    assert report_made(settings, entry("v1", archive="a2")) == 1, "rebuilt from another archive"
    with connect(database_url) as connection:
        known = versions.current(connection, "sources", NIGHT)
    assert known is not None
    assert (known.data_version, known.inputs[0].data_version) == ("v1", "a2")


def test_an_instance_that_the_environment_names_is_shown_it(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump({"telemetry": {"enabled": False}}))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    report_made(Settings.model_validate({"database": {"url": database_url}}), entry("v1"))
    with DagsterInstance.get() as instance:
        (record,) = instance.fetch_materializations(AssetKey("sources"), limit=10).records
    event = record.asset_materialization
    assert event is not None
    assert (event.partition, (event.tags or {})["dagster/data_version"]) == (NIGHT, "v1")


def test_the_platform_that_runs_here_is_shown_it(
    database_url: str, dagster_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator's shell has no variables of Dagster."""
    for name in ("DAGSTER_HOME", "DAGSTER_PG_URL"):
        monkeypatch.delenv(name, raising=False)
    settings = Settings.model_validate({"database": {"url": database_url}, "home": tmp_path})
    home = tmp_path / "dagster"
    write_instance(home)
    found = state()
    assert found.addresses is not None
    addresses = replace(found.addresses, dagster_home=str(home), dagster_url=dagster_url)
    write_state(settings, replace(found, addresses=addresses))
    report_made(settings, entry("v1"))
    with dagster_instance(settings) as instance:
        assert not instance.is_ephemeral
        assert instance.get_materialized_partitions(AssetKey("sources")) == {NIGHT}
