"""What all embedded Kafka brokers share: a folder with a lock, a log, one child process, readiness."""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import psutil
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from broker_assets.local.processes import (
    FolderLock,
    LocalPlatformError,
    end_orphans,
    explain_failure,
    free_ports,
    rotate_log,
    stop_child,
)
from broker_assets.storage.atomic import remove_abandoned


class Broker(Protocol):
    """A Kafka broker that we start and stop."""

    kind: str
    """`Apache Kafka`, `Apache Kafka in Docker` or `Tansu`."""
    durable: bool
    """Whether messages survive a restart."""
    log: Path
    """What it writes about itself."""

    @property
    def bootstrap_servers(self) -> str:
        """`host:port`, known from the start on."""

    @property
    def pid(self) -> int | None:
        """Its process id while we run it."""

    @property
    def running(self) -> bool:
        """Whether the process that we started lives."""

    def start(self) -> Self:
        """Start and wait until it answers a metadata request."""

    def stop(self) -> None:
        """End it; nothing happens if it does not run."""


class BrokerProcess:
    """What the brokers share: a folder with a lock, a log, one child, readiness by a metadata request."""

    kind = ""
    durable = True
    stop_signals: tuple[tuple[signal.Signals, float], ...] = ((signal.SIGTERM, 10.0),)

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).resolve()
        self.log = self.folder / "kafka.log"
        self.port: int | None = None
        self._lock = FolderLock(self.folder / "lock", subject="a Kafka broker")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """`host:port`.

        Raises
        ------
        LocalPlatformError
            Before the first start, when no port has been chosen.
        """
        if self.port is None:
            raise LocalPlatformError(f"{self.kind} has not been started yet")
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id while we run it."""
        return self._process.pid if self._process is not None else None

    @property
    def running(self) -> bool:
        """Whether the process that we started lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start it and wait until it answers.

        Raises
        ------
        FolderInUseError
            If another process runs a broker in this folder.
        LocalPlatformError
            If it cannot start; the message has the cause and the end of the log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        try:
            rotate_log(self.log)
            end_orphans(self._orphans, patience=15.0)
            remove_abandoned(self.folder)
            for attempt in (1, 2, 3):
                self._choose_ports()
                self._process = self._launch()
                try:
                    self._wait_until_ready()
                    break
                except LocalPlatformError as error:
                    # Between choosing a port and listening on it another program may have taken it.
                    if attempt == 3 or "port" not in str(error):
                        raise
                    self._end_child()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End it; nothing happens if it does not run."""
        self._end_child()
        self._lock.release()

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

    def _choose_ports(self) -> None:
        self.port = free_ports(1)[0]

    def _launch(self) -> subprocess.Popen[bytes]:
        raise NotImplementedError

    def _orphans(self) -> list[psutil.Process]:
        """Processes of a killed predecessor in this folder; they carry its path as an argument."""
        marker = self._marker
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if any(marker in part for part in process.cmdline()):
                    found.append(process)
        return found

    @property
    def _marker(self) -> str:
        """Text in the command line that no other folder's broker has."""
        return f"broker.assets.folder={self.folder}/"

    def _wait_until_ready(self, timeout: float = 90.0) -> None:
        process = self._process
        assert process is not None  # noqa: S101 - only called by start()
        client = AdminClient(
            {"bootstrap.servers": self.bootstrap_servers, "log_level": 0, "reconnect.backoff.max.ms": 200}
        )
        deadline = time.monotonic() + timeout
        while True:
            try:
                if client.list_topics(timeout=2.0).brokers:
                    return
            except KafkaException:
                pass
            if process.poll() is not None:
                raise explain_failure(f"{self.kind} ended before it was ready", self.log)
            if time.monotonic() > deadline:
                raise explain_failure(f"{self.kind} did not answer within {timeout:.0f} s", self.log)
            time.sleep(0.1)
