"""Runs that are started through a webserver: a real one, over a job of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance

from broker_assets.http import HttpClient, HttpError
from broker_assets.local.demo_jobs import JobNotStartedError, start_job
from broker_assets.local.processes import free_ports
from broker_assets.monitoring.state_file import Addresses

pytestmark = pytest.mark.slow

DEFINITIONS = """
from dagster import Config, Definitions, job, op

class Nights(Config):
    nights: list[str]

@op
def judge(config: Nights):
    assert config.nights

@job
def checks():
    judge()

defs = Definitions(jobs=[checks])
"""


def addresses(port: int) -> Addresses:
    """A platform of which only the webserver is asked for anything."""
    return Addresses(
        home="",
        database_url="",
        dagster_url="",
        bootstrap_servers="",
        broker="",
        dagster_home="",
        webserver_url=f"http://127.0.0.1:{port}",
        api_url="",
        code_server_host="",
        code_server_port=0,
    )


@pytest.fixture
def webserver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A webserver; gives its port."""
    (tmp_path / "definitions.py").write_text(DEFINITIONS)
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (port,) = free_ports(1)
    command = [str(Path(sys.executable).with_name("dagster-webserver")), "-h", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen([*command, "-f", str(tmp_path / "definitions.py")], cwd=tmp_path)
    try:
        deadline = time.monotonic() + 120
        with HttpClient(timeout=5) as client:
            while time.monotonic() < deadline:
                try:
                    client.get(f"http://127.0.0.1:{port}/server_info")
                    break
                except HttpError:
                    time.sleep(0.3)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def test_a_job_is_launched_with_its_configuration(webserver: int) -> None:
    configuration = {"ops": {"judge": {"config": {"nights": ["2026-11-27"]}}}}
    run_id = start_job(addresses(webserver), "checks", configuration)
    run = DagsterInstance.get().get_run_by_id(run_id)
    assert run is not None
    assert (run.job_name, run.run_config) == ("checks", configuration)
    with pytest.raises(JobNotStartedError, match=r"^nothing: .*nothing"):
        start_job(addresses(webserver), "nothing")


def test_a_webserver_that_does_not_answer() -> None:
    (port,) = free_ports(1)
    with pytest.raises(JobNotStartedError, match=r"^checks: .*refused") as raised:
        start_job(addresses(port), "checks")
    assert "\n" not in str(raised.value)
