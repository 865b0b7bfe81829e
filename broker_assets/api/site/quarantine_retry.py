"""Retries quarantined messages in a separate process, as `broker-assets quarantine retry` does."""

from __future__ import annotations

import datetime
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

COMMAND: Final = (sys.executable, "-m", "broker_assets.cli", "quarantine", "retry")
LONGEST: Final = 4000
"""Characters of the output of a process that are kept."""


@dataclass(frozen=True)
class Retry:
    """A retry that is running or has ended."""

    topic: str
    reason: str
    """Kind of the reason."""
    by: str
    """Name of the account."""
    started_at: datetime.datetime
    finished_at: datetime.datetime | None = None
    code: int | None = None
    """Exit code: 0 if all messages became rows, 1 if some failed again."""
    said: str = ""


class QuarantineRetry:
    """Runs one retry at a time.

    Parameters
    ----------
    command : sequence of str, optional
        Command that is run, with the topic and the reason as options; default: `COMMAND`.
    """

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command = tuple(COMMAND if command is None else command)
        self._lock = threading.Lock()
        self._last: Retry | None = None

    @property
    def last(self) -> Retry | None:
        """The retry that is running or ended last; None if there was none since the server started."""
        return self._last

    def start(self, topic: str, reason: str, *, by: str) -> bool:
        """Start a retry of the messages with a topic and a kind of reason; False if one is already running."""
        with self._lock:
            if self._last is not None and self._last.finished_at is None:
                return False
            self._last = Retry(topic, reason, by, datetime.datetime.now(datetime.UTC))
        threading.Thread(target=self._run, args=(self._last,), name="quarantine retry", daemon=True).start()
        return True

    def _run(self, retry: Retry) -> None:
        options = (f"--topic={retry.topic}", f"--reason={retry.reason}")
        try:
            done = subprocess.run(  # noqa: S603 (our own command; the options cannot be read as others)
                [*self._command, *options], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
            )
            code, said = done.returncode, (done.stdout + done.stderr).strip()
        except OSError as error:
            code, said = -1, str(error)
        ended = datetime.datetime.now(datetime.UTC)
        self._last = replace(retry, finished_at=ended, code=code, said=said[-LONGEST:])
