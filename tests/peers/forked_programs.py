"""One process with loaded code for all tests of a worker, from which programs of platforms are forked.

Otherwise each would load the same code, which takes seconds of CPU time.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TextIO

import psutil

from broker_assets.local.loaded_code import ForkedProcess, LoadedCode

OF_PYTEST = "PYTEST_CURRENT_TEST"
"""It differs from test to test: code loaded with it for one test could not serve the next."""


@cache
def loaded_code() -> LoadedCode:
    """The process of this worker, which ends with it."""
    folder = Path(tempfile.mkdtemp(prefix="loaded-code-"))
    code = LoadedCode(lambda: folder / "loaded-code.log", idle_seconds=0)
    atexit.register(code.close)
    return code


def environment_of_programs(more: Mapping[str, str]) -> dict[str, str]:
    """That of this process and more variables."""
    return {name: value for name, value in os.environ.items() if name != OF_PYTEST} | dict(more)


def open_program(module: str, *arguments: str, paths: Sequence[Path] = ()) -> tuple[ForkedProcess, TextIO]:
    """Start `python -m MODULE …`; its process, and what it writes to both of its outputs.

    Parameters
    ----------
    module : str
        Module, also of a folder of tests.
    *arguments : str
        Its arguments.
    paths : sequence of Path
        Folders in which modules are searched first.
    """
    python_path = os.pathsep.join([*map(str, paths), os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory() as folder:
        pipe = Path(folder) / "output"
        os.mkfifo(pipe)
        process = loaded_code().start(
            [sys.executable, "-m", module, *arguments],
            log=pipe,
            name=module,
            environment=environment_of_programs({"PYTHONPATH": python_path}),
            death_signal=signal.SIGKILL,
        )
        assert process is not None
        # Waits until the program has opened it to write.
        return process, pipe.open()


def programs_of(home: Path) -> Iterator[psutil.Process]:
    """Living programs of a Dagster home: by their environment, or by the place of their output if they were forked."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            output = Path(f"/proc/{process.pid}/fd/1").readlink()
            if process.environ().get("DAGSTER_HOME") == str(home) or output.is_relative_to(home):
                yield process
