"""Requests that are made to take memory or time, and addresses that lead into our network."""

from __future__ import annotations

import asyncio
import gzip
import resource
import time
from typing import Any

import pytest

from broker_assets.delivery import webhooks
from broker_assets.delivery.errors import MessageRefusedError, SinkUnavailableError

pytestmark = pytest.mark.database


def _memory() -> float:
    """Largest resident memory of this process, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _taken(app: Any, path: str, token: str) -> tuple[int, int]:
    """Status of a POST of 200 MiB, and how many MiB of it the application takes."""
    taken, statuses = 0, []

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b"x" * 2**20, "more_body": taken < 200}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    kind = b"application/x-www-form-urlencoded"
    headers = [(b"host", b"127.0.0.1"), (b"content-type", kind), (b"authorization", f"Token {token}".encode())]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": path,
        "raw_path": path.encode(), "query_string": b"", "headers": headers, "scheme": "http", "root_path": "",
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return statuses[0], taken


@pytest.mark.parametrize("path", ["/api/query/", "/api/annotatelist/", "/accounts/login/", "/watchlists/create/"])
def test_large_requests_are_refused_before_they_are_read(ground: Any, path: str) -> None:
    status, taken = _taken(ground.app, path, ground.token)
    assert status in (400, 403, 413)
    assert taken < 50


PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"[" * 200_000, "application/json"),
        (b'{"a":' * 100_000, "application/json"),
        (b"9" * 100_000, "application/json"),
        (b'{"annotations": [' + b"{}," * 200_000 + b"{}]}", "application/json"),
        (b"&".join(b"a%d=1" % number for number in range(20_000)), "application/x-www-form-urlencoded"),
        (b"--x\r\n" * 50_000, "multipart/form-data; boundary=x"),
        (
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 5_000 + b"--x--",
            "multipart/form-data; boundary=x",
        ),
        (b"\xff\xfe" * 1000, "application/json"),
        (b"a=%ff%fe%00", "application/x-www-form-urlencoded"),
    ],
    ids=["lists", "objects", "number", "annotations", "fields", "boundaries", "parts", "bytes", "not text"],
)
def test_nested_and_endless_documents(ground: Any, content: bytes, kind: str) -> None:
    client, began = ground.program(), time.monotonic()
    for path in ("/api/annotatelist/", "/api/query/", "/accounts/login/"):
        assert client.post(path, content=content, headers={"Content-Type": kind}).status_code in (400, 403, 413, 422)
    assert time.monotonic() - began < 10


def test_a_file_that_unpacks_to_much_is_refused(ground: Any) -> None:
    mallory = ground.user("mallory")
    bomb = gzip.compress(b"\0" * 150 * 2**20, 1)
    assert len(bomb) < 2**20
    before = _memory()
    for path, name in (("/watchmaps/create/", "a.fits.gz"), ("/watchlists/create/", "../../a.csv")):
        answer = mallory.post(path, {"name": "bomb", "radius": "5"}, files={"file": (name, bomb)})
        assert answer.status_code in (400, 413, 422), path
    assert _memory() - before < 100


INSIDE = (
    "http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/", "http://[::ffff:127.0.0.1]:1/", "http://0.0.0.0:1/",
    "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "http://192.168.1.1/", "http://172.16.0.1/",
    "http://2130706433:1/", "http://0x7f.1:1/", "http://127.1:1/", "http://[fe80::1]/", "http://[fc00::1]/",
    "http://user@127.0.0.1:1/", "http://127.0.0.1:1#@example.org/",
)  # fmt: skip


@pytest.mark.parametrize("url", INSIDE)
def test_no_webhook_reaches_into_the_network(url: str) -> None:
    with pytest.raises((MessageRefusedError, SinkUnavailableError)) as found:
        webhooks.post(url, b"{}", key=webhooks.key_of(b"s", "sink/1"), identity="1", seconds=1.0)
    assert "not public" in str(found.value) or "looked up" in str(found.value)
