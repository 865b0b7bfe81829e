"""The state of the platform for many readers at once, refreshed at most every few seconds."""

from __future__ import annotations

import threading
import time

from broker_assets.monitoring.status import Status, gather
from broker_assets.monitoring.telemetry.overview import Overview, overview
from broker_assets.resources.kafka import Kafka
from broker_assets.settings import Settings

FRESH = 2.0
"""Seconds for which a result is reused."""
TELEMETRY_FRESH = 60.0
"""The same for telemetry, which changes more slowly and requires reading all product files."""


class Observer:
    """Examines the platform on request, once for all simultaneous requests.

    Parameters
    ----------
    settings : Settings
        With the addresses of the servers.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._seen: Status | None = None
        self._at = 0.0
        self._telemetry_lock = threading.Lock()
        self._telemetry: Overview | None = None
        self._telemetry_at = 0.0

    def status(self) -> Status:
        """The state, at most `FRESH` seconds old."""
        with self._lock:
            if self._seen is None or time.monotonic() - self._at > FRESH:
                self._seen = gather(self._settings, Kafka.of(self._settings))
                self._at = time.monotonic()
            return self._seen

    def telemetry(self) -> Overview:
        """The state of telemetry, at most slightly more than `TELEMETRY_FRESH` seconds old."""
        # While it is refreshed for one reader, the others get the previous result.
        if not self._telemetry_lock.acquire(blocking=self._telemetry is None) and self._telemetry is not None:
            return self._telemetry
        try:
            if self._telemetry is None or time.monotonic() - self._telemetry_at > TELEMETRY_FRESH:
                self._telemetry = overview(self._settings)
                self._telemetry_at = time.monotonic()
            return self._telemetry
        finally:
            self._telemetry_lock.release()
