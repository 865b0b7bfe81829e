"""What the supervisor watches, and its services: commands that run until they are stopped."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import psutil

from broker_assets.local.loaded_code import DEFINITIONS_NAME, LoadedCode
from broker_assets.local.managed import ManagedProcess
from broker_assets.local.processes import Child, LocalPlatformError, rotate_log, start_child


class Part(Protocol):
    """A supervised part: a service, the PostgreSQL server or the Kafka broker."""

    log: Path
    """File with its output."""

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""

    @property
    def running(self) -> bool:
        """Whether its process is alive."""

    def start(self) -> object:
        """Start it and wait until it is ready."""

    def stop(self) -> None:
        """Stop it."""


class Service(ManagedProcess):
    """A command that runs until it is stopped.

    Parameters
    ----------
    name : str
        Name for messages.
    command : sequence of str
        Program and arguments; the program is searched for next to our Python first.
    log : Path
        File to which its output is appended.
    environment : mapping
        The whole environment.
    healthy : callable
        Whether it answers; called repeatedly, must not block for more than a few seconds.
    timeout : float
        Time limit to become ready, seconds.
    loaded : LoadedCode, optional
        Loaded code from which it is forked, if the command is a Python program.
    forks : bool
        Whether it starts processes with loaded code itself.
    """

    pause = 0.2

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        healthy: Callable[[], bool],
        timeout: float = 120.0,
        loaded: LoadedCode | None = None,
        forks: bool = False,
    ) -> None:
        super().__init__(f"The {name}", log, timeout=timeout)
        self.name = name
        self.command = [program_path(command[0]), *command[1:]]
        self.healthy = healthy
        self._environment = dict(environment)
        self._loaded = loaded
        self._forks = forks

    def _launch(self) -> Child:
        rotate_log(self.log)
        forked = None
        if self._loaded is not None:
            forked = self._loaded.start(
                self.command,
                log=self.log,
                name=self.name,
                environment=self._environment,
                death_signal=signal.SIGTERM,
                forks=self._forks,
            )
        return forked if forked is not None else start_child(self.command, log=self.log, environment=self._environment)

    def _silence(self) -> str | None:
        return None if self.healthy() else ""


class CodeServer(Service):
    """Dagster's code server, whose definitions are in a child of its process.

    "Reload definitions" replaces the child. If the child dies by itself, the process answers requests with errors until
    somebody reloads; it then counts as not running, and is restarted.
    """

    _child: psutil.Process | None = None

    @property
    def running(self) -> bool:
        """Whether its process is alive, and also the child with the definitions once it has been started."""
        if not super().running:
            return False
        if not _alive(self._child):
            found = next(filter(_alive, self._children()), None)
            if found is None:
                # A death is remembered: it counts as not running until it is stopped.
                return self._child is None
            self._child = found
        return True

    def stop(self) -> None:
        """Stop both."""
        super().stop()
        self._child = None

    def _children(self) -> list[psutil.Process]:
        """Children that serve definitions; libraries start other short-lived ones, for example to find a compiler."""
        try:
            return [child for child in psutil.Process(self.pid).children(recursive=True) if _serves(child)]
        except psutil.NoSuchProcess:
            return []


def _serves(process: psutil.Process) -> bool:
    try:
        return process.name() == DEFINITIONS_NAME or "grpc" in process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _alive(process: psutil.Process | None) -> bool:
    try:
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def program_path(name: str) -> str:
    """A program of our virtual environment, else of the search path.

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
