"""One supervised service: how it is started, known to be ready, and ended."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from broker_assets.local.processes import LocalPlatformError, explain_failure, rotate_log, start_child, stop_child


class Part(Protocol):
    """What the supervisor watches: a service, the PostgreSQL server or the Kafka broker."""

    log: Path
    """File with its output."""

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""

    @property
    def running(self) -> bool:
        """Whether its process lives."""

    def start(self) -> object:
        """Start it and wait until it is ready."""

    def stop(self) -> None:
        """End it."""


class Service:
    """A command that runs until it is stopped.

    Parameters
    ----------
    name : str
        For messages.
    command : sequence of str
        Program and arguments; the program is looked for beside our Python first.
    log : Path
        File that its output is appended to.
    environment : mapping
        The whole environment.
    healthy : callable
        Whether it answers; called again and again, must not block for more than a few seconds.
    timeout : float
        Seconds it may take to become ready.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        healthy: Callable[[], bool],
        timeout: float = 120.0,
    ) -> None:
        self.name = name
        self.command = [program_path(command[0]), *command[1:]]
        self.log = log
        self.healthy = healthy
        self._environment = dict(environment)
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline = 0.0

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start the process without waiting."""
        rotate_log(self.log)
        self._process = start_child(self.command, log=self.log, environment=self._environment)
        self._deadline = time.monotonic() + self._timeout

    def wait_until_ready(self) -> None:
        """Wait until it answers.

        Raises
        ------
        LocalPlatformError
            If it ends before, or does not answer in time; with the end of its log.
        """
        while not self.healthy():
            if not self.running:
                raise explain_failure(f"The {self.name} ended before it was ready", self.log)
            if time.monotonic() > self._deadline:
                raise explain_failure(f"The {self.name} did not answer within {self._timeout:.0f} s", self.log)
            time.sleep(0.2)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch()
        self.wait_until_ready()

    def interrupt(self) -> None:
        """Ask it to end, without waiting."""
        if self._process is not None and self.running:
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """End it: SIGTERM, after ten seconds SIGKILL."""
        process, self._process = self._process, None
        if process is not None:
            stop_child(process, [(signal.SIGTERM, 10.0)])


def program_path(name: str) -> str:
    """A program of our virtual environment, else of the path.

    Raises
    ------
    LocalPlatformError
        If there is none.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise LocalPlatformError(f"the program {name} is not installed in {Path(sys.executable).parent}")
    return found
