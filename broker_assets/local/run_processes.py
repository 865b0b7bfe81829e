"""The processes of runs: finds that of a run, and reports the end of those that end without reporting it.

A worker reports the end of its run itself. One that is killed, or that fails before its code is loaded, cannot; its run
would block its partitions, for three minutes while it is STARTING. The launcher therefore watches the workers that it
starts (`Watch`), and a platform that starts ends the runs that an earlier one left unfinished (`end_abandoned_runs`).
"""

from __future__ import annotations

import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psutil
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from broker_assets.local.loaded_code import UNKNOWN_END
from broker_assets.monitoring.state_file import ProcessIdentity

RUN_NAME = "run-worker"
"""Name of the processes of runs, as `ps` and `top` show it."""

PID_TAG = "broker/worker_pid"
CREATED_TAG = "broker/worker_created"

UNFINISHED = (DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING)
"""Runs that have a process."""

POLL_SECONDS = 0.5
"""Seconds between two checks whether a worker has ended."""

RETRY_SECONDS = 5.0
"""Pause after an end that could not be reported."""

_log = logging.getLogger(__name__)


def worker_tags(pid: int) -> dict[str, str]:
    """Tags that identify the worker of a run."""
    identity = ProcessIdentity.of(pid)
    return {PID_TAG: str(pid), CREATED_TAG: repr(identity.created if identity else 0.0)}


def find_worker(run: DagsterRun) -> psutil.Process | None:
    """The living process of a run, by its tags, which must be the current ones."""
    if PID_TAG in run.tags:
        return ProcessIdentity(int(run.tags[PID_TAG]), float(run.tags.get(CREATED_TAG, 0.0))).process()
    # The daemon was killed between starting the process and recording it: it is found by its output file.
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if is_run_worker(process) and Path(f"/proc/{process.pid}/fd/1").readlink().stem == run.run_id:
                return process
    return None


def is_run_worker(process: psutil.Process) -> bool:
    """Whether a process is that of a run, started from scratch or forked."""
    try:
        return process.name() == RUN_NAME or "execute_run" in process.cmdline()
    except psutil.Error:
        return False


def report_dead(instance: DagsterInstance, run_id: str, how: str, explanation: str | None = None) -> bool:
    """Report the end of a run whose process has ended; False if the process had reported it itself.

    Parameters
    ----------
    instance : DagsterInstance
    run_id : str
    how : str
        How the process ended.
    explanation : str, optional
        Its last output.
    """
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    if run.status == DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, message=f"The process of the run {how}.")
    else:
        message = f"The process of the run {how} before it could report the end of the run."
        instance.report_run_failed(run, f"{message}\n{explanation}" if explanation else message)
    return True


def end_abandoned_runs(instance: DagsterInstance) -> list[str]:
    """Report the end of the runs whose processes died with an earlier platform; return their identifiers.

    Must be called while nothing starts runs: a run that is being started has no process yet.
    """
    unfinished = instance.get_runs(RunsFilter(statuses=list(UNFINISHED)))
    return [
        run.run_id
        for run in unfinished
        if find_worker(run) is None and report_dead(instance, run.run_id, "ended with the platform")
    ]


class Worker(Protocol):
    """The process of a run: `subprocess.Popen`, or one that was forked."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None:
        """Exit code; None while it is running."""

    def wait(self, timeout: float) -> int:
        """Wait for its end; raises `subprocess.TimeoutExpired`."""


class Watch:
    """Reports the end of runs whose processes end without doing so themselves.

    Parameters
    ----------
    instance : callable
        Returns the instance, None when it is gone.
    explain : callable
        Last output of the process of a run, by the run's identifier.
    """

    def __init__(self, instance: Callable[[], DagsterInstance | None], explain: Callable[[str], str | None]) -> None:
        self._instance = instance
        self._explain = explain
        # Dagster starts runs from several threads.
        self._lock = threading.Lock()
        self._processes: dict[str, Worker] = {}
        self._inherited: dict[str, ProcessIdentity] = {}
        self._thread: threading.Thread | None = None

    def add(self, run_id: str, process: Worker) -> None:
        """Watch the process of a run; the first call also watches those left by a predecessor."""
        with self._lock:
            self._processes[run_id] = process
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="run-workers", daemon=True)
                self._thread.start()

    def watches(self, run_id: str) -> bool:
        """Whether the end of this run will be reported from here."""
        with self._lock:
            return run_id in self._processes or run_id in self._inherited

    def join(self, timeout: float) -> None:
        """Wait for the processes started here, at most `timeout` seconds in total."""
        deadline = time.monotonic() + timeout
        with self._lock:
            processes = list(self._processes.values())
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))

    def _watch(self) -> None:
        inherit = True
        while True:
            try:
                instance = self._instance()
                if instance is None:
                    return
                if inherit:
                    self._inherit(instance)
                    inherit = False
                for run_id, how in self._ended():
                    report_dead(instance, run_id, how, self._explain(run_id))
                    with self._lock:
                        self._processes.pop(run_id, None)
                        self._inherited.pop(run_id, None)
                del instance
            except Exception:  # noqa: BLE001 - the watch must go on
                # Dagster's database may be unavailable.
                _log.exception("the end of a run could not be reported and will be reported later")
                time.sleep(RETRY_SECONDS)
            time.sleep(POLL_SECONDS)

    def _inherit(self, instance: DagsterInstance) -> None:
        found = {
            run.run_id: ProcessIdentity(int(run.tags[PID_TAG]), float(run.tags.get(CREATED_TAG, 0.0)))
            for run in instance.get_runs(RunsFilter(statuses=list(UNFINISHED)))
            if PID_TAG in run.tags
        }
        with self._lock:
            self._inherited = {run_id: found[run_id] for run_id in found.keys() - self._processes.keys()}

    def _ended(self) -> list[tuple[str, str]]:
        with self._lock:
            processes, inherited = dict(self._processes), dict(self._inherited)
        ended = [(run_id, _how(code)) for run_id, process in processes.items() if (code := process.poll()) is not None]
        return ended + [(run_id, "has ended") for run_id, worker in inherited.items() if worker.process() is None]


def _how(code: int) -> str:
    """How a process ended, by its exit code.

    Examples
    --------
    >>> _how(-9), _how(1)
    ('was ended by SIGKILL', 'ended with exit code 1')
    """
    if code == UNKNOWN_END:
        return "has ended"
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
