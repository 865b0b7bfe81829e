"""A process that has loaded the code already, and becomes the processes of runs by forking.

A run worker that starts from nothing loads Dagster, Astropy, pyarrow, Numba and the platform first: six seconds of
processor time, a thousand times a night. This process loads them once, waits, and forks: the run begins within a tenth
of a second, and what was loaded exists once in memory for all runs.

It starts no thread and opens no connection before it forks, so that a run inherits neither. It ends when the process
that started it has ended, or when nothing was asked of it for a while; runs go on. `local.warm_workers` is the side
that asks.

Messages are lines of JSON over one socket. A request names the arguments of `local.run_worker` and the file for the
output; the answer has the process id; the end of a run follows with its code. Environment and working folder are those
of this process.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from typing import TypedDict, cast

from broker_assets.dagster_internals import COMMAND_LINE
from broker_assets.local.processes import RESET_SIGNALS, name_process

RUN_NAME = "run-worker"
"""Name of the processes of runs, as `ps` and `top` show it."""

LARGEST_MESSAGE = 1 << 20
"""A request is refused when it is larger, bytes."""


class Request(TypedDict):
    """What a run needs."""

    arguments: list[str]
    log: str


LOADED = (COMMAND_LINE, "dagster_postgres", "broker_assets.build", "broker_assets.local.run_worker")
"""Modules with all that runs import. Named as `workspace.yaml` names the code location: this package knows no assets.

Definitions are not built here: they depend on settings, and belong to the run.
"""


def load() -> None:
    """Import what runs import."""
    for module in LOADED:
        import_module(module)
    # A run's garbage collector would write to objects that live as long as the process, and so copy the memory that all
    # runs share.
    gc.collect()
    gc.freeze()


class Forks:
    """Takes requests and forks, until there is nobody left to ask.

    Parameters
    ----------
    connection : socket.socket
        To the process that asks.
    idle_seconds : float
        End after this time without a request.
    """

    def __init__(self, connection: socket.socket, idle_seconds: float) -> None:
        self._connection = connection
        self._idle_seconds = idle_seconds
        self._buffer = b""
        # A child that ends must wake the wait for requests.
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> Request | None:
        """Fork for each request; returns the request in each child, and None in this process when it is to end."""
        while True:
            watched: list[socket.socket | int] = [self._connection, self._wake]
            ready, _, _ = select.select(watched, [], [], self._idle_seconds)
            if not ready:
                return None
            if self._wake in ready:
                with suppress(BlockingIOError):
                    os.read(self._wake, 4096)
                self._reap()
            if self._connection not in ready:
                continue
            received = b""
            with suppress(ConnectionResetError):  # who asked has ended, with messages that were not read
                received = self._connection.recv(65_536)
            self._buffer += received
            if not received or len(self._buffer) > LARGEST_MESSAGE:
                return None
            *lines, self._buffer = self._buffer.split(b"\n")
            for line in lines:
                request = cast("Request", json.loads(line))
                if self._fork():
                    return request

    def _fork(self) -> bool:
        """Fork; True in the child, which has left everything of this process behind."""
        pid = os.fork()
        if pid:
            self._say({"started": pid})
            return False
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._connection.close()
        os.close(self._wake)
        os.close(self._waker)
        return True

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                self._say({"ended": pid, "code": os.waitstatus_to_exitcode(status)})

    def _say(self, message: dict[str, int]) -> None:
        # Who does not listen any more has ended; the next wait shows it.
        with suppress(OSError):
            self._connection.sendall(json.dumps(message).encode() + b"\n")


def become(request: Request) -> None:
    """Turn this process into what `start_child` would have started."""
    os.setsid()
    for number in RESET_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    # As Python does at its start: an interrupted run raises KeyboardInterrupt, and reports its end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    name_process(RUN_NAME)
    output = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(output)
    os.close(nothing)
    sys.argv = ["run_worker", *request["arguments"]]


def main() -> None:
    """Load, say so, serve, and run in the children."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    load()
    connection.sendall(b'{"ready": 1}\n')
    request = Forks(connection, float(sys.argv[2])).serve()
    if request is None:
        return
    become(request)
    from broker_assets.local import run_worker

    run_worker.main()


if __name__ == "__main__":
    main()
