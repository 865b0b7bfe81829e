"""Dagster's run launcher for one machine.

Dagster's `DefaultRunLauncher` makes a run a child of the code server and cannot determine later whether it is alive: if
worker and code server die together (a reboot, the kernel's out-of-memory killer), the run stays STARTED for ever and
blocks the limit of one drain per stream. This launcher starts each run as a separate process, which survives daemon and
code server, and watches it (`local.run_processes`): a run whose process ends without reporting fails within a second,
and run retries start it again. Run monitoring gives the same answer if another daemon started the process.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import psutil
from dagster import BoolSource, DagsterInstance, DagsterRun, Field, StringSource, serialize_value

from broker_assets.dagster_internals import (
    CheckRunHealthResult,
    ConfigurableClass,
    ConfigurableClassData,
    ExecuteRunArgs,
    LaunchRunContext,
    RunLauncher,
    WorkerStatus,
)
from broker_assets.local.loaded_code import LoadedCode
from broker_assets.local.processes import start_child, tail
from broker_assets.local.run_processes import PID_TAG, RUN_NAME, Watch, Worker, find_worker, worker_tags

KEEP_LOGS_SECONDS = 14 * 86_400
"""Seconds; output files of workers older than this are removed when the next run starts."""


class LocalProcessRunLauncher(RunLauncher[DagsterInstance], ConfigurableClass):
    """Each run is a process in its own session, identified by process id and start time.

    Parameters
    ----------
    log_folder : str, optional
        Folder for the output of workers, one file per run; default: `run_workers` in the folder of the Dagster
        instance.
    load_once : bool, optional
        Keep a process that has loaded the code, and fork it for each run; default True.
    """

    def __init__(
        self,
        log_folder: str | None = None,
        load_once: bool = True,
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._inst_data = inst_data
        self._log_folder = log_folder
        self._loaded = LoadedCode(lambda: self._log("loaded-code")) if load_once else None
        self._watch = Watch(lambda: self._instance if self.has_instance else None, self._last_output)

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """The configuration from which Dagster created this object."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Configuration accepted in `dagster.yaml`."""
        return {
            "log_folder": Field(StringSource, is_required=False),
            "load_once": Field(BoolSource, is_required=False, default_value=True),
        }

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Create the launcher from `dagster.yaml`."""
        return cls(inst_data=inst_data, **config_value)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the process of a run."""
        run = context.dagster_run
        if run.job_code_origin is None:
            raise ValueError(f"run {run.run_id} of {run.job_name} does not say which code it runs")
        arguments = ExecuteRunArgs(
            job_origin=run.job_code_origin,
            run_id=run.run_id,
            instance_ref=self._instance.get_ref(),
            set_exit_code_on_failure=True,
        )
        process = self._start(["api", "execute_run", serialize_value(arguments)], self._log(run.run_id))
        self._watch.add(run.run_id, process)
        self._instance.add_run_tags(run.run_id, worker_tags(process.pid))
        self._instance.report_engine_event(f"Started process {process.pid}", run, cls=self.__class__)
        self._forget_old_logs()

    def _start(self, arguments: list[str], log: Path) -> Worker:
        """Fork the process that has loaded the code, or else start a new one."""
        command = [sys.executable, "-m", "broker_assets.local.run_worker", *arguments]
        forked = self._loaded.start(command, log=log, name=RUN_NAME) if self._loaded is not None else None
        if forked is not None:
            return forked
        # No death signal: the run continues when the daemon, which runs this code, is killed.
        return start_child(command, log=log, death_signal=None)

    def terminate(self, run_id: str) -> bool:
        """Interrupt the process of a run; False if there is none to interrupt."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        process = self._worker(run)
        if process is None:
            # There is no process left to report the end.
            self._instance.report_run_canceled(run, message="The process of the run had already ended.")
            return True
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGINT)
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Supports health checks of run monitoring."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the process of a run still exists.

        The watch reports the end of processes that are watched here, once.
        """
        if self._watch.watches(run.run_id):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        process = self._worker(run)
        if process is not None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=str(process.pid))
        pid = self._current(run).tags.get(PID_TAG)
        message = f"process {pid or '(unknown)'} of the run has ended without reporting"
        return CheckRunHealthResult(WorkerStatus.FAILED, message, run_worker_id=pid)

    def get_run_worker_debug_info(self, run: DagsterRun, include_container_logs: bool | None = True) -> str | None:
        """The last lines that the process of a run wrote."""
        return self._last_output(run.run_id)

    def dispose(self) -> None:
        """Release the loaded code; runs continue."""
        if self._loaded is not None:
            self._loaded.close()

    def join(self, timeout: int = 30) -> None:
        """Wait for the processes started by this object, at most `timeout` seconds in total."""
        self._watch.join(timeout)

    def _current(self, run: DagsterRun) -> DagsterRun:
        """The run with its current tags: the given object may be older than the launch."""
        return self._instance.get_run_by_id(run.run_id) or run

    def _worker(self, run: DagsterRun) -> psutil.Process | None:
        return find_worker(self._current(run))

    def _last_output(self, run_id: str) -> str | None:
        words = tail(self._log(run_id), lines=30)
        return f"Last output of the process:\n{words}" if words else None

    def _log(self, run_id: str) -> Path:
        folder = Path(self._log_folder or Path(self._instance.root_directory) / "run_workers")
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{run_id}.log"

    def _forget_old_logs(self) -> None:
        oldest = time.time() - KEEP_LOGS_SECONDS
        for path in self._log("any").parent.glob("*.log"):
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()
