"""Asks a process with loaded code (`local.warm_process`) for the processes of runs.

Nothing depends on it: where it cannot be started, was killed or does not answer, a run starts from nothing as before.
It has the code and the settings that a process would have that starts now: when a file of the package, the file of
settings, the environment or the folder has changed, a new one is loaded.
"""

from __future__ import annotations

import json
import logging
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from broker_assets.local.processes import LocalPlatformError, start_child
from broker_assets.monitoring.state_file import ProcessIdentity
from broker_assets.settings import settings_file

IDLE_SECONDS = 900.0
"""A loaded process that nobody asks for a run ends after this time and gives its memory back."""

LOAD_SECONDS = 120.0
"""Time for loading the code on a busy machine."""

ANSWER_SECONDS = 10.0
"""Time for a fork."""

END_SECONDS = 2.0
"""Time in which a loaded process ends by itself when nobody asks any more."""

UNKNOWN_END = 256
"""In place of an exit code, which is smaller, where nobody could say how a worker ended."""

PACKAGE = Path(__file__).parents[1]

_log = logging.getLogger(__name__)


def code_on_disk(folder: Path = PACKAGE) -> int:
    """A number that changes when a file of the package is written, comes or goes: 10 ms for a thousand files."""
    seen = []
    folders = [os.fspath(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != "__pycache__":
                        folders.append(entry.path)
                else:
                    seen.append((entry.path, entry.stat().st_mtime_ns))
    return hash(frozenset(seen))


def beginning() -> tuple[object, ...]:
    """What a process that starts now would begin with: code, settings, environment and folder.

    Some modules read the settings when they are imported, such as that of partitions.
    """
    try:
        settings = settings_file().read_bytes()
    except OSError:
        settings = None
    return code_on_disk(), settings, dict(os.environ), os.getcwd()


class ForkedWorker:
    """The process of a run that is a child of the loaded process: what the watch needs of `subprocess.Popen`.

    Parameters
    ----------
    pid : int
        Process id.
    loaded : _Loaded
        Its parent, which says how it ended.
    """

    def __init__(self, pid: int, loaded: _Loaded) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._identity = ProcessIdentity.of(pid)
        self._loaded = loaded

    def poll(self) -> int | None:
        """The exit code if it has ended; `UNKNOWN_END` if its parent was killed or replaced before."""
        if self.returncode is None:
            lived = self._identity is not None and self._identity.process() is not None
            self.returncode = self._loaded.end_of(self.pid)
            if self.returncode is None and not lived and not self._loaded.running:
                self.returncode = UNKNOWN_END
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Wait for its end.

        Raises
        ------
        subprocess.TimeoutExpired
            If it goes on longer than `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(["run worker", str(self.pid)], timeout)
            time.sleep(0.05)
        return code


class _Loaded:
    """One loaded process and the connection to it."""

    def __init__(self, log: Path) -> None:
        self.beginning = beginning()
        self._lock = threading.Lock()
        self._ends: dict[int, int] = {}
        self._buffer = b""
        self._connection, other = socket.socketpair()
        with other:
            descriptor = other.fileno()
            command = [sys.executable, "-m", "broker_assets.local.warm_process", str(descriptor), str(IDLE_SECONDS)]
            try:
                # No death signal: it would come when the thread that asks ends. The closed socket ends the process.
                self._process = start_child(command, log=log, death_signal=None, descriptors=(descriptor,))
            except LocalPlatformError:
                self._connection.close()
                raise

    @property
    def running(self) -> bool:
        """Whether it lives and is listened to."""
        return self._connection.fileno() >= 0 and self._process.poll() is None

    def ready(self, seconds: float) -> bool:
        """Wait until the code is loaded."""
        with self._lock:
            return self._read("ready", seconds) is not None

    def fork(self, request: Mapping[str, object]) -> ForkedWorker | None:
        """Ask for a worker; None if there is no answer."""
        with self._lock:
            try:
                self._connection.sendall(json.dumps(request).encode() + b"\n")
            except OSError:
                return None
            pid = self._read("started", ANSWER_SECONDS)
            return None if pid is None else ForkedWorker(pid, self)

    def end_of(self, pid: int) -> int | None:
        """Exit code of a worker that has ended."""
        with self._lock:
            if self._connection.fileno() >= 0:
                self._read("", 0.0)
            return self._ends.pop(pid, None)

    def close(self) -> None:
        """End the process; its workers go on.

        It ends by itself once nobody asks any more. One that does not, because it hangs, is killed: a request that it
        still has would become a second process of a run that has been started in another way.
        """
        with self._lock:
            self._connection.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self, wanted: str, seconds: float) -> int | None:
        """Read messages until one of the wanted kind; its number, None if there is none in time."""
        deadline = time.monotonic() + seconds
        while True:
            while b"\n" in self._buffer:
                line, _, self._buffer = self._buffer.partition(b"\n")
                message = json.loads(line)
                if "ended" in message:
                    self._ends[message["ended"]] = message["code"]
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


class WarmWorkers:
    """Starts processes of runs by forking a loaded process, which is started with the first.

    Parameters
    ----------
    log : callable
        Returns the file for the output of the loaded process.
    """

    def __init__(self, log: Callable[[], Path]) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None

    def start(self, arguments: Sequence[str], log: Path) -> ForkedWorker | None:
        """Start `local.run_worker` with these arguments; None where it must be started from nothing.

        Parameters
        ----------
        arguments : sequence of str
            Arguments of `local.run_worker`.
        log : Path
            File to which its output is appended.
        """
        request = {"arguments": list(arguments), "log": os.fspath(log.absolute())}
        with self._lock:
            # One that has ended for idleness shows it only when it is asked.
            for _ in range(2):
                loaded = self._current()
                if loaded is None:
                    return None
                worker = loaded.fork(request)
                if worker is not None:
                    return worker
                self._drop()
        return None

    def close(self) -> None:
        """Let the loaded process end."""
        with self._lock:
            self._drop()

    def _current(self) -> _Loaded | None:
        if self._loaded is not None and self._loaded.beginning != beginning():
            self._drop()
        if self._loaded is None:
            try:
                log = self._log()
                loaded = _Loaded(log)
            except LocalPlatformError:
                _log.warning("runs start without loaded code", exc_info=True)
                return None
            if not loaded.ready(LOAD_SECONDS):
                loaded.close()
                _log.warning("the process that loads code for runs did not become ready; see %s", log)
                return None
            self._loaded = loaded
        return self._loaded

    def _drop(self) -> None:
        if self._loaded is not None:
            self._loaded.close()
            self._loaded = None
