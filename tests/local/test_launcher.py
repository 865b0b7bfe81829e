"""Runs as processes of their own, over a real daemon, code server and database."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster_services import DagsterServices, wait_until
from forked_programs import programs_of

from broker_assets.local.launcher import LocalProcessRunLauncher
from broker_assets.local.processes import wait_for_end
from broker_assets.local.run_processes import CREATED_TAG, PID_TAG, is_run_worker

DEFINITIONS = """
import os, pathlib, sys, time
import dagster as dg

mark = pathlib.Path(__file__).with_name("first worker")
if "execute_run" in sys.argv and not mark.exists():
    mark.touch()
    time.sleep(600)  # a worker that is still loading its code

@dg.op
def wait():
    time.sleep(600)

@dg.job(executor_def=dg.in_process_executor)
def patient():
    wait()

@dg.sensor(job=patient, minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def once(context):
    return dg.RunRequest(run_key="one")

defs = dg.Definitions(jobs=[patient], sensors=[once])
"""


@pytest.fixture
def daemons(tmp_path: Path, dagster_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsterServices]:
    monkeypatch.setenv("DAGSTER_PG_URL", dagster_url)
    (tmp_path / "patient_definitions.py").write_text(DEFINITIONS)
    python_path = os.pathsep.join([str(tmp_path), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    made = DagsterServices(tmp_path, dagster_url, "patient_definitions", {"PYTHONPATH": python_path})
    with ExitStack() as stack:
        stack.callback(end_workers, made.home)
        stack.enter_context(made.running())
        yield made


def end_workers(home: Path) -> None:
    for process in programs_of(home):
        with suppress(psutil.Error):
            if is_run_worker(process):
                process.kill()


def started(
    instance: DagsterInstance, number: int, status: DagsterRunStatus = DagsterRunStatus.STARTED
) -> DagsterRun | None:
    runs = sorted(instance.get_run_records(), key=lambda record: record.storage_id)
    if len(runs) < number or PID_TAG not in runs[number - 1].dagster_run.tags:
        return None
    run = runs[number - 1].dagster_run
    return run if run.status == status else None


def wait_for(instance: DagsterInstance, number: int, status: DagsterRunStatus = DagsterRunStatus.STARTED) -> DagsterRun:
    wait_until(lambda: started(instance, number, status) is not None)
    run = started(instance, number, status)
    assert run is not None
    return run


@pytest.mark.platform
@pytest.mark.database
@pytest.mark.slow
def test_a_run_whose_worker_is_killed_is_failed_and_retried(daemons: DagsterServices) -> None:
    with DagsterInstance.from_config(str(daemons.home)) as instance:
        assert isinstance(instance.run_launcher, LocalProcessRunLauncher)
        starting = wait_for(instance, 1, DagsterRunStatus.STARTING)
        wait_until((daemons.folder / "first worker").exists)
        os.kill(int(starting.tags[PID_TAG]), signal.SIGKILL)
        # Long before its start would have timed out; and it is retried.
        wait_until(lambda: instance.get_run_by_id(starting.run_id).status == DagsterRunStatus.FAILURE, 20.0)  # type: ignore[union-attr]
        first = wait_for(instance, 2)
        assert first.parent_run_id == starting.run_id

        worker = psutil.Process(int(first.tags[PID_TAG]))
        assert worker.create_time() == pytest.approx(float(first.tags[CREATED_TAG]), abs=0.1)
        assert os.getsid(worker.pid) == worker.pid

        # The run does not care whether the daemon lives.
        daemons.daemon.stop()
        assert worker.is_running()
        health = instance.run_launcher.check_run_worker_health(first)
        assert (health.status.value, health.run_worker_id) == ("RUNNING", str(worker.pid))

        assert daemons.code_server.pid is not None
        os.kill(daemons.code_server.pid, signal.SIGKILL)
        worker.kill()
        assert wait_for_end([worker], 10.0) == []
        assert instance.run_launcher.check_run_worker_health(first).status.value == "FAILED"

        daemons.code_server.stop()
        daemons.code_server.start()
        daemons.daemon.start()
        wait_until(lambda: instance.get_run_by_id(first.run_id).status == DagsterRunStatus.FAILURE)  # type: ignore[union-attr]
        second = wait_for(instance, 3)
        assert second.parent_run_id == first.run_id

        assert instance.run_launcher.terminate(second.run_id)
        wait_until(lambda: instance.get_run_by_id(second.run_id).status == DagsterRunStatus.CANCELED)  # type: ignore[union-attr]
        assert not instance.run_launcher.terminate(second.run_id)
        assert instance.run_launcher.get_run_worker_debug_info(second)
