"""Requests that arrive too slowly."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request

from broker_assets.api.patience import PatientProtocol

PART = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nX-Slow: "


class Impatient(PatientProtocol):
    """The same in a hurry."""

    header_seconds = 0.4
    body_seconds = 0.8


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    app = FastAPI()

    @app.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, http=Impatient, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(10)


def is_closed_within(connection: socket.socket, seconds: float) -> bool:
    """Whether the server closes a connection without an answer."""
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


@pytest.mark.parametrize(
    "sent", [b"", b"P", PART, PART + b"a\r\nContent-Length: 10\r\n\r\n12345"], ids=["nothing", "byte", "header", "body"]
)
def test_a_request_that_does_not_arrive_is_given_up(port: int, sent: bytes) -> None:
    with closing(socket.create_connection(("127.0.0.1", port))) as connection:
        connection.sendall(sent)
        assert is_closed_within(connection, 3)


def test_a_byte_now_and_then_does_not_help_and_others_are_answered(port: int) -> None:
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    try:
        for connection in slow:
            connection.sendall(PART)
        began = time.monotonic()
        assert httpx.post(f"http://127.0.0.1:{port}/echo", content=b"12345").json() == 5
        assert time.monotonic() - began < 2
        ended = time.monotonic() + 3
        while time.monotonic() < ended and slow:
            time.sleep(0.1)
            for connection in list(slow):
                try:
                    connection.sendall(b"a")
                except OSError:
                    slow.remove(connection)
                    connection.close()
        assert slow == []
    finally:
        for connection in slow:
            connection.close()


def test_a_connection_is_kept_between_requests_and_a_late_answer_is_waited_for(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for _ in range(2):
            assert client.post("/echo", content=b"x" * 100_000).json() == 100_000
            time.sleep(0.6)  # longer than a header may take


def test_it_is_what_the_server_runs_with() -> None:
    from broker_assets.local import platform

    command = platform.commands(host="h", dagster_port=1, api_port=2, code_port=3, workspace="w")["api"]
    name = command[command.index("--http") + 1]
    configuration = uvicorn.Config("broker_assets.api:create_app", factory=True, http=name)
    configuration.load_http_protocol() if hasattr(configuration, "load_http_protocol") else configuration.load()
    assert configuration.http_protocol_class is PatientProtocol
