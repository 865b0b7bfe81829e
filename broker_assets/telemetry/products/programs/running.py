"""Third-party programs that a product needs: run in a folder, with a time limit, their output kept for the error.

How a program is started is a parameter, a `Runner`: `run_here` starts it as a child of this process; an
orchestrator may pass another that also reports on it (``broker_assets.resources.pipes_client``).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tenacity import Retrying, retry_if_result, stop_after_delay

from broker_assets import backoff

TAIL: Final = 4000
"""Characters of the output of a program that are kept."""
GRACE_SECONDS: Final = 5.0
"""Seconds between the request to end a program and killing it."""


class ProgramError(RuntimeError):
    """A program is missing, failed or took too long; the message has the end of its output."""


@dataclass(frozen=True)
class Step:
    """One program to run."""

    command: tuple[str, ...]
    """Program and arguments; no shell reads them."""
    folder: Path
    """Working folder."""
    seconds: float
    """Time limit."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables in addition to those of this process."""

    @property
    def name(self) -> str:
        """Name of the program."""
        return Path(self.command[0]).name


Runner = Callable[[Step], str]
"""Runs a step to its end and returns the end of its output; raises ProgramError."""


def run_here(step: Step) -> str:
    """Run a program as a child of this process; in any case, it and its children have ended afterwards.

    Parameters
    ----------
    step : Step

    Returns
    -------
    str
        The end of what it wrote to standard output and error.

    Raises
    ------
    ProgramError
        If it cannot be started, ends with a code other than 0, or does not finish in time.

    Examples
    --------
    >>> run_here(Step(("echo", "done"), Path("."), 10)).strip()
    'done'
    """
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(  # noqa: S603  the command is configuration, not data
                step.command,
                cwd=step.folder,
                env={**os.environ, **step.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ProgramError(f"{step.command[0]} cannot be started: {error}") from error
        try:
            late = not _ended(process, step.seconds)
        finally:
            code = _end(process)
        text = _tail(output.fileno())
    if late:
        raise ProgramError(
            f"{step.name} did not finish within {step.seconds:g} s; its output ends with: {text or 'nothing'}"
        )
    if code != 0:
        raise ProgramError(f"{step.name} failed with code {code}; its output ends with: {text or 'nothing'}")
    return text


def _ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether a program ends within a time; it stays a zombie, so that its process id cannot be reused."""

    def has_ended() -> bool:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None

    looks = Retrying(
        retry=retry_if_result(lambda ended: not ended),
        stop=stop_after_delay(seconds),
        wait=backoff.PROGRAM,
        retry_error_callback=lambda _: False,
    )
    return looks(has_ended)


def _end(process: subprocess.Popen[bytes]) -> int:
    """End a program, unless it has ended, and everything it started; return its exit code."""
    if not _ended(process, 0):
        os.killpg(process.pid, signal.SIGTERM)
        _ended(process, GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _tail(descriptor: int) -> str:
    size = os.lseek(descriptor, 0, os.SEEK_END)
    start = max(0, size - TAIL)
    return os.pread(descriptor, TAIL, start).decode("utf-8", errors="replace").strip()
