"""Backfills asked of Dagster's webserver, as the platform runs it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance

from broker_assets.commands.backfill import DagsterRefusedError, backfill
from broker_assets.local.processes import free_ports
from broker_assets.local.readiness import answers_http
from broker_assets.local.service import Service
from broker_assets.settings import DatabaseSettings, KafkaSettings, ServerSettings, Settings

DEFINITIONS = """
import dagster as dg

@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["2026-01-01", "2026-01-02"]))
def sources():
    pass

defs = dg.Definitions([sources])
"""


def settings_for(home: Path, port: int) -> Settings:
    """A platform whose servers are all named, so that only the webserver is asked."""
    return Settings(
        home=home,
        database=DatabaseSettings(url="postgresql+psycopg:///none", dagster_url="postgresql+psycopg2:///none"),  # type: ignore[arg-type]
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"),
        server=ServerSettings(dagster_port=port),
    )


@pytest.fixture(scope="module")
def dagster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DagsterInstance, int]]:
    """A webserver over one partitioned asset, without a daemon: backfills stay as they were asked for."""
    home = tmp_path_factory.mktemp("dagster")
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (home / "project.py").write_text(DEFINITIONS)
    workspace = home / "workspace.yaml"
    workspace.write_text("load_from: [{python_file: project.py}]\n")
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}/server_info"
    service = Service(
        "webserver",
        ["python", "-m", "broker_assets.webserver", "--port", str(port), "--workspace", str(workspace)],
        log=home / "webserver.log",
        environment=os.environ | {"DAGSTER_HOME": str(home)},
        healthy=answers_http(address),
    )
    try:
        service.start()
        with DagsterInstance.from_config(str(home)) as instance:
            yield instance, port
    finally:
        service.stop()


@pytest.mark.slow
def test_a_backfill_is_launched(
    dagster: tuple[DagsterInstance, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    instance, port = dagster
    settings = settings_for(tmp_path, port)
    backfill(settings, ["sources"], ["2026-01-02"], title="Rebuild", command="broker-assets reprocess", wait=False)
    (found,) = instance.get_backfills()
    assert found.status.value == "REQUESTED"
    assert found.tags["broker/asked_by"] == "broker-assets reprocess"
    assert f"http://127.0.0.1:{port}/runs/b/{found.backfill_id}" in capsys.readouterr().out.replace("\n", "")


@pytest.mark.slow
def test_dagster_may_refuse(dagster: tuple[DagsterInstance, int], tmp_path: Path) -> None:
    _, port = dagster
    with pytest.raises(DagsterRefusedError, match="nothing_like_it"):
        backfill(settings_for(tmp_path, port), ["nothing_like_it"], ["x"], title="t", command="c", wait=False)


def test_no_webserver(tmp_path: Path) -> None:
    with pytest.raises(DagsterRefusedError, match=r"http://127\.0\.0\.1:1 does not answer .*refused.*--local"):
        backfill(settings_for(tmp_path, 1), ["sources"], ["x"], title="t", command="c", wait=False)
