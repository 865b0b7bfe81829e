"""A receiver of webhooks that is slow or malicious: it does not write HTTP as a normal server would."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Behaviour = Callable[[socket.socket, threading.Event], None]
"""What it does with a connection, after it has read a request; the event is set at the end of the test."""


@contextmanager
def rude_receiver(behaviour: Behaviour) -> Iterator[str]:
    """A receiver on loopback; gives its URL."""
    ending = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            with contextlib.suppress(OSError):
                behaviour(self.request, ending)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/hook"
        finally:
            ending.set()
            server.shutdown()
            thread.join()


def says(answer: bytes) -> Behaviour:
    """Answers this, and hangs up."""
    return lambda connection, _: connection.sendall(answer)


def begins(answer: bytes) -> Behaviour:
    """Answers this, and says nothing more."""

    def behave(connection: socket.socket, ending: threading.Event) -> None:
        connection.sendall(answer)
        ending.wait()

    return behave


def drips(begin: bytes, drop: bytes, seconds: float = 0.05) -> Behaviour:
    """Answers the beginning, then a drop at a time, without end."""

    def behave(connection: socket.socket, ending: threading.Event) -> None:
        connection.sendall(begin)
        while not ending.wait(seconds):
            connection.sendall(drop)

    return behave
