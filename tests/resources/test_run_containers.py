"""Containers of runs get every setting of the daemon: launched over the HTTP interface of Docker's engine."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInstance, job, op, reconstructable
from docker_engine import DockerEngine, docker_engine
from setting_names import setting_variables

from broker_assets.dagster_internals import LaunchRunContext
from broker_assets.resources.run_containers import OF_SERVICES, SettingsRunLauncher, passed_on

ROOT = Path(__file__).parents[2]
LAUNCHER = yaml.safe_load((ROOT / "docker" / "run_launcher.yaml").read_text())["run_launcher"]


@op
def nothing() -> None:
    """Nothing."""


@job
def launched() -> None:
    """A job with an address in the code."""
    nothing()


@pytest.fixture(scope="module")
def names() -> list[str]:
    return setting_variables()


@pytest.fixture
def launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function that launches a run as the daemon does, with an environment, and gives the engine that was asked."""
    for name in passed_on(os.environ):
        monkeypatch.delenv(name)
    with docker_engine() as engine, DagsterInstance.local_temp(str(tmp_path)) as instance:

        def run(environment: dict[str, str]) -> DockerEngine:
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{engine.port}")
            launcher = SettingsRunLauncher.from_config_value(None, LAUNCHER["config"])  # type: ignore[arg-type]
            launcher.register_instance(instance)
            origin = reconstructable(launched).get_python_origin()
            repository = origin.repository_origin._replace(container_image="broker-assets")
            origin = origin._replace(repository_origin=repository)
            created = instance.create_run_for_job(launched, job_code_origin=origin)
            launcher.launch_run(LaunchRunContext(dagster_run=created, workspace=None))
            return engine

        yield run


def test_the_tree_is_walked_to_its_leaves(names: list[str]) -> None:
    assert len(names) > 250
    assert {
        "BROKER_HOME", "BROKER_DRAIN__BATCH_MAX", "BROKER_STREAMS__ONE__KAFKA__REGISTRY__PASSWORD_FILE",
        "BROKER_ANNOTATIONS__CLUSTERS__ONE__BOOTSTRAP_SERVERS", "BROKER_DELIVERY__READERS__PUBLIC",
        "BROKER_TELEMETRY__INPUT_LIMITS__PACKETS",
    } <= set(names)  # fmt: skip


def test_every_setting_of_the_daemon_reaches_the_containers_of_runs(names: list[str], launch: Any) -> None:
    given = {name: f"value of {name}" for name in names}
    others = {"AWS_SECRET_ACCESS_KEY": "s3", "DAGSTER_PG_URL": "postgresql+psycopg2://…", "UNRELATED": "x"}
    engine = launch(given | others | dict.fromkeys(OF_SERVICES, "only here"))
    (container,) = engine.created
    environment = dict(entry.split("=", 1) for entry in container["Env"])
    of_services = OF_SERVICES & set(given)
    assert {name: environment.get(name) for name in set(given) - of_services} == {
        name: value for name, value in given.items() if name not in of_services
    }
    assert environment["AWS_SECRET_ACCESS_KEY"] == "s3"
    assert environment["DAGSTER_PG_URL"] == others["DAGSTER_PG_URL"]
    assert not {"UNRELATED", "DOCKER_HOST", *OF_SERVICES} & set(environment)
    assert container["Image"] == "broker-assets"
    assert container["HostConfig"]["CapDrop"] == ["ALL"]


def test_a_run_is_in_the_networks_of_the_services_and_is_asked_for_as_the_proxy_allows(launch: Any) -> None:
    engine = launch({"DAGSTER_PG_URL": "postgresql+psycopg2://…"})
    first, *others = LAUNCHER["config"]["networks"]
    assert engine.created[0]["HostConfig"]["NetworkMode"] == first
    assert engine.connected == others
    assert engine.started == ["c1"]
    text = (ROOT / "docker" / "docker-proxy.conf").read_text()
    allowed = re.findall(r'"~(.+)" 1;', text)
    for line in engine.request_lines:
        assert any(re.search(pattern, line) for pattern in allowed), line


def test_what_is_of_one_service_stays_there() -> None:
    assert passed_on(["BROKER_HOME", *OF_SERVICES]) == ["BROKER_HOME"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert any(entry.startswith("dagster-docker") for entry in project["project"]["dependencies"])
