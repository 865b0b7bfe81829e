"""A platform as in production: real Kafka and PostgreSQL, Dagster's daemon and servers, runs as processes."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from confluent_kafka import Producer
from dagster import AssetKey, DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter
from forked_programs import environment_of_programs, loaded_code, programs_of

from broker_assets.accounting import balance
from broker_assets.assets.alerts.streams import DRAIN_TAG
from broker_assets.database.engine import connect
from broker_assets.http import HttpClient
from broker_assets.local.instance import create_instance, project_file, write_instance
from broker_assets.local.platform import commands
from broker_assets.local.processes import Child, free_ports
from broker_assets.local.run_processes import PID_TAG
from broker_assets.resources.database import Database


class RunningPlatform:
    """Daemon and code server over servers of the test; what it started, it ends."""

    def __init__(self, folder: Path, environment: dict[str, str], database_url: str, kafka: str, topic: str) -> None:
        self.folder = folder
        self.home = Path(environment["DAGSTER_HOME"])
        self.environment = environment_of_programs(environment)
        self.database = Database(database_url)
        self.topic = topic
        self.producer = Producer({"bootstrap.servers": kafka})
        self.processes: dict[str, Child] = {}
        self.instance = DagsterInstance.from_config(str(self.home))
        (self.webserver_port,) = free_ports(1)

    def start(self, name: str) -> None:
        """Start a service."""
        made = commands(
            host="127.0.0.1",
            dagster_port=self.webserver_port,
            api_port=0,
            code_port=int(self.environment["BROKER_CODE_SERVER_PORT"]),
            workspace=str(project_file("workspace.yaml")),
        )
        program, *arguments = made[name]
        forked = loaded_code().start(
            [str(Path(sys.executable).with_name(program)), *arguments],
            log=self.folder / f"{name}.log",
            name=name,
            environment=self.environment,
            folder=self.folder,
            death_signal=signal.SIGKILL,
            forks=name != "webserver",
        )
        assert forked is not None
        self.processes[name] = forked

    def kill(self, name: str) -> None:
        """Kill a service and its children without warning."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def kill_worker(self) -> bool:
        """Kill the process of a run without warning; False if there is none."""
        for run in self.runs(DagsterRunStatus.STARTED):
            if PID_TAG in run.tags:
                with suppress(ProcessLookupError):
                    os.kill(int(run.tags[PID_TAG]), signal.SIGKILL)
                    return True
        return False

    def runs(self, *statuses: DagsterRunStatus) -> Sequence[DagsterRun]:
        """Drain runs in these states."""
        found = self.instance.get_runs(RunsFilter(statuses=list(statuses) or None))
        return [run for run in found if DRAIN_TAG in run.tags]

    def produce(self, values: Sequence[bytes]) -> None:
        """Let messages arrive, spread over the partitions."""
        for value in values:
            self.producer.produce(self.topic, value)
        assert self.producer.flush(30) == 0

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """What Dagster's webserver answers, as its pages ask it."""
        url = f"http://127.0.0.1:{self.webserver_port}/graphql"
        with HttpClient(timeout=60.0) as client:
            answer = client.post(url, document={"query": query, "variables": variables}).json()
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def failures(self) -> list[str]:
        """Why runs and steps failed, for the output of a test."""
        kinds = {DagsterEventType.RUN_FAILURE, DagsterEventType.STEP_FAILURE}
        return [
            f"{run.run_id} {dict(run.tags)}: {event.user_message} {event.dagster_event}"[:3000]
            for run in self.instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.FAILURE]))
            for event in self.instance.all_logs(run.run_id, of_type=kinds)
        ]

    def count(self, table: str) -> int:
        """Rows of a table."""
        with self.database.engine.connect() as connection:
            return int(connection.scalar(sa.text(f"SELECT count(*) FROM {table}")) or 0)

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = 120.0) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                states = [(run.job_name, run.status.value, dict(run.tags)) for run in self.instance.get_runs(limit=20)]
                tails = {path.name: path.read_text()[-1500:] for path in self.folder.glob("*.log")}
                pytest.fail(f"{what} did not happen in {seconds:.0f} s; runs {states}; logs {tails}")
            time.sleep(0.25)

    def wait_for_sources(self, rows: int, seconds: float = 120.0) -> None:
        """Wait until at least this many sources are stored."""
        self.wait(lambda: self.count("diasources") >= rows, f"{rows} sources", seconds)

    def nights(self, asset: str) -> set[str]:
        """Nights that were materialised."""
        return self.instance.get_materialized_partitions(AssetKey(asset))

    def assert_balanced(self) -> None:
        """The ledger agrees with rows, archive and offsets."""
        with connect(self.database.url) as connection:
            for look in (
                balance.batches,
                balance.offsets,
                balance.stored_rows,
                balance.archived_packets,
                balance.archive_positions,
            ):
                assert look(connection) == [], look.__name__

    def close(self) -> None:
        """End everything that carries our home in its environment."""
        for name in list(self.processes):
            self.kill(name)
        for process in programs_of(self.home):
            with suppress(psutil.Error):
                process.kill()
        self.instance.dispose()


@contextmanager
def running_platform(
    packets: ModuleType,
    kafka: str,
    topic: str,
    database_url: str,
    dagster_url: str,
    folder: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[RunningPlatform]:
    """Daemon and code server of an empty platform with one stream, over the project's own `dagster.yaml`.

    `DAGSTER_PG_URL` of this process must name the database, too.
    """
    (code_port,) = free_ports(1)
    home = folder / "dagster"
    stream = {
        "topic": topic,
        "survey": "rubin",
        "framing": "confluent",
        "schemas": str(packets.write_schema_folder(folder / "schemas")),
    }
    given = {
        "DAGSTER_HOME": str(home),
        "DAGSTER_PG_URL": dagster_url,
        "BROKER_HOME": str(folder / "home"),
        "BROKER_DATABASE__URL": database_url,
        "BROKER_KAFKA__BOOTSTRAP_SERVERS": kafka,
        "BROKER_STREAMS": json.dumps([stream]),
        "BROKER_DRAIN__IDLE_SECONDS": "2",
        "BROKER_DRAIN__BATCH_MAX": "40",
        "BROKER_DRAIN__BATCH_SECONDS": "0.5",
        "BROKER_CODE_SERVER_HOST": "127.0.0.1",
        "BROKER_CODE_SERVER_PORT": str(code_port),
        **(environment or {}),
    }
    write_instance(home)
    create_instance(home)
    platform = RunningPlatform(folder, given, database_url, kafka, topic)
    try:
        platform.start("code-server")
        platform.start("daemon")
        yield platform
    finally:
        platform.close()
