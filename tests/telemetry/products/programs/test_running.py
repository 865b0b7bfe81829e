"""Running programs of others."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from broker_assets.telemetry.products.programs.running import TAIL, ProgramError, Step, run_here


def python(text: str, folder: Path, seconds: float = 60.0) -> Step:
    """A step that runs Python."""
    return Step((sys.executable, "-c", text), folder, seconds, {"WHERE": "here"})


def test_folder_environment_and_output(tmp_path: Path) -> None:
    """A program runs in its folder with its variables; both of its outputs are kept."""
    output = run_here(
        python("import os, sys; print(os.getcwd(), os.environ['WHERE']); print('e', file=sys.stderr)", tmp_path)
    )
    assert sorted(output.split()) == sorted([str(tmp_path.resolve()), "here", "e"])


def test_only_the_end_of_a_long_output_is_kept(tmp_path: Path) -> None:
    """A talkative program costs no memory."""
    output = run_here(python("print('x' * 1_000_000 + 'the end')", tmp_path))
    assert output.endswith("the end")
    assert len(output) <= TAIL


def test_failure_tells_what_the_program_said(tmp_path: Path) -> None:
    """Code and output are in the message."""
    with pytest.raises(ProgramError, match=r"failed with code 3.*no such detector"):
        run_here(python("import sys; print('no such detector'); sys.exit(3)", tmp_path))


def test_missing_program(tmp_path: Path) -> None:
    """A program that is not there is told by name."""
    with pytest.raises(ProgramError, match="ECC cannot be started"):
        run_here(Step((str(tmp_path / "ECC"),), tmp_path, 10))


def test_a_late_program_ends_with_its_children(tmp_path: Path) -> None:
    """After the time limit neither the program nor what it started is left, even if it ignores the request to end."""
    child = "import os, time, pathlib; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(600)"
    text = (
        "import signal, subprocess, sys, time, pathlib\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        "print('started', flush=True)\n"
        "time.sleep(600)\n"
    )
    with pytest.raises(ProgramError, match=r"did not finish within 5 s; its output ends with: started"):
        run_here(python(text, tmp_path, 5))
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 30
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        os.kill(pid, 0)
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
