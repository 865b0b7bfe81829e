"""A real code server and a real daemon, as on one machine, with definitions that the test chooses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from forked_programs import environment_of_programs, loaded_code

from broker_assets.local import platform
from broker_assets.local.instance import create_instance, project_file, write_instance
from broker_assets.local.processes import free_ports
from broker_assets.local.readiness import answers_grpc
from broker_assets.local.service import Service


class DagsterServices:
    """A daemon and a code server; both start with `running`.

    Parameters
    ----------
    folder : Path
        Home of Dagster and logs.
    dagster_url : str
        SQLAlchemy URL (psycopg2) of an empty database.
    module : str
        Module with the definitions.
    environment : mapping, optional
        More variables for both processes.
    """

    def __init__(
        self, folder: Path, dagster_url: str, module: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self.home = folder / "dagster"
        self.folder = folder
        self.dagster_url = dagster_url
        self._module = module
        self._port = free_ports(1)[0]
        workspace = str(project_file("workspace.yaml"))
        self._commands = platform.commands(
            host="127.0.0.1", dagster_port=0, api_port=0, code_port=self._port, workspace=workspace
        )
        self._environment = environment_of_programs(
            {
                "DAGSTER_HOME": str(self.home),
                "DAGSTER_PG_URL": dagster_url,
                "BROKER_CODE_SERVER_HOST": "127.0.0.1",
                "BROKER_CODE_SERVER_PORT": str(self._port),
                **(environment or {}),
            }
        )
        self.code_server = self._new_code_server({})
        self.daemon = Service(
            "daemon",
            self._commands["daemon"],
            log=folder / "daemon.log",
            environment=self._environment,
            healthy=lambda: True,
            loaded=loaded_code(),
            forks=True,
        )

    def deploy(self, environment: Mapping[str, str]) -> None:
        """Replace the code server by one with more variables, as a deployment does."""
        self._stop_code_server()
        self.code_server = self._new_code_server(environment)
        self.code_server.start()

    def _stop_code_server(self) -> None:
        self.code_server.stop()

    def _new_code_server(self, environment: Mapping[str, str]) -> Service:
        command = [part.replace("broker_assets.definitions", self._module) for part in self._commands["code-server"]]
        return Service(
            "code server",
            command,
            log=self.folder / "code.log",
            environment=self._environment | dict(environment),
            healthy=answers_grpc("127.0.0.1", self._port),
            loaded=loaded_code(),
            forks=True,
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Both processes run within the block; `DAGSTER_PG_URL` of this process must name the database, too."""
        write_instance(self.home)
        create_instance(self.home)
        with ExitStack() as stack:
            stack.callback(self._stop_code_server)
            stack.callback(self.daemon.stop)
            self.code_server.start()
            self.daemon.start()
            yield


def wait_until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait for a condition.

    Raises
    ------
    AssertionError
        If it is not met in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.3)
