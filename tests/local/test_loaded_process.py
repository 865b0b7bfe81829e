"""The protocol of the process that forks, with its other side played by the test."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from contextlib import suppress

import psutil
import pytest

from broker_assets.local import loaded_process
from broker_assets.local.loaded_process import LARGEST_MESSAGE, Forks


def in_child(idle_seconds: float = 60.0) -> tuple[socket.socket, int]:
    """A process that serves and whose forks end with code 7; the connection to it and its process id."""
    mine, other = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        mine.close()
        code = 0 if Forks(other, idle_seconds).serve() is None else 7
        os._exit(code)
    other.close()
    return mine, pid


def lines(connection: socket.socket, count: int) -> list[dict[str, int]]:
    received = b""
    connection.settimeout(30.0)
    while received.count(b"\n") < count:
        received += connection.recv(4096)
    return [json.loads(line) for line in received.splitlines()]


def ended(pid: int) -> int:
    deadline = time.monotonic() + 30.0
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("it did not end")


def test_each_request_is_a_process_whose_end_is_said() -> None:
    connection, pid = in_child()
    request = b'{"death_signal": 0}\n'
    # Two at once, the second in two pieces.
    connection.sendall(request + request[:5])
    connection.sendall(request[5:])
    said = lines(connection, 4)
    started = [message["started"] for message in said if "started" in message]
    assert len(set(started)) == 2
    assert {message["ended"]: message["code"] for message in said if "ended" in message} == dict.fromkeys(started, 7)
    connection.close()
    assert ended(pid) == 0, "it ends with who asks"


@pytest.mark.parametrize("reason", ["idle", "too-large"])
def test_it_ends_by_itself(reason: str) -> None:
    connection, pid = in_child(0.2 if reason == "idle" else 60.0)
    if reason == "too-large":
        # It may have gone before it was sent everything.
        with suppress(OSError):
            connection.sendall(b"x" * (LARGEST_MESSAGE + 1))
    assert ended(pid) == 0
    connection.close()


def test_it_stays_as_long_as_a_child_would_end_with_it() -> None:
    mine, other = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        mine.close()
        if Forks(other, 0.1).serve() is not None:
            time.sleep(600)
        os._exit(0)
    other.close()
    mine.sendall(b'{"death_signal": 15}\n')
    [child] = [message["started"] for message in lines(mine, 1)]
    time.sleep(0.5)
    assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    os.kill(child, signal.SIGKILL)
    assert ended(pid) == 0
    mine.close()


def test_a_child_that_was_to_end_with_it_is_killed_when_it_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaded_process, "GRACE_SECONDS", 0.5)
    mine, other = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        mine.close()
        forks = Forks(other, 60.0)
        if forks.serve() is None:
            forks.end_children()
            os._exit(0)
        # One that hears only its parent's signal, and one that waits for a database that has gone.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
        os._exit(7)
    other.close()
    mine.sendall(b'{"death_signal": %d}\n{"death_signal": %d}\n' % (signal.SIGTERM, signal.SIGUSR1))
    children = [psutil.Process(message["started"]) for message in lines(mine, 2)]
    mine.close()
    assert ended(pid) == 0
    psutil.wait_procs(children, timeout=30.0)
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
