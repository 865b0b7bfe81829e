"""The link between clients and servers that tests disturb."""

from __future__ import annotations

import socket
import threading

import pytest
from network_link import NetworkLink, received


def test_it_passes_stalls_half_closes_and_resets() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = ("127.0.0.1", int(listener.getsockname()[1]))

    def echo(end: socket.socket) -> None:
        while data := received(end):
            end.sendall(data)

    def accept() -> None:
        while True:
            try:
                end, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(end,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with NetworkLink(lambda: address) as link:

        def client() -> socket.socket:
            made = socket.create_connection(("127.0.0.1", link.port), timeout=5)
            made.sendall(b"one")
            assert made.recv(3) == b"one"
            return made

        first = client()
        link.stall()
        first.sendall(b"two")
        first.settimeout(0.2)
        with pytest.raises(TimeoutError):
            first.recv(3)
        link.restore()
        first.settimeout(5)
        assert first.recv(3) == b"two"
        assert link.half_close() == 1
        assert first.recv(1) == b""
        first.sendall(b"still sent")
        first.close()
        second = client()
        assert link.reset() >= 1
        with pytest.raises(ConnectionResetError):
            second.recv(1)
        assert link.connections == 2
        client().close()
    listener.close()
