"""Runs whose processes end without saying so are ended by whoever watches them, once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, job, op
from dagster_services import wait_until

from broker_assets.local.run_processes import (
    Watch,
    end_abandoned_runs,
    find_worker,
    report_dead,
    worker_tags,
)


@op
def nothing() -> None:
    pass


@job
def idle_job() -> None:
    nothing()


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def new_run(instance: DagsterInstance, status: DagsterRunStatus, tags: dict[str, str] | None = None) -> str:
    return instance.create_run_for_job(idle_job, status=status, tags=tags or {}).run_id


def status(instance: DagsterInstance, run_id: str) -> DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def ended_process() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])


def test_end_is_reported_by_the_state_of_the_run(instance: DagsterInstance) -> None:
    starting, canceling, finished = (
        new_run(instance, state)
        for state in (DagsterRunStatus.STARTING, DagsterRunStatus.CANCELING, DagsterRunStatus.SUCCESS)
    )
    assert report_dead(instance, starting, "was ended by SIGKILL", "its last words")
    assert report_dead(instance, canceling, "has ended")
    assert not report_dead(instance, finished, "has ended")
    assert not report_dead(instance, starting, "has ended"), "once only"
    assert status(instance, starting) == DagsterRunStatus.FAILURE
    assert status(instance, canceling) == DagsterRunStatus.CANCELED
    assert status(instance, finished) == DagsterRunStatus.SUCCESS
    [event] = instance.all_logs(starting, of_type=DagsterEventType.RUN_FAILURE)
    assert "was ended by SIGKILL" in event.dagster_event.message  # type: ignore[union-attr,operator]
    assert "its last words" in event.dagster_event.message  # type: ignore[union-attr,operator]


def test_watch_reports_what_it_started_and_what_a_predecessor_left(instance: DagsterInstance) -> None:
    gone = ended_process()
    tags = worker_tags(gone.pid)
    gone.wait()
    left = new_run(instance, DagsterRunStatus.STARTING, tags)
    lives = new_run(instance, DagsterRunStatus.STARTED, worker_tags(os.getpid()))
    untagged = new_run(instance, DagsterRunStatus.STARTING)
    ours = new_run(instance, DagsterRunStatus.STARTING)
    watch = Watch(lambda: instance, lambda run_id: f"output of {run_id}")
    watch.add(ours, ended_process())
    wait_until(lambda: status(instance, ours) == status(instance, left) == DagsterRunStatus.FAILURE, 30.0)
    wait_until(lambda: not watch.watches(ours), 30.0)
    [event] = instance.all_logs(ours, of_type=DagsterEventType.RUN_FAILURE)
    assert f"ended with exit code 3 before it could report the end of the run.\noutput of {ours}" in str(
        event.dagster_event.message  # type: ignore[union-attr]
    )
    assert status(instance, lives) == DagsterRunStatus.STARTED
    assert status(instance, untagged) == DagsterRunStatus.STARTING, "another thread may be starting its process"


def test_what_could_not_be_reported_is_reported_later(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = new_run(instance, DagsterRunStatus.STARTING)
    away = threading.Event()
    away.set()
    asked = threading.Event()

    def find() -> DagsterInstance:
        if away.is_set():
            asked.set()
            raise ConnectionError("the database is away")
        return instance

    monkeypatch.setattr("broker_assets.local.run_processes.RETRY_SECONDS", 0.05)
    watch = Watch(find, lambda _: None)
    watch.add(run_id, ended_process())
    assert asked.wait(30.0)
    away.clear()
    wait_until(lambda: status(instance, run_id) == DagsterRunStatus.FAILURE, 30.0)


def test_many_threads_start_runs_while_others_end(instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dictionary of processes changes while it is looked through."""
    watch = Watch(lambda: instance, lambda _: None)
    failures: list[BaseException] = []
    process = ended_process()
    process.wait()

    def start(thread: int) -> None:
        try:
            for number in range(500):
                watch.add(f"{thread}-{number}", process)
                watch.watches(f"{thread}-0")
                watch.join(0.0)
        except BaseException as error:  # noqa: BLE001 (shown below)
            failures.append(error)

    monkeypatch.setattr("broker_assets.local.run_processes.POLL_SECONDS", 0.0)
    threads = [threading.Thread(target=start, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    wait_until(lambda: not any(watch.watches(f"{thread}-499") for thread in range(4)), 60.0)


def test_abandoned_runs_end_before_the_platform_starts(instance: DagsterInstance) -> None:
    gone = ended_process()
    tags = worker_tags(gone.pid)
    gone.wait()
    dead = new_run(instance, DagsterRunStatus.STARTED, tags)
    never = new_run(instance, DagsterRunStatus.STARTING)
    lives = new_run(instance, DagsterRunStatus.STARTED, worker_tags(os.getpid()))
    later = new_run(instance, DagsterRunStatus.NOT_STARTED)
    run = instance.get_run_by_id(lives)
    assert run is not None
    found = find_worker(run)
    assert found is not None
    assert found.pid == os.getpid()
    assert set(end_abandoned_runs(instance)) == {dead, never}
    assert status(instance, later) == DagsterRunStatus.NOT_STARTED
    assert end_abandoned_runs(instance) == []
