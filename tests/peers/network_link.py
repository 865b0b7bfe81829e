"""A network link between clients on loopback and a server, which stalls, is reset or is closed in one direction."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with time 0: closing the socket sends a reset instead of an orderly end."""


def received(end: socket.socket) -> bytes:
    """What arrives next; empty at the end of the connection, however it ended."""
    try:
        return end.recv(1 << 16)
    except OSError:
        return b""


def shut(end: socket.socket, how: int = socket.SHUT_RDWR) -> None:
    """End a connection, or one direction of it; one that has ended already stays so."""
    with suppress(OSError):
        end.shutdown(how)


def connected(address: str | tuple[str, int]) -> socket.socket:
    """A connection to a server: of a path of a Unix socket, or of host and port."""
    if isinstance(address, str):
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.connect(address)
        return server
    return socket.create_connection(address)


def postgres_socket(folder: Path, port: int = 5432) -> str:
    """The Unix socket of a PostgreSQL server."""
    return str(folder / f".s.PGSQL.{port}")


class NetworkLink:
    """Passes bytes between clients on loopback and a server until it is disturbed.

    Parameters
    ----------
    server : callable
        Address of the server, asked for each connection: it may not be there yet, or have moved.
    port : int
        Port on loopback; 0 takes a free one.
    """

    def __init__(self, server: Callable[[], str | tuple[str, int]], port: int = 0) -> None:
        self._server = server
        self._open = threading.Event()
        self._open.set()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", port))
        self.connections = 0
        """Connections that were made through it."""

    @property
    def port(self) -> int:
        """Port on loopback."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> NetworkLink:
        threading.Thread(target=self._accept, daemon=True, name="link").start()
        return self

    def __exit__(self, *_: object) -> None:
        shut(self._listener)
        self._listener.close()
        self.restore()
        self.reset()

    # Disturbances -------------------------------------------------------------------------------------------------

    def stall(self) -> None:
        """Pass nothing until `restore`; connections stay open, and new ones are accepted but get no data."""
        self._open.clear()

    def restore(self) -> None:
        """Pass the waiting data, and everything after it."""
        self._open.set()

    def reset(self) -> int:
        """End all connections by a reset on both sides; return their number."""
        return self._each(self._reset)

    def half_close(self) -> int:
        """End the direction from the server of all connections: clients see the end, but can still send."""
        return self._each(lambda client, _: shut(client, socket.SHUT_WR))

    # Bytes --------------------------------------------------------------------------------------------------------

    def _each(self, act: Callable[[socket.socket, socket.socket], None]) -> int:
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            act(*pair)
        return len(pairs)

    @staticmethod
    def _reset(client: socket.socket, server: socket.socket) -> None:
        for end in (client, server):
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            # Reading threads are woken first: `close` does not close a socket from which another thread reads.
            shut(end, socket.SHUT_RD)
            with suppress(OSError):
                end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True, name="link").start()

    def _serve(self, client: socket.socket) -> None:
        self._open.wait()
        try:
            server = connected(self._server())
        except OSError:
            client.close()
            return
        pair = (client, server)
        with self._lock:
            self._pairs.add(pair)
            self.connections += 1
        answers = threading.Thread(target=self._pass, args=(server, client), daemon=True, name="link")
        answers.start()
        self._pass(client, server)
        answers.join()
        with self._lock:
            self._pairs.discard(pair)
        for end in pair:
            end.close()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        while data := received(source):
            self._open.wait()
            try:
                target.sendall(data)
            except OSError:
                # A side that no longer reads is sent nothing more: the other side learns of it as over a real network.
                shut(source)
                break
        shut(target, socket.SHUT_WR)
