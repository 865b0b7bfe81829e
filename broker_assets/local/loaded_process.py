"""A process that has loaded the code in advance, and forks into other processes: services and runs.

A program that starts from scratch first loads Dagster, Astropy, pyarrow, Numba and the platform: seven seconds of CPU
time, for each of five services and a thousand runs a night. This process loads them once, waits, and forks: the program
begins within a tenth of a second, and what was loaded is in memory once for all of them.

Nothing that depends on settings is loaded before a fork: assets, checks and sensors are defined with the partitions in
the settings. A request therefore brings its own environment and folder.

It starts no thread and opens no connection before it forks, so that a child inherits neither. It ends when the process
that started it has ended, or when it gets no request for a while. `local.loaded_code` sends the requests.

Messages are lines of JSON over one socket. A request has the fields of `Request`; the answer has the process id; later,
the end of the child is reported with its exit code.
"""

from __future__ import annotations

import ast
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module, metadata
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn, TypedDict, cast

from setproctitle import setproctitle

from broker_assets.dagster_internals import COMMAND_LINE
from broker_assets.local.processes import RESET_SIGNALS, end_with_parent, name_process

LOADED_NAME = "loaded-code"
"""Name of processes that wait with loaded code, as `ps` and `top` show it."""

LARGEST_MESSAGE = 1 << 20
"""Largest request, bytes."""

GRACE_SECONDS = 15.0
"""Seconds in which children must end that end with a loaded process; then they are killed."""

REMARK = "code of broker_assets, loaded once: services and runs are forked from this process, and share its memory"
"""Last argument of a loaded process: it explains the process in a list of processes, and leaves room for the commands
of its children, which replace it."""

PACKAGE = Path(__file__).parents[1]


class Request(TypedDict):
    """What a child must become."""

    command: list[str]
    """`python -m MODULE …`, or a program of an installed package, with its arguments."""
    environment: dict[str, str]
    """The whole environment."""
    folder: str
    """Working folder."""
    log: str | None
    """File to which its output is appended; None: that of this process."""
    name: str
    """What `ps` and `top` show, at most 15 characters."""
    death_signal: int
    """Signal from the kernel when this process ends; 0: the child continues."""
    forks: bool
    """Whether the child starts processes with loaded code itself; see `inherited`."""


PROGRAMS = (
    COMMAND_LINE,
    "dagster_postgres",
    "broker_assets.api",
    "broker_assets.local.prepare",
    "broker_assets.local.run_worker",
    "broker_assets.webserver",
)
"""Modules of the services and of runs."""

DEPENDS_ON_SETTINGS = "broker_assets.partitions"
"""Module that reads the settings when it is imported; through it, so do modules of the shell that define assets."""

SHELL = ("assets", "build", "checks", "jobs", "sensors")
"""Packages of the shell: whatever their modules import is loaded, unless it depends on settings itself."""

READ_LATER = frozenset({"DAGSTER_HOME", "DAGSTER_PG_URL", "PYTHONPATH", "PYTHONUNBUFFERED"})
"""Variables, in addition to those of `BROKER_`, that nothing reads before a fork, or that a child gets afterwards."""


def code_on_disk(folder: Path = PACKAGE) -> int:
    """A number that changes when a file of the package is written, added or removed; 10 ms for a thousand files."""
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


def beginning(environment: Mapping[str, str]) -> tuple[object, ...]:
    """Everything that loaded code depends on: files of the package, and variables that libraries read when imported.

    Parameters
    ----------
    environment : mapping
        Environment of the program to start.
    """
    read = {name: value for name, value in environment.items() if not name.startswith("BROKER_")}
    return code_on_disk(), {name: value for name, value in read.items() if name not in READ_LATER}


_began: tuple[object, ...] = ()
_inherited: tuple[int, socket.socket, tuple[object, ...]] | None = None


def inherited() -> tuple[int, socket.socket, tuple[object, ...]] | None:
    """A process with loaded code that this process was given, the connection to it, and its `beginning`.

    They belong to the caller from now on.
    """
    global _inherited
    given, _inherited = _inherited, None
    return given


def imported_by_shell(package: Path = PACKAGE) -> list[str]:
    """Names of our modules that modules of the shell import, without those of the shell itself."""
    found: set[str] = set()
    for folder in SHELL:
        for file in sorted((package / folder).rglob("*.py")):
            found.update(_imported(ast.parse(file.read_bytes())))
    shell = tuple(f"{package.name}.{folder}" for folder in SHELL)
    return sorted(name for name in found if not name.startswith((*shell, DEPENDS_ON_SETTINGS)))


def _imported(module: ast.Module) -> Iterator[str]:
    for statement in module.body:
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith(PACKAGE.name):
            yield cast("str", statement.module)
            # A name imported from a package may be a module.
            folder = PACKAGE.joinpath(*cast("str", statement.module).split(".")[1:])
            for alias in statement.names:
                if (folder / f"{alias.name}.py").exists() or (folder / alias.name / "__init__.py").exists():
                    yield f"{statement.module}.{alias.name}"


def load(modules: Sequence[str] = ()) -> None:
    """Import modules before the first fork.

    Parameters
    ----------
    modules : sequence of str, optional
        Modules to import; default: those that services and runs import, except those that depend on settings.

    Raises
    ------
    ImportError
        If one of these modules depends on settings after all.
    """
    global _began
    _began = beginning(os.environ)
    for module in modules or (*PROGRAMS, *imported_by_shell()):
        import_module(module)
        if DEPENDS_ON_SETTINGS in sys.modules:
            raise ImportError(f"{module} imports {DEPENDS_ON_SETTINGS}, which must not be loaded before a fork")
    # A child's garbage collector would write to objects that live as long as the process, and thus copy memory that all
    # children share.
    gc.collect()
    gc.freeze()


class Forks:
    """Receives requests and forks, until nobody is left to send requests.

    Parameters
    ----------
    connection : socket.socket
        Connection to the process that sends requests.
    idle_seconds : float
        End after this time without a request, if no child must end with it; 0: never.
    """

    def __init__(self, connection: socket.socket, idle_seconds: float) -> None:
        self._connection = connection
        self._idle_seconds = idle_seconds or None
        self._buffer = b""
        self.pid = os.getpid()
        """Of the process that forks."""
        self._bound: dict[int, int] = {}
        # The end of a child must interrupt the wait for requests.
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> Request | None:
        """Fork for each request; return the request in each child, and None in this process when it must end."""
        while True:
            watched: list[socket.socket | int] = [self._connection, self._wake]
            ready, _, _ = select.select(watched, [], [], self._idle_seconds)
            if not ready:
                if self._bound:
                    continue
                return None
            if self._wake in ready:
                with suppress(BlockingIOError):
                    os.read(self._wake, 4096)
                self._reap()
            if self._connection not in ready:
                continue
            received = b""
            with suppress(ConnectionResetError):  # the other process has ended, with unread messages
                received = self._connection.recv(65_536)
            self._buffer += received
            if not received or len(self._buffer) > LARGEST_MESSAGE:
                return None
            *lines, self._buffer = self._buffer.split(b"\n")
            for line in lines:
                request = cast("Request", json.loads(line))
                if self._fork(request):
                    return request

    def end_children(self) -> None:
        """End the children that must end with this process: a service may wait long for a database that is gone."""
        for pid, number in self._bound.items():
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + GRACE_SECONDS
        while self._bound and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.05)
        for pid in self._bound:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _fork(self, request: Request) -> bool:
        """Fork; True in the child, which has left everything of this process behind."""
        pid = os.fork()
        if pid:
            if request["death_signal"]:
                self._bound[pid] = request["death_signal"]
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
                self._bound.pop(pid, None)
                self._say({"ended": pid, "code": os.waitstatus_to_exitcode(status)})

    def _say(self, message: dict[str, int]) -> None:
        # If nobody listens, the other process has ended; the next wait shows it.
        with suppress(OSError):
            self._connection.sendall(json.dumps(message).encode() + b"\n")


def become(request: Request, parent: int) -> None:
    """Turn this process into what `processes.start_child` would have started.

    Parameters
    ----------
    request : Request
    parent : int
        Process id of the process that forked it.
    """
    os.setsid()
    for number in RESET_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    # As Python does at its start: an interrupted program raises KeyboardInterrupt, and reports its end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    if request["death_signal"]:
        end_with_parent(parent, signal.Signals(request["death_signal"]))
    _redirect_output(request["log"])
    paths = os.environ.get("PYTHONPATH", "")
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    _search(request["command"], before=paths, now=os.environ.get("PYTHONPATH", ""))
    if request["forks"]:
        _keep_forks()
    show(request["name"], request["command"])


def _redirect_output(log: str | None) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    if log is not None:
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
    # Python chose its buffering when the loaded process began; a log must be readable while it grows.
    for stream in (sys.stdout, sys.stderr):
        cast("TextIOWrapper", stream).reconfigure(line_buffering=True)


def _search(command: Sequence[str], *, before: str, now: str) -> None:
    """Search modules where the command would, started in this folder with this PYTHONPATH."""
    first = os.getcwd() if _module(command) else os.path.dirname(command[0])
    kept = [path for path in sys.path[1:] if path not in before.split(os.pathsep)]
    sys.path[:] = [first, *filter(None, now.split(os.pathsep)), *kept]


def _keep_forks() -> None:
    """Fork a process with the loaded code and nothing else, for use by this process."""
    global _inherited
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid:
        theirs.close()
        _inherited = pid, ours, _began
        # Not at the top: `loaded_code` imports this module.
        from broker_assets.local.loaded_code import fork_definitions

        fork_definitions()
        return
    ours.close()
    show(LOADED_NAME, [REMARK])
    serve(theirs, 0.0)


def show(name: str, command: Sequence[str]) -> None:
    """Make `ps` and `top` show a name and a command."""
    setproctitle(" ".join(command))
    name_process(name)


def run(command: Sequence[str]) -> NoReturn:
    """Run `python -m MODULE …`, or a program of an installed package, in this process.

    Raises
    ------
    SystemExit
        When the program ends.
    ValueError
        If it is neither.
    """
    module = _module(command)
    if module is not None:
        sys.argv = list(command[2:])
        if not hasattr(sys.modules.get(module), "__path__"):
            # The module must be executed as when a program starts; for a package, that is its `__main__`.
            sys.modules.pop(module, None)
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        sys.exit(0)
    sys.argv = list(command)
    for entry in metadata.entry_points(group="console_scripts", name=Path(command[0]).name):
        sys.exit(entry.load()())
    raise ValueError(f"{command[0]} is neither `python -m` nor a program that an installed package offers")


def runs(command: Sequence[str]) -> bool:
    """Whether `run` can run a command."""
    name = Path(command[0]).name
    return _module(command) is not None or bool(metadata.entry_points(group="console_scripts", name=name))


def _module(command: Sequence[str]) -> str | None:
    """The module of `python -m MODULE …`."""
    named = Path(command[0]).name.startswith("python") and len(command) > 2 and command[1] == "-m"
    return command[2] if named else None


def serve(connection: socket.socket, idle_seconds: float) -> NoReturn:
    """Serve requests; each child becomes what it was asked for."""
    forks = Forks(connection, idle_seconds)
    request = forks.serve()
    if request is None:
        forks.end_children()
        # Exit handlers that a program has registered do not belong to this process.
        os._exit(0)
    become(request, forks.pid)
    run(request["command"])


def main() -> None:
    """Load, report it, and serve; arguments: descriptor of the connection, idle seconds, modules, remark."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    # setproctitle would also overwrite the environment, by which the processes of a platform are recognised.
    os.environ["SPT_NOENV"] = "1"
    show(LOADED_NAME, [REMARK])
    del os.environ["SPT_NOENV"]
    load(sys.argv[3].split())
    connection.sendall(b'{"ready": 1}\n')
    serve(connection, float(sys.argv[2]))


if __name__ == "__main__":
    # Call it in the module that others import, so that its state exists only once.
    import_module("broker_assets.local.loaded_process").main()
