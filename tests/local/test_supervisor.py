"""`broker-assets up` and `down`, the real command with real services."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from small_disks import fill, mounted_disk

from broker_assets.local import platform
from broker_assets.local.loaded_code import DEFINITIONS_NAME
from broker_assets.local.processes import free_ports, wait_for_end
from broker_assets.local.readiness import answers_http
from broker_assets.local.supervisor import Supervisor, _Watched
from broker_assets.monitoring import state_file
from broker_assets.monitoring.state_file import PlatformState
from broker_assets.settings import Settings

COMMAND = str(Path(sys.executable).with_name("broker-assets"))


class Platform:
    """A platform in a folder of this test."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "state"
        dagster_port, api_port = free_ports(2)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("BROKER_")} | {
            "BROKER_HOME": str(self.home),
            "BROKER_SERVER__DAGSTER_PORT": str(dagster_port),
            "BROKER_SERVER__API_PORT": str(api_port),
        }
        self.log = folder / "up.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home)

    @property
    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def up(self) -> None:
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [COMMAND, "up"], env=self.environment, stdout=output, stderr=output, start_new_session=True
            )
        self.wait_until(lambda: "Everything is running" in self.said, 240.0)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([COMMAND, *arguments], env=self.environment, capture_output=True, text=True, timeout=120)

    def wait_until(self, condition: Callable[[], bool], seconds: float = 90.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process is not None
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.2)

    def state(self) -> PlatformState:
        state = state_file.running(self.settings)
        assert state is not None
        return state

    def processes(self) -> list[psutil.Process]:
        """Everything that it started, PostgreSQL and its children included."""
        found = {process.pid: process for process in platform.platform_processes(self.home)}
        for service in self.state().services:
            process = psutil.Process(service.pid)
            found |= {one.pid: one for one in (process, *process.children(recursive=True))}
        return list(found.values())


def open_to_others(home: Path) -> list[str]:
    """Files of a platform that other users of the machine may read, or its group change."""
    return [
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o137
    ]


@pytest.fixture
def here() -> Iterator[Platform]:
    folder = Path(tempfile.mkdtemp(prefix="broker-up-test-"))
    folder.chmod(0o711)
    made = Platform(folder)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.send_signal(signal.SIGTERM)
        made.process.wait(90)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.platform
@pytest.mark.database
@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_life(here: Platform) -> None:
    """Start; a second start; killed outright; start again on the same state; killed services come back; `down`."""
    here.up()
    state = here.state()
    assert state.addresses is not None
    assert answers_http(f"{state.addresses.webserver_url}/server_info")()
    assert answers_http(state.addresses.api_url)()
    assert {service.name for service in state.services} == {
        "PostgreSQL",
        "Kafka",
        "code-server",
        "daemon",
        "webserver",
        "api",
    }

    assert open_to_others(here.home) == []

    second = here.run("up")
    assert second.returncode == 1
    assert f"already run by process {state.supervisor.pid}" in second.stdout + second.stderr

    started = here.processes()
    assert here.process is not None
    here.process.kill()
    here.process.wait()
    assert wait_for_end(started, 30.0) == []
    assert json.loads((here.home / "state.json").read_text())["supervisor"]["pid"] == here.process.pid
    assert state_file.running(here.settings) is None

    here.up()
    state = here.state()
    # Of the code server only the process with its definitions: what remains answers with errors.
    killed = {"PostgreSQL", "code-server"}
    for service in state.services:
        if service.name in killed:
            assert service.pid is not None
            pid = service.pid
            if service.name == "code-server":
                children = psutil.Process(pid).children(recursive=True)
                [pid] = [child.pid for child in children if child.name() == DEFINITIONS_NAME]
            os.kill(pid, signal.SIGKILL)
    here.wait_until(
        lambda: all(
            service.state == "running" and service.restarts >= 1
            for service in here.state().services
            if service.name in killed
        )
    )
    assert "PostgreSQL has ended unexpectedly" in here.said

    started = here.processes()
    assert len(started) > 6
    assert here.run("down").returncode == 0
    assert here.process.wait(30) == 0
    assert wait_for_end(started, 5.0) == []
    assert not (here.home / "state.json").exists()
    assert "Nothing was running" in here.run("down").stdout


@pytest.mark.slow
def test_a_busy_port_is_named_before_anything_starts(here: Platform) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(here.environment["BROKER_SERVER__API_PORT"])))
        other.listen()
        result = here.run("up")
    assert result.returncode == 1
    assert "BROKER_SERVER__API_PORT" in result.stdout + result.stderr
    assert not (here.home / "postgres").exists()
    assert "Traceback" not in result.stdout + result.stderr


class PartOfFullDisk:
    """A part that cannot write what it needs to start while its disk is full."""

    pid = None

    def __init__(self, folder: Path) -> None:
        self.log = folder / "part.log"
        self.settings = folder / "part.properties"
        self.running = False

    def start(self) -> None:
        self.settings.write_bytes(bytes(1 << 16))
        self.running = True

    def stop(self) -> None:
        self.running = False


def test_a_full_disk_ends_nothing(tmp_path: Path) -> None:
    """Neither the state nor a part's settings can be written, nor a message: all of it is done when there is space."""
    said: list[str] = []
    with mounted_disk(tmp_path / "disk", "256k") as disk, (disk / "output").open("w", buffering=1) as output:

        def report(message: str) -> None:
            said.append(message)
            output.write(f"{message}\n" * 100)

        supervisor = Supervisor(Settings(home=disk), report)
        filling = fill(disk)
        watched = _Watched("Kafka", PartOfFullDisk(disk), state="running")
        supervisor._watched.append(watched)
        supervisor._attend(watched)
        watched.next_start = 0.0
        supervisor._attend(watched)
        assert (watched.state, watched.failures) == ("waiting", 2)
        assert "Kafka could not be started: [Errno 28]" in said[-1]
        assert sum("could not be written" in message for message in said) == 1
        filling.unlink()
        watched.next_start = 0.0
        supervisor._attend(watched)
        assert (watched.state, watched.part.running) == ("running", True)
        state = state_file.read_state(Settings(home=disk))
        assert state is not None
        assert [service.state for service in state.services] == ["running"]
