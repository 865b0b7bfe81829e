"""The process in which trials of filters run: started when one waits, and ended when none has come for a while."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from typing import Any

from broker_assets.settings import Settings


def serve(settings: Settings) -> None:
    """The whole life of the process; the modules that run filters are loaded only there."""
    from broker_assets.enrichment_plan import enrichment_plan
    from broker_assets.stream import trial_runs

    trial_runs.serve(settings, enrichment_plan)


class TrialProcess:
    """Starts the process of this server, one at a time.

    Parameters
    ----------
    settings : Settings
        Passed to the process, without appearing in its command line or environment.
    target : callable
        What it runs with the settings.
    """

    def __init__(self, settings: Settings, target: Callable[[Settings], None] = serve) -> None:
        self._settings = settings
        self._target = target
        self._process: Any = None
        self._lock = threading.Lock()

    def wake(self) -> None:
        """Start the process unless it is running."""
        with self._lock:
            if self._process is None or not self._process.is_alive():
                context = multiprocessing.get_context("spawn")
                self._process = context.Process(target=self._target, args=(self._settings,), daemon=True, name="trials")
                self._process.start()

    def stop(self) -> None:
        """End the process; the trial that it is running then fails."""
        with self._lock:
            process, self._process = self._process, None
            if process is not None and process.is_alive():
                process.terminate()
                process.join(5)
