"""Children that end with their parent, locks, and what is said of failures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from broker_assets.local import processes
from broker_assets.local.processes import (
    FolderInUseError,
    FolderLock,
    LocalPlatformError,
    explain_failure,
    free_ports,
    port_is_free,
    rotate_log,
    shorten_log,
    start_child,
    stop_child,
    tail,
    wait_for_end,
)
from broker_assets.monitoring.state_file import ProcessIdentity

PARENT = """
import sys, time
from pathlib import Path
from broker_assets.local.processes import start_child
child = start_child([sys.executable, "-c", "import time; time.sleep(600)"], log=Path(sys.argv[1]))
print(child.pid, flush=True)
time.sleep(600)
"""

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid, flush=True)
time.sleep(600)
"""


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_for_end([child], 10.0) == []


def test_a_child_ignores_no_signal_though_its_parent_does(tmp_path: Path) -> None:
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child = start_child([sys.executable, "-c", "import time; time.sleep(600)"], log=tmp_path / "log")
    finally:
        signal.signal(signal.SIGINT, previous)
    time.sleep(0.3)
    assert stop_child(child, [(signal.SIGINT, 10.0)]) != -signal.SIGKILL


def test_the_last_resort_takes_the_childs_children_along(tmp_path: Path) -> None:
    child = start_child([sys.executable, "-c", STUBBORN], log=tmp_path / "log")
    deadline = time.monotonic() + 20
    while not tail(tmp_path / "log") and time.monotonic() < deadline:
        time.sleep(0.05)
    grandchild = psutil.Process(int(tail(tmp_path / "log")))
    assert stop_child(child, [(signal.SIGTERM, 0.2)]) == -signal.SIGKILL
    assert wait_for_end([grandchild], 10.0) == []


def test_an_absent_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalPlatformError, match="cannot start /no/such/program: No such file"):
        start_child(["/no/such/program"], log=tmp_path / "log")


def test_a_folder_has_one_holder(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "lock", subject="the platform")
    lock.acquire()
    code = (
        "from pathlib import Path; import sys\n"
        "from broker_assets.local.processes import *\n"
        "FolderLock(Path(sys.argv[1]), subject='the platform').acquire()"
    )
    other = [sys.executable, "-c", code, str(tmp_path / "lock")]
    result = subprocess.run(other, capture_output=True, text=True)
    assert result.returncode == 1
    assert f"already run by process {os.getpid()}" in result.stderr
    lock.release()
    assert subprocess.run(other, capture_output=True, text=True).returncode == 0
    lock.acquire()
    lock.release()
    assert issubclass(FolderInUseError, LocalPlatformError)


def test_a_later_process_of_the_same_number_is_another() -> None:
    me = ProcessIdentity.of(os.getpid())
    assert me is not None
    assert me.process() is not None
    assert ProcessIdentity(me.pid, me.created - 100).process() is None


def test_a_zombie_does_not_live() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    identity = ProcessIdentity.of(child.pid)
    assert identity is not None
    deadline = time.monotonic() + 20
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.02)
    assert identity.process() is None
    child.wait()
    assert ProcessIdentity.of(child.pid) is None


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("FATAL: could not write: No space left on device", "The disk is full"),
        ("java.net.BindException: Address already in use", "A required port is used"),
        ("java.lang.OutOfMemoryError: Java heap space", "Java ran out of memory"),
        ("something else", ""),
    ],
)
def test_a_failure_is_explained(tmp_path: Path, words: str, hint: str) -> None:
    log = tmp_path / "server.log"
    log.write_text(f"first\n{words}\n")
    message = str(explain_failure("Kafka ended before it was ready", log))
    assert hint in message
    assert words in message
    assert str(log) in message


def test_large_logs_are_moved_aside(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_bytes(b"x" * 100)
    rotate_log(log)
    assert log.read_bytes() == b"x" * 100
    log.write_bytes(b"x" * (11 * 1024**2))
    rotate_log(log)
    assert not log.exists()
    assert (tmp_path / "server.log.1").stat().st_size == 11 * 1024**2


def test_the_log_of_a_running_program_is_cut_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LARGE_LOG", 5_000)
    log = tmp_path / "service.log"
    text = "import itertools, time\nfor n in itertools.count(): print(f'line {n:06}', flush=True); time.sleep(0.001)"
    child = start_child([sys.executable, "-c", text], log=log)
    try:
        cuts = 0
        while cuts < 3:
            assert child.poll() is None
            cuts += shorten_log(log)
            time.sleep(0.02)
        previous = log.with_suffix(".log.1").read_text().splitlines()
        time.sleep(0.1)
    finally:
        stop_child(child, [(signal.SIGKILL, 5.0)])
    after = log.read_text().splitlines()
    assert 5_000 < 12 * len(previous) < 50_000
    assert all(line.startswith("line ") for line in previous + after)
    assert int(after[0][5:]) - int(previous[-1][5:]) < 50, "what was written meanwhile is lost, no more"
    assert not shorten_log(tmp_path / "none.log")


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(port_is_free("127.0.0.1", port) for port in ports)
