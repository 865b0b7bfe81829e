"""Web servers on loopback, for peers with the protocol of an external service."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class QuietHandler(BaseHTTPRequestHandler):
    """Answers without a word on the terminal."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class LoopbackServer:
    """A server whose requests are answered in threads until it is closed."""

    def __init__(
        self, handler: Callable[..., BaseHTTPRequestHandler], *, port: int = 0, context: ssl.SSLContext | None = None
    ) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.port: int = self._server.server_address[1]
        self._scheme = "http"
        if context is not None:
            self.serve_tls(context)
        # It often checks whether it should end, because tests wait for that.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        """Address and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Address without a slash at the end."""
        return f"{self._scheme}://{self.host}"

    def serve_tls(self, context: ssl.SSLContext) -> None:
        """From now on answer under TLS only."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "https"

    def close(self) -> None:
        """Answer nothing more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> LoopbackServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
