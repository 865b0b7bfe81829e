"""A connection to PostgreSQL that can be lost at the worst moment: between a commit and its confirmation."""

from __future__ import annotations

import socket
import socketserver
import threading
from pathlib import Path

from network_link import connected, postgres_socket, received, shut
from sqlalchemy.engine import make_url


class DatabaseProxy:
    """Passes bytes between clients on loopback and a server, until it is asked to lose an answer.

    Parameters
    ----------
    url : str
        SQLAlchemy URL of the database.
    """

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._lose = False
        self._refuse = False
        self.lost = 0
        """Answers to a commit that never arrived."""

    def __enter__(self) -> DatabaseProxy:
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                proxy._serve(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the database through the proxy."""
        host, port = self._server.server_address[:2]
        through = self._url.set(host=str(host), port=int(port), query={})
        return through.render_as_string(hide_password=False)

    def lose_next_commit(self, *, for_good: bool = False) -> None:
        """Let the server commit once more, but end the connection before its answer; `for_good`: all others too."""
        self._lose, self._refuse = True, for_good

    def _connect(self) -> socket.socket:
        host, port = self._url.query.get("host") or self._url.host, self._url.query.get("port") or self._url.port
        if str(host).startswith("/"):
            return connected(postgres_socket(Path(str(host)), int(str(port or 5432))))
        return connected((str(host or "127.0.0.1"), int(str(port or 5432))))

    def _serve(self, client: socket.socket) -> None:
        if self._refuse and self.lost:
            return
        losing = threading.Event()
        with self._connect() as server:

            def answer() -> None:
                while data := received(server):
                    if losing.is_set():
                        self.lost += 1
                        break
                    client.sendall(data)
                for end in (client, server):
                    shut(end)

            thread = threading.Thread(target=answer, daemon=True)
            thread.start()
            while data := received(client):
                if self._refuse and self.lost:
                    break
                if self._lose and b"COMMIT" in data:
                    self._lose = False
                    losing.set()
                server.sendall(data)
            shut(server)
            thread.join()
