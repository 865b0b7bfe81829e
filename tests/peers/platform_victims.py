"""The processes of a platform that `broker-assets up` started, by kind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg

from broker_assets.local.loaded_code import DEFINITIONS_NAME
from broker_assets.local.loaded_process import LOADED_NAME
from broker_assets.local.platform import platform_processes
from broker_assets.local.run_processes import is_run_worker
from broker_assets.monitoring.state_file import PlatformState, running
from broker_assets.settings import Settings

SERVICES = ("PostgreSQL", "Kafka", "code-server", "daemon", "webserver", "api")
"""What the supervisor watches and starts again."""
RUNS = {
    "drain": ("drain",),
    "outbox sender": ("deliver",),
    "telemetry ingest": ("ingest_telemetry",),
    "publisher": ("publish_products", "sync_mirrors"),
    "any run": (),
}
"""Runs by their jobs; none: of any job."""
LOADED_CODE = "loaded code"


class Victims:
    """Finds processes of a platform by its home.

    Parameters
    ----------
    home : Path
        `BROKER_HOME` of the platform.
    """

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self._settings = Settings(home=self.home)

    def state(self) -> PlatformState | None:
        """What its supervisor wrote last."""
        return running(self._settings)

    def service(self, name: str) -> list[psutil.Process]:
        """The process of a service; none while it is being started."""
        state = self.state()
        found = []
        for service in state.services if state is not None else []:
            if service.name == name and service.state == "running" and service.pid is not None:
                with suppress(psutil.NoSuchProcess):
                    found.append(psutil.Process(service.pid))
        return found

    def with_children(self, name: str) -> list[psutil.Process]:
        """A service and what it started."""
        found = self.service(name)
        for process in list(found):
            with suppress(psutil.NoSuchProcess):
                found += process.children(recursive=True)
        return found

    def loaded_code(self) -> list[psutil.Process]:
        """The process from which services are forked, and those from which runs and definitions are."""
        return [one for one in platform_processes(self.home) if _is_named(one, LOADED_NAME)]

    def workers(self) -> dict[str, psutil.Process]:
        """Processes of runs, by run."""
        found = {}
        for process in platform_processes(self.home):
            if is_run_worker(process):
                with suppress(psutil.Error, OSError):
                    found[Path(f"/proc/{process.pid}/fd/1").readlink().stem] = process
        return found

    def runs(self, *jobs: str) -> list[psutil.Process]:
        """Processes of runs of some jobs, or of all."""
        workers = self.workers()
        state = self.state()
        if not workers or state is None or state.addresses is None:
            return []
        if not jobs:
            return list(workers.values())
        statement = "SELECT run_id FROM runs WHERE run_id = ANY(%s) AND pipeline_name = ANY(%s)"
        with (
            suppress(psycopg.Error),
            psycopg.connect(state.addresses.dagster_url.replace("+psycopg2", ""), connect_timeout=5) as connection,
        ):
            rows = connection.execute(statement, (list(workers), list(jobs))).fetchall()
            return [workers[run_id] for (run_id,) in rows]
        return []

    def kinds(self) -> dict[str, Callable[[], list[psutil.Process]]]:
        """All kinds of processes that a fault may strike."""
        found: dict[str, Callable[[], list[psutil.Process]]] = {}
        for name in SERVICES:
            found[name] = lambda name=name: self.service(name)  # type: ignore[misc]
        for name, jobs in RUNS.items():
            found[name] = lambda jobs=jobs: self.runs(*jobs)  # type: ignore[misc]
        found[LOADED_CODE] = self.loaded_code
        found["code server's definitions"] = lambda: [
            one for one in self.with_children("code-server") if _is_named(one, DEFINITIONS_NAME)
        ]
        return found


def _is_named(process: psutil.Process, name: str) -> bool:
    with suppress(psutil.Error):
        return process.name() == name
    return False
