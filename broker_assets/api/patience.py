"""How long the server waits for a request to arrive: connections that send it byte by byte are closed.

Otherwise a client could occupy all connections of the server with a few bytes a minute. In production the reverse proxy
already has such limits. uvicorn gets it as `--http broker_assets.api.patience:PatientProtocol`.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

ENDLESS: Final = "broker_assets.endless"
"""Where the scope of a request has an event to set if its answer does not end by itself; copies of it share that."""


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with time limits."""

    header_seconds: ClassVar[float] = 20.0
    """Seconds from the connection, or the first byte of a later request, to the end of the header."""
    body_seconds: ClassVar[float] = 300.0
    """Seconds from there to the end of the body."""
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._expect(self.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._relax()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        if self._waiting is None:
            self._expect(self.header_seconds)

    def on_headers_complete(self) -> None:
        """The end of a header."""
        super().on_headers_complete()
        self._endless = asyncio.Event()
        cast(dict[str, Any], self.scope)[ENDLESS] = self._endless
        self._expect(self.body_seconds)

    def on_message_complete(self) -> None:
        """The end of a request."""
        super().on_message_complete()
        self._relax()

    def shutdown(self) -> None:
        """The server ends: answers that do not end by themselves are given up, the others are finished."""
        super().shutdown()
        if self.cycle is not None and not self.cycle.response_complete and self._endless.is_set():
            self.transport.abort()

    def _expect(self, seconds: float) -> None:
        self._relax()
        self._waiting = self.loop.call_later(seconds, self._close)

    def _relax(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _close(self, *_: Any) -> None:
        self._waiting = None
        if not self.transport.is_closing():
            self.transport.abort()
