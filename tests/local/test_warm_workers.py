"""Runs that begin with loaded code: real processes, one loaded process for the whole file."""

from __future__ import annotations

import json
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from dagster import serialize_value
from dagster_private import FileCodePointer, JobPythonOrigin, RepositoryPythonOrigin
from dagster_services import wait_until

from broker_assets.dagster_internals import ExecuteRunArgs
from broker_assets.local import warm_workers
from broker_assets.local.run_workers import is_run_worker
from broker_assets.local.warm_workers import UNKNOWN_END, ForkedWorker, WarmWorkers, beginning, code_on_disk
from broker_assets.settings import settings_file

pytestmark = pytest.mark.slow

CODE = """
import json, os, pathlib, sys, threading, time
facts = {
    "argv": sys.argv, "environment": dict(os.environ), "folder": os.getcwd(), "session": os.getsid(0),
    "threads": threading.active_count(), "loaded": "broker_assets.build" in sys.modules,
    "files": len(os.listdir("/proc/self/fd")),
}
print("said by the run", flush=True)
pathlib.Path(__file__).with_suffix(f".{os.getpid()}").write_text(json.dumps(facts))
time.sleep(600)
"""


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmWorkers]:
    folder = tmp_path_factory.mktemp("warm")
    workers = WarmWorkers(lambda: folder / "loaded-code.log")
    yield workers
    workers.close()


@pytest.fixture
def start(warm: WarmWorkers, tmp_path: Path) -> Iterator[Callable[[], tuple[ForkedWorker, dict[str, object]]]]:
    """Starts a worker whose code waits, and returns it with what it found itself in."""
    code = tmp_path / "code_that_waits.py"
    code.write_text(textwrap.dedent(CODE))
    origin = JobPythonOrigin("any", RepositoryPythonOrigin(sys.executable, FileCodePointer(str(code), "nothing")))
    arguments = ["api", "execute_run", serialize_value(ExecuteRunArgs(origin, "a-run", None))]
    started: list[ForkedWorker] = []

    def one() -> tuple[ForkedWorker, dict[str, object]]:
        worker = warm.start(arguments, tmp_path / "a-run.log")
        assert worker is not None
        started.append(worker)
        facts = code.with_suffix(f".{worker.pid}")
        wait_until(lambda: facts.exists() and facts.stat().st_size > 0)
        return worker, json.loads(facts.read_text())

    yield one
    for worker in started:
        if worker.poll() is None:
            os.kill(worker.pid, signal.SIGKILL)


def parent(worker: ForkedWorker) -> int:
    """Process id of the loaded process."""
    return psutil.Process(worker.pid).ppid()


def test_a_worker_is_what_a_started_process_would_be(
    start: Callable[[], tuple[ForkedWorker, dict[str, object]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_OF_THIS_TEST", "environment of the process that asks")
    monkeypatch.chdir(tmp_path)
    first, _ = start()
    worker, facts = start()
    assert parent(worker) == parent(first), "the code is loaded once"
    assert facts["loaded"]
    assert facts["argv"][1:3] == ["api", "execute_run"]  # type: ignore[index]
    assert facts["environment"].items() >= dict(os.environ).items()  # type: ignore[attr-defined]
    assert (facts["folder"], facts["session"]) == (str(tmp_path), worker.pid)
    assert facts["threads"] == 1
    # Its three streams, and the listing itself: nothing of its parent, nor of its siblings.
    assert facts["files"] == 4
    assert (tmp_path / "a-run.log").read_text().count("said by the run") == 2
    assert is_run_worker(psutil.Process(worker.pid))
    assert not is_run_worker(psutil.Process(parent(worker)))

    # The end of each is known, and how.
    os.kill(first.pid, signal.SIGKILL)
    os.kill(worker.pid, signal.SIGINT)
    assert first.wait(30.0) == -signal.SIGKILL
    assert worker.wait(30.0) not in (0, -signal.SIGKILL, UNKNOWN_END)
    assert "KeyboardInterrupt" in (tmp_path / "a-run.log").read_text()


def test_runs_outlive_the_loaded_process_and_another_takes_its_place(
    start: Callable[[], tuple[ForkedWorker, dict[str, object]]],
) -> None:
    worker, _ = start()
    os.kill(parent(worker), signal.SIGKILL)
    later, _ = start()
    assert worker.poll() is None
    assert parent(later) != parent(worker)
    os.kill(worker.pid, signal.SIGKILL)
    assert worker.wait(30.0) == UNKNOWN_END
    assert later.poll() is None


def test_a_loaded_process_that_hangs_is_replaced_and_starts_nothing_later(
    start: Callable[[], tuple[ForkedWorker, dict[str, object]]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its answer comes too late: a run that it started then would have two processes."""
    monkeypatch.setattr(warm_workers, "ANSWER_SECONDS", 0.5)
    worker, _ = start()
    hanging = psutil.Process(parent(worker))
    hanging.suspend()
    monkeypatch.setattr(warm_workers, "END_SECONDS", 0.2)
    later, _ = start()
    assert parent(later) != hanging.pid
    assert not hanging.is_running()
    assert len(list(tmp_path.glob("code_that_waits.*[0-9]"))) == 2, "each request became one process"
    assert worker.poll() is None


@pytest.mark.parametrize("what", ["environment", "settings", "folder"])
def test_a_run_has_the_settings_of_now(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules read settings when they are imported: what they have read must not outlive a change."""
    monkeypatch.chdir(tmp_path)
    before = beginning()
    assert beginning() == before
    if what == "environment":
        monkeypatch.setenv("BROKER_DRAIN__BATCH_MAX", "17")
    elif what == "settings":
        settings_file().write_text("[drain]\nbatch_max = 17\n")
    else:
        (tmp_path / "other").mkdir()
        monkeypatch.chdir(tmp_path / "other")
    assert beginning() != before


def test_code_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    module = tmp_path / "inner" / "module.py"
    module.write_text("1")
    seen = [code_on_disk(tmp_path)]
    assert code_on_disk(tmp_path) == seen[0]
    os.utime(module, ns=(0, 0))
    seen.append(code_on_disk(tmp_path))
    (tmp_path / "table.csv").write_text("1")
    seen.append(code_on_disk(tmp_path))
    module.unlink()
    seen.append(code_on_disk(tmp_path))
    assert len(set(seen)) == 4
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "other.py").write_text("1")
    assert code_on_disk(tmp_path) == seen[-1]
