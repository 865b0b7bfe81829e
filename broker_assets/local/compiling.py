"""Compiles in advance while the servers start; in a fresh checkout the first run would otherwise compile for a minute.

See `broker_assets.compiled`, which is not imported here: it loads the compiler.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import broker_assets
from broker_assets.local.processes import LocalPlatformError, explain_failure, start_child

SECONDS = 900.0
"""Time limit, seconds: what is not compiled by then is compiled when it is needed."""


def missing() -> bool:
    """Whether some function has not been compiled for any types yet.

    Code that has changed since is not detected: it is compiled again when it is called.
    """
    package = Path(broker_assets.__path__[0])
    cache = os.environ.get("NUMBA_CACHE_DIR")
    kept = {path.name.rpartition("-")[0] for path in Path(cache or package).rglob("*.nbi")}
    listed = re.findall(r"^[\w.]+?\.(\w+\.\w+)\(", (package / "compiled_types.txt").read_text(), re.MULTILINE)
    return not kept.issuperset(listed)


class Compiling:
    """A process that compiles what is missing.

    Parameters
    ----------
    log : Path
        Its log file.
    report : callable
        Receives lines for the user.
    """

    def __init__(self, log: Path, report: Callable[[str], None]) -> None:
        self._log = log
        self._report = report
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start it, if anything is missing."""
        if not missing():
            return
        self._report("Compiling the loops, once (while the servers start) …")
        try:
            self._process = start_child([sys.executable, "-m", "broker_assets.compiled"], log=self._log)
        except LocalPlatformError as error:
            self._report(f"{error}; they are compiled when they are needed")

    def wait(self) -> None:
        """Wait until it has ended. Whatever happens to it, everything works, only more slowly."""
        if self._process is None:
            return
        try:
            if self._process.wait(SECONDS) != 0:
                self._report(f"{explain_failure('The loops could not all be compiled ahead', self._log)}")
        except subprocess.TimeoutExpired:
            self._report(f"The loops are still being compiled after {SECONDS:.0f} s; see {self._log}")
