"""Children that are started, asked until they answer, and ended; and servers that own a folder."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from broker_assets.local.managed import FolderProcess
from broker_assets.local.processes import FolderInUseError, LocalPlatformError, run_child, start_child, wait_for_end
from broker_assets.local.service import Service

READY = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(''); time.sleep(600)"


class Server(FolderProcess):
    """Answers when its program has made a file."""

    def __init__(self, folder: Path, program: str, *, timeout: float = 30.0) -> None:
        super().__init__(folder, "The server", "server.log", owner="a server", timeout=timeout)
        self.program = program
        self.completed = 0

    def _launch(self) -> subprocess.Popen[bytes]:
        return start_child([sys.executable, "-c", self.program, self.folder / "ready"], log=self.log)

    def _silence(self) -> str | None:
        return None if (self.folder / "ready").exists() else "no file"

    def _prepare(self) -> None:
        super()._prepare()
        (self.folder / "ready").unlink(missing_ok=True)

    def _complete(self) -> None:
        self.completed += 1

    def _orphans(self) -> list[psutil.Process]:
        text = str(self.folder / "ready")
        return [process for process in psutil.process_iter(["cmdline"]) if text in (process.info["cmdline"] or [])]


def test_a_server_is_ready_when_it_answers(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / ".settings.0123.part").write_text("half")
    with Server(tmp_path / "server", READY) as server:
        assert server.running
        assert server.completed == 1
        assert not (server.folder / ".settings.0123.part").exists()
        child = psutil.Process(server.pid)
        with pytest.raises(FolderInUseError, match=r"a server in .* is already run by process"):
            Server(tmp_path / "server", READY).start()
        assert server.running
    assert server.pid is None
    assert not server.running
    assert wait_for_end([child], 10.0) == []
    server.stop()
    with server:
        assert server.completed == 2


def test_what_a_killed_predecessor_left_is_ended(tmp_path: Path) -> None:
    server = Server(tmp_path, READY)
    server.patience = 0.1
    left = subprocess.Popen([sys.executable, "-c", READY, str(tmp_path / "ready")])
    try:
        with server:
            assert left.wait(10) in (-signal.SIGTERM, -signal.SIGKILL)  # the second where a machine stalls
    finally:
        left.kill()


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("raise SystemExit('no such setting')", r"The server ended before it was ready.*\n.*\n.*no such setting"),
        ("import time; time.sleep(600)", r"The server did not answer within 1 s \(no file\)"),
    ],
)
def test_a_failed_start_leaves_nothing_behind(tmp_path: Path, program: str, message: str) -> None:
    server = Server(tmp_path, program, timeout=1.0)
    with pytest.raises(LocalPlatformError, match=message):
        server.start()
    assert server.pid is None
    assert server._orphans() == []
    with Server(tmp_path, READY) as another:
        assert another.completed == 1


class RecoveringServer(Server):
    """Recovers while its program has not taken back what it says in a file."""

    def _is_recovering(self) -> bool:
        return not (self.folder / "hangs").exists()


LATE = "import pathlib, sys, time; time.sleep(1.5); pathlib.Path(sys.argv[1]).write_text(''); time.sleep(600)"
HANGING = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).with_name('hangs').write_text(''); time.sleep(600)"


def test_a_server_that_recovers_may_take_longer(tmp_path: Path) -> None:
    with RecoveringServer(tmp_path, LATE, timeout=0.2) as server:
        assert server.completed == 1


@pytest.mark.parametrize(("program", "seconds"), [(HANGING, 600.0), ("import time; time.sleep(600)", 0.5)])
def test_one_that_hangs_while_it_recovers_is_given_up(tmp_path: Path, program: str, seconds: float) -> None:
    server = RecoveringServer(tmp_path, program, timeout=0.2)
    server.recovery = seconds
    with pytest.raises(LocalPlatformError, match="The server did not answer within"):
        server.start()
    assert server.pid is None


def test_a_service_is_interrupted_and_ended(tmp_path: Path) -> None:
    service = Service(
        "web server",
        [sys.executable, "-c", READY, str(tmp_path / "ready")],
        log=tmp_path / "log",
        environment={},
        healthy=(tmp_path / "ready").exists,
    )
    service.interrupt()
    service.launch()
    service.wait_until_ready()
    assert service.pid is not None
    child = psutil.Process(service.pid)
    service.interrupt()
    assert wait_for_end([child], 10.0) == []
    assert not service.running
    service.stop()
    assert service.pid is None


def test_a_command_that_ends_by_itself(tmp_path: Path) -> None:
    log = tmp_path / "log"
    run_child([sys.executable, "-c", "print('done')"], failure="It failed", seconds=30.0, log=log)
    assert log.read_text() == "done\n"
    with pytest.raises(LocalPlatformError, match=r"It failed\.\nLast lines of .*log:\ndone\nbroken"):
        run_child([sys.executable, "-c", "exit('broken')"], failure="It failed", seconds=30.0, log=log)
    slow = [sys.executable, "-c", READY, str(tmp_path / "ready")]
    with pytest.raises(LocalPlatformError, match="It failed: it did not end within 1 s"):
        run_child(slow, failure="It failed", seconds=1.0, log=log)
    assert not [process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"] == slow]
