"""An operator over an ephemeral instance, and one over a real daemon, code server and webserver."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from dagster import DagsterInstance
from dagster_pages import DagsterPages
from faulty_platform import DEFINITIONS, Running
from operator_mailbox import Operator

from broker_assets.sensors.alerting import Watched


@pytest.fixture
def operator(database_url: str) -> Iterator[Operator]:
    with DagsterInstance.ephemeral() as instance:
        yield Operator(instance, database_url)


@pytest.fixture(scope="package")
def running(
    tmp_path_factory: pytest.TempPathFactory,
    postgres: Any,
    new_database: Callable[..., AbstractContextManager[str]],
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("running")
    (folder / "faulty_definitions.py").write_text(DEFINITIONS)
    faults = folder / "faults"
    faults.mkdir()
    python_path = os.pathsep.join([str(folder), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    with new_database() as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_PG_URL", postgres.dagster_url(name))
        environment = {"PYTHONPATH": python_path, "BROKER_TEST_FAULTS": str(faults)}
        pages = DagsterPages(folder, postgres.dagster_url(name), "faulty_definitions", environment)
        with pages.running(), DagsterInstance.from_config(str(pages.home)) as instance:
            yield Running(pages, faults, instance)


@pytest.fixture
def on_duty(running: Running, database_url: str) -> Operator:
    """An operator of the running platform, whose sensor `watching` should run."""
    operator = Operator(running.instance, database_url)
    operator.watched = Watched(running=frozenset({"watching"}))
    return operator
