"""A command that runs until it is stopped."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from dagster_services import wait_until

from broker_assets.local.processes import LocalPlatformError
from broker_assets.local.service import CodeServer, Service, program_path


def test_a_service_is_ready_when_it_answers_and_gone_when_stopped(tmp_path: Path) -> None:
    mark = tmp_path / "ready"
    text = f"import pathlib, time; print('hello', flush=True); pathlib.Path({str(mark)!r}).touch(); time.sleep(600)"
    log = tmp_path / "service.log"
    service = Service(
        "test", [sys.executable, "-c", text], log=log, environment=dict(os.environ), healthy=mark.exists, timeout=30
    )
    assert not service.running
    service.start()
    assert service.running
    assert service.pid is not None
    service.stop()
    assert not service.running
    assert "hello" in log.read_text()


def test_one_that_ends_at_once_is_quoted(tmp_path: Path) -> None:
    service = Service(
        "test", [sys.executable, "-c", "raise SystemExit('no room')"], log=tmp_path / "service.log",
        environment=dict(os.environ), healthy=lambda: False, timeout=30,
    )  # fmt: skip
    with pytest.raises(LocalPlatformError, match="no room"):
        service.start()
    assert not service.running


def test_programs_are_ours_first() -> None:
    assert Path(program_path("python")).parent == Path(sys.executable).parent
    with pytest.raises(LocalPlatformError, match="no-such-program is not installed"):
        program_path("no-such-program")


def test_a_code_server_does_not_run_without_the_child_that_has_the_definitions(tmp_path: Path) -> None:
    text = (
        "import signal, subprocess, sys, time\n"
        "child = lambda: subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', 'grpc'])\n"
        "children = [child()]\n"
        "def reload(*_):\n"
        "    children.append(child()); children[0].kill(); children.pop(0).wait()\n"
        "signal.signal(signal.SIGUSR1, reload)\n"
        "while True: time.sleep(0.1)\n"
    )
    server = CodeServer(
        "code server", [sys.executable, "-c", text], log=tmp_path / "log", environment=dict(os.environ),
        healthy=lambda: True, timeout=30,
    )  # fmt: skip
    server.start()
    try:
        assert server.pid is not None
        process = psutil.Process(server.pid)
        wait_until(lambda: len(process.children()) == 1, 30.0)
        [first] = process.children()
        assert server.running
        process.send_signal(signal.SIGUSR1)
        wait_until(lambda: process.children() not in ([], [first]), 30.0)
        assert server.running, "reloaded"
        for child in process.children():
            child.kill()
        wait_until(lambda: not server.running, 30.0)
        assert process.is_running()
        assert not server.running, "however often it is asked: the supervisor does before it restarts it"
        process.send_signal(signal.SIGUSR1)
        wait_until(lambda: server.running, 30.0)
    finally:
        server.stop()
    assert not server.running


def test_a_child_of_a_moment_is_not_that_with_the_definitions(tmp_path: Path) -> None:
    """Libraries look for compilers and the like before the definitions are served."""
    text = (
        "import subprocess, sys, time\n"
        "subprocess.run([sys.executable, '-c', 'import time; time.sleep(1)'])\n"
        "time.sleep(600)\n"
    )
    server = CodeServer(
        "code server", [sys.executable, "-c", text], log=tmp_path / "log", environment=dict(os.environ),
        healthy=lambda: True, timeout=30,
    )  # fmt: skip
    server.start()
    try:
        assert server.pid is not None
        process = psutil.Process(server.pid)
        wait_until(lambda: bool(process.children()), 30.0)
        assert server.running
        wait_until(lambda: not process.children(), 30.0)
        assert server.running
    finally:
        server.stop()
