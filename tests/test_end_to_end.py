"""The platform as it runs: real Kafka and PostgreSQL, Dagster's daemon, one code server, runs as processes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
import yaml
from confluent_kafka import Producer
from dagster import AssetKey, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from broker_assets.accounting import balance
from broker_assets.assets.alerts.streams import DRAIN_TAG, stream_key
from broker_assets.database.engine import connect
from broker_assets.local.instance import create_instance, write_instance
from broker_assets.local.launcher import PID_TAG
from broker_assets.local.platform import commands
from broker_assets.local.processes import free_ports, start_child
from broker_assets.resources.database import Database

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.database, pytest.mark.timeout(600)]

FIRST, SECOND = "2025-11-20", "2025-11-21"
ROUNDS = int(os.environ.get("BROKER_FAULT_ROUNDS", "1"))


class RunningPlatform:
    """Daemon and code server over servers of the test; what it started, it ends."""

    def __init__(self, folder: Path, environment: dict[str, str], database_url: str, kafka: str, topic: str) -> None:
        self.folder = folder
        self.home = Path(environment["DAGSTER_HOME"])
        self.environment = {**os.environ, **environment}
        self.database = Database(database_url)
        self.topic = topic
        self.producer = Producer({"bootstrap.servers": kafka})
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.instance = DagsterInstance.from_config(str(self.home))

    def start(self, name: str) -> None:
        """Start a service."""
        made = commands(
            host="127.0.0.1",
            dagster_port=0,
            api_port=0,
            code_port=int(self.environment["BROKER_CODE_SERVER_PORT"]),
            workspace=str(Path(__file__).parents[1] / "workspace.yaml"),
        )
        program, *arguments = made[name]
        command = [str(Path(sys.executable).with_name(program)), *arguments]
        log = self.folder / f"{name}.log"
        self.processes[name] = start_child(
            command, log=log, environment=self.environment, folder=self.folder, death_signal=signal.SIGKILL
        )

    def kill(self, name: str) -> None:
        """Kill a service without warning."""
        process = self.processes.pop(name)
        process.kill()
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

    def count(self, table: str) -> int:
        """Rows of a table."""
        with self.database.engine.connect() as connection:
            return int(connection.scalar(sa.text(f"SELECT count(*) FROM {table}")) or 0)

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = 120.0) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                states = [(run.status.value, dict(run.tags)) for run in self.runs()]
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
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("DAGSTER_HOME") == str(self.home) and process.pid != os.getpid():
                    process.kill()
        self.instance.dispose()


@pytest.fixture
def running(
    packets: ModuleType,
    kafka: str,
    new_topic: Callable[..., str],
    database_url: str,
    dagster_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[RunningPlatform]:
    """Daemon and code server of an empty platform with one stream of two partitions."""
    topic = new_topic(2)
    (code_port,) = free_ports(1)
    home = tmp_path / "dagster"
    stream = {
        "topic": topic,
        "survey": "rubin",
        "framing": "confluent",
        "schemas": str(packets.write_schema_folder(tmp_path / "schemas")),
    }
    environment = {
        "DAGSTER_HOME": str(home),
        "DAGSTER_PG_URL": dagster_url,
        "BROKER_HOME": str(tmp_path / "home"),
        "BROKER_DATABASE__URL": database_url,
        "BROKER_KAFKA__BOOTSTRAP_SERVERS": kafka,
        "BROKER_STREAMS": json.dumps([stream]),
        "BROKER_DRAIN__IDLE_SECONDS": "2",
        "BROKER_DRAIN__BATCH_MAX": "40",
        "BROKER_DRAIN__BATCH_SECONDS": "0.5",
        "BROKER_CODE_SERVER_HOST": "127.0.0.1",
        "BROKER_CODE_SERVER_PORT": str(code_port),
    }
    monkeypatch.setenv("DAGSTER_PG_URL", dagster_url)
    override = tmp_path / "override.yaml"
    override.write_text(
        yaml.safe_dump({"run_monitoring": {"enabled": True, "poll_interval_seconds": 2, "start_timeout_seconds": 90}})
    )
    write_instance(home, override)
    create_instance(home)
    platform = RunningPlatform(tmp_path, environment, database_url, kafka, topic)
    try:
        platform.start("code-server")
        platform.start("daemon")
        yield platform
    finally:
        platform.close()


def test_messages_become_rows_and_materialisations(running: RunningPlatform, packets: ModuleType) -> None:
    survey = packets.Survey(objects=100, visits=4)
    running.produce([*survey.packets(), b"poison"])
    running.wait(lambda: running.count("diasources") == 400, "storing 400 sources")
    running.wait(lambda: running.runs(DagsterRunStatus.SUCCESS), "the end of the run")
    assert {run.tags[DRAIN_TAG] for run in running.runs()} == {f"{running.topic}:0-1"}
    for asset in ("packet_archive", "sources", "forced_sources", "objects"):
        assert running.nights(asset) == {FIRST, SECOND}
    assert running.count("quarantine") == 1
    assert running.instance.fetch_observations(stream_key(running.topic), limit=1).records
    running.assert_balanced()
    # The checks of the run failed where they should, and operators were told (the log, for want of a destination).
    running.wait(lambda: running.count("notification WHERE sent_at IS NOT NULL") >= 1, "telling of the quarantine")
    # New messages start a new run.
    running.produce(list(packets.Survey(objects=10, visits=1, first_object=1000).packets()))
    running.wait(lambda: running.count("diasources") == 410, "storing what came later")


@pytest.mark.faults
def test_kills_lose_and_double_nothing(running: RunningPlatform, packets: ModuleType) -> None:
    """Worker and code server together, then the daemon, while messages keep arriving."""
    generator = random.Random(20251120)
    total = 0
    for round_ in range(ROUNDS):
        for victims in (("worker", "code-server"), ("daemon",)):
            first = 1 + 100_000 * round_ + 10_000 * (len(victims) - 1)
            values = list(packets.Survey(objects=150, visits=4, first_object=first).packets())
            before = running.count("diasources")
            running.produce(values)
            total += len(values)
            running.wait_for_sources(before + 1)
            time.sleep(generator.uniform(0.0, 0.5))
            for victim in victims:
                if victim == "worker":
                    running.kill_worker()
                else:
                    running.kill(victim)
            for victim in victims:
                if victim != "worker":
                    running.start(victim)
            running.wait_for_sources(total, seconds=240)
    active = (DagsterRunStatus.STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.QUEUED)
    running.wait(lambda: not running.runs(*active), "the end of every run")
    running.assert_balanced()
    assert running.nights("sources") == {FIRST, SECOND}
    assert running.count("(SELECT DISTINCT diaobjectid, diasourceid FROM diasources) AS one") == total
