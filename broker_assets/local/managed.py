"""A child process with a log that is started, polled until it answers, and ended.

What services, the PostgreSQL server and the Kafka brokers share is here: `ManagedProcess`, and `FolderProcess` for
servers that own a folder. `processes` forks and signals children; `service`, `postgres` and `kafka` have what each
server needs.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from broker_assets.local.processes import Child, FolderLock, end_orphans, explain_failure, rotate_log, stop_child
from broker_assets.storage.atomic import remove_abandoned


class ManagedProcess:
    """A child process that answers requests when it is ready.

    Parameters
    ----------
    subject : str
        What it is; messages begin with it.
    log : Path
        File to which its output is appended.
    timeout : float
        Seconds it may take to become ready. A server that is recovering from a crash may take longer: if it were
        ended then, it would begin its recovery again, and never be ready.

    Notes
    -----
    A subclass has `_launch`, `_silence` by which it is known to be ready, and `_is_recovering`.
    """

    stop_signals: tuple[tuple[signal.Signals, float], ...] = ((signal.SIGTERM, 10.0),)
    """Signals sent in turn to end it, each with the seconds to wait after it; then SIGKILL."""
    pause = 0.1
    """Seconds between two checks whether it is ready."""
    recovery = 6 * 3600.0
    """Seconds that it may take to become ready while it says that it is recovering, or shows it."""

    def __init__(self, subject: str, log: Path, *, timeout: float) -> None:
        self.subject = subject
        self.log = log
        self._timeout = timeout
        self._deadline = 0.0
        self._process: Child | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the child that we started; None before its start and after its end."""
        return self._process.pid if self._process is not None else None

    @property
    def running(self) -> bool:
        """Whether the child that we started is alive."""
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start the child without waiting until it is ready."""
        self._process = self._launch()
        self._deadline = time.monotonic() + self._timeout

    def wait_until_ready(self) -> None:
        """Wait until it answers.

        Raises
        ------
        LocalPlatformError
            If it ends first, or does not answer in time; the message has the end of its log.
        """
        begun = time.monotonic()
        while (silence := self._silence()) is not None:
            if not self.running:
                raise explain_failure(f"{self.subject} ended before it was ready", self.log)
            now = time.monotonic()
            if now > self._deadline:
                if now - begun > self.recovery or not self._is_recovering():
                    if self._silence() is None:  # it has become ready between the two questions
                        return
                    reason = f" ({silence})" if silence else ""
                    raise explain_failure(f"{self.subject} did not answer within {now - begun:.0f} s{reason}", self.log)
                self._deadline = now + self.pause
            time.sleep(self.pause)

    def start(self) -> Self:
        """Start it and wait until it answers.

        Raises
        ------
        LocalPlatformError
            If it cannot start; the message has the cause and the end of the log.
        """
        self.launch()
        self.wait_until_ready()
        return self

    def interrupt(self) -> None:
        """Ask it to end, without waiting."""
        if self._process is not None and self.running:
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """End it; nothing happens if it is not running."""
        self._end_child()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _end_child(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            stop_child(process, self.stop_signals)

    def _launch(self) -> Child:
        """Start the child; see `start_child`."""
        raise NotImplementedError

    def _is_recovering(self) -> bool:
        """Whether it is still at work on what a crash left, and will answer by itself."""
        return False

    def _silence(self) -> str | None:
        """Why it does not answer yet, empty if that is not known; None when it answers. Returns within seconds."""
        raise NotImplementedError


class FolderProcess(ManagedProcess):
    """A server that owns a folder with its log: one process at a time, and leftovers of a killed one are ended first.

    Parameters
    ----------
    folder : Path or str
        Created if absent.
    log : str
        Name of its log in the folder.
    owner : str
        Name of what runs in the folder, for the message that another process holds it.
    """

    patience = 15.0
    """Seconds that children of a killed predecessor may take to end by themselves."""

    def __init__(self, folder: Path | str, subject: str, log: str, *, owner: str, timeout: float) -> None:
        self.folder = Path(folder).resolve()
        super().__init__(subject, self.folder / log, timeout=timeout)
        self._lock = FolderLock(self.folder / "lock", subject=owner)

    def start(self) -> Self:
        """Start it and wait until it answers.

        Raises
        ------
        FolderInUseError
            If another process runs a server in this folder.
        LocalPlatformError
            If it cannot start; the message has the cause and the end of the log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        try:
            self._prepare()
            super().start()
            self._complete()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End it and release the folder; nothing happens if it is not running."""
        super().stop()
        self._lock.release()

    def _prepare(self) -> None:
        """Prepare the start in the folder, which is now locked: rotate the log, end and remove leftovers."""
        rotate_log(self.log)
        end_orphans(self._orphans, patience=self.patience)
        remove_abandoned(self.folder)

    def _complete(self) -> None:
        """Complete the start when it answers."""

    def _orphans(self) -> list[psutil.Process]:
        """Processes of a killed predecessor in this folder."""
        raise NotImplementedError
