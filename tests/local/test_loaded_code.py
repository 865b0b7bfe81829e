"""Programs that begin with loaded code: real processes, which load little where it does not matter what."""

from __future__ import annotations

import json
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from dagster_services import wait_until
from forked_programs import OF_PYTEST, loaded_code

from broker_assets.local import loaded_code as asking
from broker_assets.local import loaded_process
from broker_assets.local.loaded_code import UNKNOWN_END, ForkedProcess, LoadedCode
from broker_assets.local.loaded_process import DEPENDS_ON_SETTINGS, LOADED_NAME, beginning, code_on_disk, runs
from broker_assets.local.run_processes import RUN_NAME, is_run_worker

pytestmark = pytest.mark.slow

CODE = """
import json, os, pathlib, sys, threading, time
facts = {
    "argv": sys.argv, "environment": dict(os.environ), "folder": os.getcwd(), "session": os.getsid(0),
    "threads": threading.active_count(), "files": len(os.listdir("/proc/self/fd")), "name": __name__,
    "loaded": [name in sys.modules for name in ("broker_assets.enrichment_plan", "broker_assets.sky.angles")],
    "settings_read": "broker_assets.partitions" in sys.modules,
}
from broker_assets.partitions import nights
facts["nights"] = nights.start.date().isoformat()
print("said by the program", end="", flush=True)
pathlib.Path(__file__).with_suffix(f".{os.getpid()}").write_text(json.dumps(facts))
time.sleep(600)
"""

LITTLE = ("broker_assets.sky.angles",)
"""A module that little else imports."""

Start = Callable[..., tuple[ForkedProcess, dict[str, Any]]]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedCode]:
    folder = tmp_path_factory.mktemp("loaded")
    code = LoadedCode(lambda: folder / "loaded-code.log", modules=LITTLE)
    yield code
    code.close()


@pytest.fixture
def start(loaded: LoadedCode, tmp_path: Path) -> Iterator[Start]:
    """Starts a program that waits, and returns its process with what it found itself in."""
    (tmp_path / "program_that_waits.py").write_text(textwrap.dedent(CODE))
    started: list[ForkedProcess] = []

    def one(
        program: str = "program_that_waits", code: LoadedCode = loaded, **options: Any
    ) -> tuple[ForkedProcess, dict[str, Any]]:
        command = [sys.executable, "-m", program, "an argument"]
        process = code.start(command, folder=tmp_path, name=RUN_NAME, log=tmp_path / "program.log", **options)
        assert process is not None
        started.append(process)
        facts = tmp_path / f"{program}.{process.pid}"
        wait_until(lambda: facts.exists() and facts.stat().st_size > 0)
        return process, json.loads(facts.read_text())

    yield one
    for process in started:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)


def parent(process: ForkedProcess) -> int:
    """Process id of the loaded process."""
    return psutil.Process(process.pid).ppid()


def test_a_program_is_what_a_started_process_would_be(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(OF_PYTEST)
    first, _ = start(code=loaded_code())
    monkeypatch.setenv("BROKER_OF_THIS_TEST", "environment of the process that asks")
    # Settings are its own, though the code was loaded before they were given.
    monkeypatch.setenv("BROKER_PARTITIONS__FIRST_NIGHT", "2031-02-03")
    process, facts = start(code=loaded_code())
    assert parent(process) == parent(first), "the code is loaded once"
    assert (facts["loaded"], facts["settings_read"], facts["name"]) == ([True, True], False, "__main__")
    assert facts["nights"] == "2031-02-03"
    assert facts["argv"][1:] == ["an argument"]
    assert facts["environment"].items() >= dict(os.environ).items()
    assert (facts["folder"], facts["session"], facts["threads"]) == (str(tmp_path), process.pid, 1)
    # Its three streams, and the listing itself: nothing of its parent, nor of its siblings.
    assert facts["files"] == 4
    assert (tmp_path / "program.log").read_text().count("said by the program") == 2
    shown = psutil.Process(process.pid)
    assert shown.name() == RUN_NAME
    assert "program_that_waits" in " ".join(shown.cmdline())
    assert is_run_worker(shown)
    assert psutil.Process(parent(process)).name() == LOADED_NAME
    assert psutil.Process(parent(process)).environ()["PATH"] == os.environ["PATH"], "the environment can be read"

    # The end of each is known, and how.
    os.kill(first.pid, signal.SIGKILL)
    os.kill(process.pid, signal.SIGINT)
    assert first.wait(30.0) == -signal.SIGKILL
    assert process.wait(30.0) not in (0, -signal.SIGKILL, UNKNOWN_END)
    assert "KeyboardInterrupt" in (tmp_path / "program.log").read_text()


def test_what_is_to_go_on_outlives_the_loaded_process_and_another_takes_its_place(start: Start) -> None:
    lasting, _ = start()
    bound, _ = start(death_signal=signal.SIGTERM)
    os.kill(parent(lasting), signal.SIGKILL)
    assert bound.wait(30.0) == UNKNOWN_END
    later, _ = start()
    assert lasting.poll() is None
    assert parent(later) != parent(lasting)
    os.kill(lasting.pid, signal.SIGKILL)
    assert lasting.wait(30.0) == UNKNOWN_END
    assert later.poll() is None


def test_what_a_program_starts_itself_begins_with_loaded_code_too(start: Start, tmp_path: Path) -> None:
    (tmp_path / "program_that_forks.py").write_text(
        textwrap.dedent("""
            import json, os, pathlib, sys, time
            from broker_assets.local.loaded_code import LoadedCode
            code = LoadedCode(lambda: pathlib.Path("never-needed.log"))
            made = code.start([sys.executable, "-m", "program_that_waits"], log=None, name="inner")
            pathlib.Path(__file__).with_suffix(f".{os.getpid()}").write_text(json.dumps({"inner": made.pid}))
            time.sleep(600)
        """)
    )
    outer, said = start("program_that_forks", forks=True, death_signal=signal.SIGTERM)
    inner = said["inner"]
    facts = tmp_path / f"program_that_waits.{inner}"
    wait_until(lambda: facts.exists() and facts.stat().st_size > 0)
    assert json.loads(facts.read_text())["loaded"] == [False, True], "what its ancestor had loaded"
    assert not (tmp_path / "never-needed.log").exists()
    chain = [process.pid for process in psutil.Process(inner).parents()]
    assert outer.pid in chain
    os.kill(inner, signal.SIGKILL)


def test_a_loaded_process_that_hangs_is_replaced_and_starts_nothing_later(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its answer comes too late: a run that it started then would have two processes."""
    process, _ = start()
    bound, _ = start(death_signal=signal.SIGTERM)
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(asking, "END_SECONDS", 0.2)
    monkeypatch.setattr(loaded_process, "GRACE_SECONDS", 0.2)
    hanging = psutil.Process(parent(process))
    hanging.suspend()
    later, _ = start()
    assert parent(later) != hanging.pid
    assert not hanging.is_running()
    assert bound.wait(30.0) == UNKNOWN_END, "what was to end with it has ended, and can be started again"
    assert len(list(tmp_path.glob("program_that_waits.*[0-9]"))) == 3, "each request became one process"
    assert process.poll() is None


def test_one_with_older_code_stays_as_long_as_what_would_end_with_it(
    start: Start, loaded: LoadedCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, _ = start(death_signal=signal.SIGTERM)
    older = psutil.Process(parent(service))
    # A variable that a library may have read when it was imported: the loaded code is another then.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    later, _ = start()
    assert parent(later) != older.pid
    assert service.poll() is None
    loaded.close()
    assert service.wait(30.0) in (-signal.SIGTERM, UNKNOWN_END)
    assert later.poll() is None
    assert not older.is_running()


@pytest.mark.parametrize(
    ("name", "read"), [("BROKER_DRAIN__BATCH_MAX", False), ("DAGSTER_HOME", False), ("TZ", True), ("LD_PRELOAD", True)]
)
def test_loaded_code_depends_on_what_libraries_read(name: str, read: bool) -> None:
    environment = {"PATH": "/bin"}
    assert beginning(environment) == beginning(dict(environment))
    assert (beginning(environment) != beginning(environment | {name: "value"})) == read


def test_commands_that_can_be_forked() -> None:
    assert runs([sys.executable, "-m", "anything"])
    assert runs(["/any/folder/uvicorn", "--factory"])
    assert not runs([sys.executable, "-c", "pass"])
    assert not runs([sys.executable])
    assert not runs(["/bin/sleep", "1"])
    assert LoadedCode(lambda: Path("unused")).start(["/bin/sleep", "1"], log=None, name="sleep") is None
    assert DEPENDS_ON_SETTINGS == "broker_assets.partitions"


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
