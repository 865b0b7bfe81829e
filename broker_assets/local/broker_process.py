"""What all embedded Kafka brokers share: their port, and readiness by a metadata request."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, Self

import psutil
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from broker_assets.local.managed import FolderProcess
from broker_assets.local.processes import LocalPlatformError, free_ports

RECOVERY_SILENCE_SECONDS = 60.0
"""A broker that does not answer, and whose log is as old as this, is no longer recovering."""

LEAST_FREE_SPACE = 200 * 1024**2
"""Minimum free disk space to start, bytes: recovery writes 20 MB of index files for each partition that was written to,
of which few kilobytes are used; the rest is for the messages of the first moments."""


class Broker(Protocol):
    """A Kafka broker that we start and stop."""

    kind: str
    """`Apache Kafka`, `Apache Kafka in Docker` or `Tansu`."""
    durable: bool
    """Whether messages survive a restart."""
    log: Path
    """Its log file."""

    @property
    def bootstrap_servers(self) -> str:
        """`host:port`, known once it has been started."""

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""

    @property
    def running(self) -> bool:
        """Whether the process started here is alive."""

    def start(self) -> Self:
        """Start and wait until it answers a metadata request."""

    def stop(self) -> None:
        """Stop it; does nothing if it is not running."""


class BrokerProcess(FolderProcess):
    """What the brokers share: a folder with the log, a port, readiness by a metadata request."""

    kind = ""
    durable = True
    recovery = 1800.0
    client: Mapping[str, str] = MappingProxyType({})
    """Properties that our clients need besides its address, including secrets."""

    def __init__(self, folder: Path | str) -> None:
        super().__init__(folder, self.kind, "kafka.log", owner="a Kafka broker", timeout=90.0)
        self.port: int | None = None
        self._client: AdminClient | None = None

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

    def _prepare(self) -> None:
        # Apache Kafka 4.3, started again on a full disk, was seen to take its metadata for damaged and to empty them:
        # all topics were lost.
        free = shutil.disk_usage(self.folder).free
        if self.durable and free < LEAST_FREE_SPACE:
            raise LocalPlatformError(
                f"{self.subject} is not started, since it could lose messages: the disk of {self.folder} has "
                f"{free / 1024**2:.0f} MB free, {LEAST_FREE_SPACE / 1024**2:.0f} MB are needed"
            )
        super()._prepare()

    def launch(self) -> None:
        """Choose the ports and start the child without waiting until it is ready."""
        self._choose_ports()
        super().launch()
        self._client = AdminClient(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "log_level": 0,
                "reconnect.backoff.max.ms": 200,
                **self.client,
            }
        )

    def wait_until_ready(self) -> None:
        """Wait until it answers; with other ports if a program took ours between our choice and the start."""
        for attempt in (1, 2, 3):
            try:
                super().wait_until_ready()
                break
            except LocalPlatformError as error:
                if attempt == 3 or "port" not in str(error):
                    raise
                self._end_child()
                self.launch()
        self._client = None

    def _choose_ports(self) -> None:
        self.port = free_ports(1)[0]

    def _orphans(self) -> list[psutil.Process]:
        """Processes of a killed predecessor in this folder; they have its path as an argument."""
        marker = self._marker
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if any(marker in part for part in process.cmdline()):
                    found.append(process)
        return found

    @property
    def _marker(self) -> str:
        """Text in the command line that is unique to the broker of this folder."""
        return f"broker.assets.folder={self.folder}/"

    def _is_recovering(self) -> bool:
        # After a crash it reads the segments that were not flushed, and says so in its log for each of them.
        try:
            return time.time() - self.log.stat().st_mtime < RECOVERY_SILENCE_SECONDS
        except OSError:
            return False

    def _silence(self) -> str | None:
        assert self._client is not None  # noqa: S101 - made by launch()
        try:
            return None if self._client.list_topics(timeout=2.0).brokers else ""
        except KafkaException:
            return ""
