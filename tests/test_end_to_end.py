"""The platform as it runs: real Kafka and PostgreSQL, Dagster's daemon, one code server, runs as processes."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from dagster import DagsterRunStatus
from running_platform import RunningPlatform, running_platform

from broker_assets.assets.alerts.streams import DRAIN_TAG, stream_key

pytestmark = [
    pytest.mark.platform,
    pytest.mark.slow,
    pytest.mark.kafka,
    pytest.mark.database,
    pytest.mark.timeout(600 + 300 * int(os.environ.get("BROKER_FAULT_ROUNDS", "1"))),
]

FIRST, SECOND = "2025-11-20", "2025-11-21"
GOES_ON_SECONDS = 100.0
"""Longest interruption of a stream after a kill where much else is at work: 30 s on a quiet machine, and three minutes
if nothing but Dagster's own time limit noticed the kill."""
ROUNDS = int(os.environ.get("BROKER_FAULT_ROUNDS", "1"))


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
    monkeypatch.setenv("DAGSTER_PG_URL", dagster_url)
    with running_platform(packets, kafka, new_topic(2), database_url, dagster_url, tmp_path) as platform:
        yield platform


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
            killed, stored = time.monotonic(), running.count("diasources")
            if stored < total:
                # The platform's own intervals: nothing here is faster than where operators run it.
                running.wait_for_sources(stored + 1, seconds=GOES_ON_SECONDS)
            print(f"after a kill of {' and '.join(victims)}: {time.monotonic() - killed:.1f} s")
            running.wait_for_sources(total, seconds=240)
    active = (DagsterRunStatus.STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.QUEUED)
    running.wait(lambda: not running.runs(*active), "the end of every run")
    running.assert_balanced()
    assert running.nights("sources") == {FIRST, SECOND}
    assert running.count("(SELECT DISTINCT diaobjectid, diasourceid FROM diasources) AS one") == total
