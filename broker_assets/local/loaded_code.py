"""Asks a process with loaded code (`local.loaded_process`) for the processes of services and runs.

Nothing depends on it: if it cannot be started, was killed or does not answer, a program starts from scratch. It always
has the same code as a program that starts now: when a file of the package, or the environment that libraries read, has
changed, a new process is loaded. Programs read their settings themselves.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from broker_assets.dagster_internals import grpc_server
from broker_assets.local import loaded_process
from broker_assets.local.loaded_process import Request, beginning
from broker_assets.local.processes import LocalPlatformError, start_child
from broker_assets.monitoring.state_file import ProcessIdentity

IDLE_SECONDS = 900.0
"""A loaded process without requests ends after this time, seconds, and frees its memory."""

LOAD_SECONDS = 120.0
"""Time limit for loading the code on a busy machine, seconds."""

ANSWER_SECONDS = 10.0
"""Time limit for a fork, seconds."""

END_SECONDS = 2.0
"""Seconds in which a loaded process must end by itself when there are no more requests."""

UNKNOWN_END = 256
"""Value instead of an exit code (which is smaller) if it is unknown how a process ended."""

_log = logging.getLogger(__name__)


class ForkedProcess:
    """A child of a loaded process, with the part of the interface of `subprocess.Popen` that is needed.

    Parameters
    ----------
    pid : int
        Process id.
    loaded : _Loaded
        Its parent, which reports how it ended.
    """

    def __init__(self, pid: int, loaded: _Loaded) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._identity = ProcessIdentity.of(pid)
        self._loaded = loaded

    def poll(self) -> int | None:
        """The exit code if it has ended; `UNKNOWN_END` if its parent was killed or replaced before."""
        if self.returncode is None:
            self.returncode = self._loaded.end_of(self.pid)
        if self.returncode is None and not self._loaded.running:
            lives = self._identity is not None and self._identity.process() is not None
            # Its last messages before it ended itself count.
            self.returncode = self._loaded.end_of(self.pid)
            if self.returncode is None and not lives:
                self.returncode = UNKNOWN_END
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises
        ------
        subprocess.TimeoutExpired
            If it runs longer than `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(["forked process", str(self.pid)], timeout or 0.0)
            time.sleep(0.05)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class _ForkOfThis:
    """The loaded process that this process inherited as a forked child (`loaded_process.inherited`)."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self._code = UNKNOWN_END
            else:
                self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + (timeout or 60.0)
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(["loaded code", str(self.pid)], timeout or 60.0)
            time.sleep(0.02)
        return code

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


class _Loaded:
    """One loaded process and the connection to it."""

    def __init__(
        self,
        process: subprocess.Popen[bytes] | _ForkOfThis,
        connection: socket.socket,
        began: tuple[object, ...],
        *,
        ready: bool = False,
    ) -> None:
        self.beginning = began
        self._ready = ready
        self._process = process
        self._connection = connection
        self._lock = threading.Lock()
        self._ends: dict[int, int] = {}
        self._bound: set[int] = set()
        self._buffer = b""

    @classmethod
    def start(cls, log: Path, environment: Mapping[str, str], idle_seconds: float, modules: Sequence[str]) -> _Loaded:
        """Start one from scratch."""
        began = beginning(environment)
        ours, theirs = socket.socketpair()
        with theirs:
            descriptor = theirs.fileno()
            given = [str(descriptor), str(idle_seconds), " ".join(modules), loaded_process.REMARK]
            command = [sys.executable, "-m", loaded_process.__name__, *given]
            try:
                # No death signal: it would be sent when the requesting thread ends. The closed socket ends the process.
                process = start_child(
                    command, log=log, environment=environment, death_signal=None, descriptors=(descriptor,)
                )
            except LocalPlatformError:
                ours.close()
                raise
        return cls(process, ours, began)

    @property
    def running(self) -> bool:
        """Whether it is alive and connected."""
        return self._connection.fileno() >= 0 and self._process.poll() is None

    @property
    def needed(self) -> bool:
        """Whether it has children that must end with it."""
        with self._lock:
            if self._connection.fileno() >= 0:
                self._read("", 0.0)
            return bool(self._bound) and self._process.poll() is None

    def ready(self, seconds: float) -> bool:
        """Wait until the code is loaded."""
        with self._lock:
            self._ready = self._ready or self._read("ready", seconds) is not None
            return self._ready

    def fork(self, request: Request) -> ForkedProcess | None:
        """Request a process; None if there is no answer."""
        with self._lock:
            try:
                self._connection.sendall(json.dumps(request).encode() + b"\n")
            except OSError:
                return None
            pid = self._read("started", ANSWER_SECONDS)
            if pid is None:
                return None
            if request["death_signal"] and pid not in self._ends:
                self._bound.add(pid)
            return ForkedProcess(pid, self)

    def end_of(self, pid: int) -> int | None:
        """Exit code of a child that has ended."""
        with self._lock:
            if self._connection.fileno() >= 0:
                self._read("", 0.0)
            return self._ends.pop(pid, None)

    def close(self) -> None:
        """End the process, and the children that must end with it; the others continue.

        It ends by itself once there are no more requests. If it hangs, it is killed: a request that it still holds
        would become a second process of a run that was meanwhile started in another way.
        """
        with self._lock:
            self._connection.close()
        try:
            self._process.wait(END_SECONDS + (loaded_process.GRACE_SECONDS if self._bound else 0.0))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self, wanted: str, seconds: float) -> int | None:
        """Read messages up to one of the wanted kind; return its number, or None if there is none in time."""
        deadline = time.monotonic() + seconds
        while True:
            while b"\n" in self._buffer:
                line, _, self._buffer = self._buffer.partition(b"\n")
                message = json.loads(line)
                if "ended" in message:
                    self._ends[message["ended"]] = message["code"]
                    self._bound.discard(message["ended"])
                elif wanted in message:
                    return int(message[wanted])
            ready, _, _ = select.select([self._connection], [], [], max(0.0, deadline - time.monotonic()))
            received = b""
            if ready:
                with suppress(OSError):
                    received = self._connection.recv(65_536)
            if not received:
                return None
            self._buffer += received


class LoadedCode:
    """Starts programs by forking a loaded process, which is started for the first program.

    Parameters
    ----------
    log : callable
        Returns the file for the output of the loaded process.
    idle_seconds : float
        The loaded process ends after this time without a request; 0: never.
    modules : sequence of str
        Modules that it loads; default: those that services and runs need.
    """

    def __init__(
        self, log: Callable[[], Path], idle_seconds: float = IDLE_SECONDS, modules: Sequence[str] = ()
    ) -> None:
        self._log = log
        self._idle_seconds = idle_seconds
        self._modules = tuple(modules)
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None
        self._replaced: list[_Loaded] = []

    def begin(self, environment: Mapping[str, str]) -> None:
        """Begin to load the code, without waiting for it."""
        with self._lock, suppress(LocalPlatformError):
            if self._loaded is None:
                self._loaded = _Loaded.start(self._log(), environment, self._idle_seconds, self._modules)

    def start(
        self,
        command: Sequence[str],
        *,
        log: Path | None,
        name: str,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        death_signal: signal.Signals | None = None,
        forks: bool = False,
    ) -> ForkedProcess | None:
        """Start a command; None if it must be started from scratch.

        Parameters
        ----------
        command : sequence of str
            `python -m MODULE …` or a program of an installed package, with arguments.
        log : Path or None
            File to which its output is appended; None: that of the loaded process.
        name : str
            What `ps` and `top` show, at most 15 characters.
        environment : mapping, optional
            The whole environment; default: that of this process.
        folder : Path, optional
            Working folder; default: that of this process.
        death_signal : signal, optional
            Sent when this object is closed, or this process ends; None lets it continue.
        forks : bool, optional
            Whether it starts processes with loaded code itself, without loading the code again.
        """
        if not loaded_process.runs(command):
            return None
        environment = dict(os.environ if environment is None else environment)
        request = Request(
            command=list(command),
            environment=environment,
            folder=os.fspath(folder.absolute()) if folder is not None else os.getcwd(),
            log=None if log is None else os.fspath(log.absolute()),
            name=name,
            death_signal=int(death_signal or 0),
            forks=forks,
        )
        with self._lock:
            # A process that has ended because it was idle shows this only when it is asked.
            for _ in range(2):
                loaded = self._current(environment)
                if loaded is None:
                    return None
                started = loaded.fork(request)
                if started is not None:
                    return started
                # Whatever the reason: a later answer would be a second process of the same program.
                self._loaded = None
                loaded.close()
        return None

    def close(self) -> None:
        """End the loaded process, and the children that must end with it."""
        with self._lock:
            if self._loaded is not None:
                self._replaced.append(self._loaded)
            for loaded in self._replaced:
                loaded.close()
            self._loaded, self._replaced = None, []

    def _current(self, environment: Mapping[str, str]) -> _Loaded | None:
        given = loaded_process.inherited()
        if given is not None:
            pid, connection, began = given
            self._loaded = _Loaded(_ForkOfThis(pid), connection, began, ready=True)
        if self._loaded is not None and self._loaded.beginning != beginning(environment):
            self._drop()
        if self._loaded is None:
            try:
                log = self._log()
                self._loaded = _Loaded.start(log, environment, self._idle_seconds, self._modules)
            except LocalPlatformError:
                _log.warning("programs start without loaded code", exc_info=True)
                return None
        if not self._loaded.ready(LOAD_SECONDS):
            self._drop()
            _log.warning("the process that loads code did not become ready; see %s", self._log())
            return None
        return self._loaded

    def _drop(self) -> None:
        """Stop asking this process; it lives as long as it has children that must end with it."""
        if self._loaded is not None:
            self._replaced.append(self._loaded)
            self._loaded = None
        for loaded in list(self._replaced):
            if not loaded.needed:
                loaded.close()
                self._replaced.remove(loaded)


def fork_definitions() -> None:
    """Make Dagster's code server, in this process, fork the process with the definitions."""
    code = LoadedCode(lambda: Path(os.devnull))
    from_nothing = getattr(grpc_server, OPENS_DEFINITIONS)

    def start(parts: Sequence[str], **options: Any) -> Any:
        folder = options.get("cwd")
        forked = code.start(
            parts,
            log=None,
            name=DEFINITIONS_NAME,
            environment=options.get("env"),
            folder=Path(folder) if folder is not None else None,
            death_signal=signal.SIGTERM,
        )
        return forked if forked is not None else from_nothing(parts, **options)

    setattr(grpc_server, OPENS_DEFINITIONS, start)


OPENS_DEFINITIONS = "open_ipc_subprocess"
"""Function that Dagster's code server calls to start the process with the definitions."""


DEFINITIONS_NAME = "definitions"
"""Name of the process with the definitions of a code server, as `ps` and `top` show it."""
