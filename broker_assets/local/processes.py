"""Child processes that end with their parent, and how to identify and stop them.

Everything the one-machine platform starts goes through here. A child gets its own session, so that Ctrl-C in the
terminal reaches only the supervisor, which then stops its children in order; and the kernel is asked to signal the
child when its parent dies, so that `kill -9` of the parent leaves nothing behind.

For the kernel, the parent is the *thread* that forked: start long-lived children from a thread that lives as long as
they should (the main thread).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import psutil

from broker_assets.local.identity import Identity
from broker_assets.storage.atomic import replace_atomically

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
"""From linux/prctl.h."""

LARGE_LOG = 10 * 1024**2
"""When a program starts, its log is rotated if it exceeds this size, bytes."""

RESET_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGQUIT)
"""A shell's background job ignores SIGINT, and Dagster maps SIGTERM to the SIGINT handler: children reset both."""

_libc = ctypes.CDLL(None, use_errno=True)


class LocalPlatformError(RuntimeError):
    """A part of the one-machine platform cannot work here; the message says which, and how to fix it."""


class FolderInUseError(LocalPlatformError):
    """Another living process holds the folder."""


class Child(Protocol):
    """A child process: `subprocess.Popen`, or one forked from loaded code (`local.loaded_code`)."""

    pid: int

    def poll(self) -> int | None:
        """Its exit code if it has ended."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; `subprocess.TimeoutExpired` after `timeout` seconds."""

    def send_signal(self, sig: int, /) -> None:
        """Send a signal, unless it has ended."""


def _prepare(parent: int, death_signal: signal.Signals | None, user: Identity | None) -> Callable[[], None]:
    """Runs in a child between fork and exec; calls nothing that may need a lock held by another thread at the fork."""

    def prepare() -> None:
        for number in RESET_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        if user is not None:
            user.assume()
        # After the change of user, which clears it.
        if death_signal is not None:
            end_with_parent(parent, death_signal)

    return prepare


def end_with_parent(parent: int, death_signal: signal.Signals) -> None:
    """Have the kernel send this process a signal when its parent ends; without effect outside Linux.

    Parameters
    ----------
    parent : int
        Process id of the parent; if it has ended already, this process ends at once.
    death_signal : signal
    """
    if sys.platform == "linux":
        _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def name_process(name: str) -> None:
    """Give this process the name that `ps` and `top` show, at most 15 characters; without effect outside Linux."""
    if sys.platform == "linux":
        _libc.prctl(PR_SET_NAME, name.encode(), 0, 0, 0)


def start_child(
    command: Sequence[str | os.PathLike[str]],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    death_signal: signal.Signals | None = signal.SIGTERM,
    user: Identity | None = None,
    descriptors: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a command in its own session, its output appended to a log file.

    Parameters
    ----------
    command : sequence of str
        Program and arguments; no shell.
    log : Path
        File for both output streams; opened by the calling user, so the child needs no permission for its folder.
    environment : mapping, optional
        The whole environment of the child; default: that of this process.
    folder : Path, optional
        Working folder of the child.
    death_signal : signal, optional
        Sent by the kernel when the calling thread ends, for any reason; None lets the child outlive this process.
    user : Identity, optional
        Become this user; only possible for root.
    descriptors : sequence of int, optional
        Open files of this process that the child gets under the same numbers.

    Raises
    ------
    LocalPlatformError
        If the program cannot be started.
    """
    try:
        with log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - our own commands
                [os.fspath(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=None if environment is None else dict(environment),
                start_new_session=True,
                pass_fds=descriptors,
                preexec_fn=_prepare(  # noqa: PLW1509 - takes no lock, see there
                    os.getpid(), death_signal, user
                ),
            )
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LocalPlatformError(f"cannot start {os.fspath(command[0])}: {reason}") from error


def run_child(
    command: Sequence[str | os.PathLike[str]],
    *,
    failure: str,
    seconds: float,
    log: Path,
    start: Callable[..., Child] = start_child,
    **options: Any,
) -> None:
    """Run a command that ends by itself.

    Parameters
    ----------
    failure : str
        Beginning of the message if it fails.
    seconds : float
        Time limit.
    log : Path
        File to which its output is appended.
    start : callable, optional
        Function that starts it; default: `start_child`.
    **options
        Further arguments of `start`.

    Raises
    ------
    LocalPlatformError
        If it cannot be started, ends with a code other than 0, or is not ready in time; the message has the end of the
        log.
    """
    process = start(command, log=log, **options)
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise explain_failure(f"{failure}: it did not end within {seconds:.0f} s", log) from None
    finally:
        if process.poll() is None:
            stop_child(process, [(signal.SIGTERM, 5.0)])
    if code != 0:
        raise explain_failure(failure, log)


def stop_child(process: Child, signals: Sequence[tuple[signal.Signals, float]]) -> int:
    """Send signals in turn, waiting the given seconds after each, until the child has ended; finally SIGKILL.

    SIGKILL goes to the child's whole process group, so that its own children do not stay behind.
    """
    for number, seconds in signals:
        if process.poll() is not None:
            break
        with suppress(ProcessLookupError):
            process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def wait_for_end(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until processes have ended; zombies count as ended. Return those still alive."""
    deadline = time.monotonic() + seconds
    alive = list(processes)
    while alive:
        alive = [process for process in alive if _lives(process)]
        if time.monotonic() > deadline:
            break
        if alive:
            time.sleep(0.05)
    return alive


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end_orphans(find: Callable[[], list[psutil.Process]], *, patience: float) -> None:
    """Wait for processes left behind by a killed predecessor; end them if they do not end by themselves.

    `find` must name only processes that belong to a folder whose lock the caller holds.
    """
    steps: tuple[tuple[signal.Signals | None, float], ...]
    steps = ((None, patience), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
    for number, seconds in steps:
        orphans = find()
        if not orphans:
            return
        if number is not None:
            for process in orphans:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
        wait_for_end(orphans, seconds)


class FolderLock:
    """An exclusive lock on a file, until it is released; the kernel frees it however the holder ends."""

    def __init__(self, path: Path, *, subject: str) -> None:
        self._path = path
        self._subject = subject
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises
        ------
        FolderInUseError
            If another process holds it; the message names its pid.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise FolderInUseError(
                f"{self._subject} in {self._path.parent} is already run by process {holder}"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Release the lock; does nothing if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def rotate_log(log: Path) -> None:
    """Rotate a log that has become large, replacing the previous one; only while nobody writes to it."""
    if log.exists() and log.stat().st_size > LARGE_LOG:
        log.replace(log.with_suffix(".log.1"))


def shorten_log(log: Path) -> bool:
    """Limit the log of a running program: if it exceeds `LARGE_LOG`, its content replaces the previous log.

    The program continues at the beginning of the file, since it appends. What it writes between the copy and the
    truncation is lost: an instant once in 10 MB. Return whether this happened; the log is kept if there is no room for
    the copy.
    """
    try:
        if log.stat().st_size <= LARGE_LOG:
            return False
        replace_atomically(log.with_suffix(".log.1"), log, sync_name=False)
        os.truncate(log, 0)
    except OSError:
        return False
    return True


def tail(log: Path, *, lines: int = 12) -> str:
    """The last lines of a log file; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def explain_failure(what: str, log: Path) -> LocalPlatformError:
    """The error for a child that ended before it was ready: the cause, if known, and the end of its log."""
    words = tail(log)
    hints = {
        "No space left on device": "The disk is full: free some space and start again.",
        "Cannot allocate memory": "There is not enough memory left.",
        "could not map anonymous shared memory": "There is not enough shared memory left.",
        "OutOfMemoryError": "Java ran out of memory.",
        "Address already in use": "A required port is used by another program.",
        "Permission denied": "It has no permission for a file or folder it needs.",
    }
    hint = next((text for sign, text in hints.items() if sign in words), "")
    return LocalPlatformError(f"{what}. {hint}\nLast lines of {log}:\n{words}".replace(". \n", ".\n"))


def free_ports(count: int) -> list[int]:
    """Distinct TCP ports on loopback on which nothing is listening."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def port_is_free(host: str, port: int) -> bool:
    """Whether the port is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
        except OSError:
            return False
        return True
