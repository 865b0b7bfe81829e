"""What pages of telemetry share: states of all files, known for a minute, and the words and glyphs of states."""

from __future__ import annotations

import datetime
import threading
import time
from typing import Any, Final

import psycopg
from fastapi import FastAPI, Request

from broker_assets.api.disclosure import Disclosure
from broker_assets.api.observer import TELEMETRY_FRESH
from broker_assets.api.templating import templates
from broker_assets.monitoring.telemetry.day_states import DayStates, day_states
from broker_assets.monitoring.telemetry.overview import Overview
from broker_assets.settings import Settings

GLYPHS: Final = {
    "complete": "✓", "stale": "↻", "waiting": "○", "failed": "✗", "held": "‖", "replaced": "–", "incomplete": "○",
}  # fmt: skip
"""Glyph of each state; its name is shown as a word."""

templates.globals["glyphs"] = GLYPHS


class KnownStates:
    """States of all files, refreshed after a minute, once for all readers.

    Parameters
    ----------
    settings : Settings
        Those of the platform.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._found: DayStates | None = None
        self._at = 0.0

    def __call__(self, connection: psycopg.Connection[Any]) -> DayStates:
        """The states, at most slightly more than `observer.TELEMETRY_FRESH` seconds old."""
        with self._lock:
            if self._found is None or time.monotonic() - self._at > TELEMETRY_FRESH:
                self._found = day_states(connection, self._settings, datetime.datetime.now(datetime.UTC))
                self._at = time.monotonic()
            return self._found


def overview_of(request: Request) -> Overview:
    """The state of telemetry, without what the reader may not see."""
    disclosure: Disclosure = request.app.state.disclosure
    found: Overview = disclosure.shown(request, request.app.state.observer.telemetry())
    return found


def said_to(request: Request, text: str) -> str:
    """A reason or an address; folders and servers are removed unless the reader is an operator."""
    from broker_assets.api.disclosure import without_private

    disclosure: Disclosure = request.app.state.disclosure
    return text if disclosure.is_entitled(request) else without_private(text)


def add_to(app: FastAPI, settings: Settings) -> None:
    """Add the pages of telemetry.

    Parameters
    ----------
    app : FastAPI
        The application; its state gets what the pages need.
    settings : Settings
        Those of the platform.
    """
    from broker_assets.api.site import telemetry, telemetry_product

    app.state.telemetry_states = KnownStates(settings)
    app.state.telemetry_products = settings.telemetry_folder / "products"
    # Addresses with a word come before those with a name at the same place.
    app.include_router(telemetry.router)
    app.include_router(telemetry_product.router)
