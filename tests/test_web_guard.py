"""Which requests are answered; this depends only on their headers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.web_guard import NotAllowedError, WebGuard, check_request, host_and_port

HOSTS = frozenset({"broker.example.org"})


def request(method: str = "POST", *, kind: str = "http", **headers: str) -> dict[str, Any]:
    """The scope of a request with headers, their names with underscores."""
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "headers": pairs, "server": ("10.0.0.7", 3000)}
    return {**scope, "method": method} if kind == "http" else scope


ANSWERED = [
    {"host": "localhost:3000"},
    {"host": "127.0.0.1:3000"},
    {"host": "[::1]:3000"},
    {"host": "LOCALHOST.:3000"},
    {"host": "broker.example.org"},
    {"host": "10.0.0.7:3000"},  # the address at which the connection arrived, as used by probes
    {},  # HTTP/1.0 of a load balancer
    {"host": "localhost:3000", "origin": "http://localhost:3000"},
    {"host": "broker.example.org", "origin": "https://broker.example.org"},
    {"host": "broker.example.org:443", "origin": "https://broker.example.org"},
    {"host": "localhost:3000", "origin": "http://localhost:3000", "sec_fetch_site": "same-origin"},
    {"host": "localhost:3000", "sec_fetch_site": "none"},
]
REFUSED = [
    {"host": "evil.example"},
    {"host": "localhost.evil.example"},
    {"host": "10.0.0.8:3000"},
    {"host": "localhost@evil.example"},
    {"host": "localhost/evil.example"},
    {"host": ""},
    {"host": "evil.example", "origin": "http://evil.example"},  # DNS rebinding
    {"host": "localhost:3000", "origin": "http://evil.example"},
    {"host": "localhost:3000", "origin": "http://localhost:8000"},
    {"host": "localhost:3000", "origin": "http://127.0.0.1:3000"},
    {"host": "localhost:3000", "origin": "http://localhost"},
    {"host": "localhost:3000", "origin": "http://localhost:3000.evil.example"},
    {"host": "localhost:3000", "origin": "http://localhost:3000@evil.example"},
    {"host": "localhost:3000", "origin": "null"},
    {"host": "localhost:3000", "origin": ""},
    {"host": "localhost:3000", "origin": "file://localhost:3000"},
    {"origin": "http://localhost:3000"},
    {"host": "localhost:3000", "sec_fetch_site": "cross-site"},
    {"host": "localhost:3000", "sec_fetch_site": "same-site"},
    {"host": "localhost:3000", "sec_fetch_site": "new-kind-of-site"},
    {"host": "localhost:3000", "origin": "http://localhost:3000", "sec_fetch_site": "cross-site"},
]


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("headers", ANSWERED)
def test_own_pages_and_scripts_are_answered(kind: str, headers: dict[str, str]) -> None:
    check_request(request(kind=kind, **headers), HOSTS)


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "PROPFIND", None])
@pytest.mark.parametrize("headers", REFUSED)
def test_pages_of_others_are_refused(method: str | None, headers: dict[str, str]) -> None:
    scope = request(kind="websocket", **headers) if method is None else request(method, **headers)
    with pytest.raises(NotAllowedError):
        check_request(scope, HOSTS)


def test_a_link_may_be_followed_from_everywhere() -> None:
    link = {"host": "localhost:3000", "sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    check_request(request("GET", **link, sec_fetch_dest="document"), HOSTS)
    for method, destination in (("GET", "iframe"), ("GET", "image"), ("POST", "document")):
        with pytest.raises(NotAllowedError):
            check_request(request(method, **link, sec_fetch_dest=destination), HOSTS)


def test_reading_may_be_open_but_not_for_other_hosts() -> None:
    embedded = {"host": "localhost", "origin": "http://elsewhere.example", "sec_fetch_site": "cross-site"}
    check_request(request("GET", **embedded), HOSTS, open_reading=True)
    for scope in (request("GET", host="evil.example"), request("POST", **embedded)):
        with pytest.raises(NotAllowedError):
            check_request(scope, HOSTS, open_reading=True)


@pytest.mark.parametrize("header", [b"Host", b"Origin", b"Sec-Fetch-Site"])
def test_headers_that_are_there_twice_are_refused(header: bytes) -> None:
    scope = request("POST", host="localhost")
    scope["headers"] = [*scope["headers"], (header, b"localhost"), (header.lower(), b"localhost")]
    with pytest.raises(NotAllowedError, match="twice"):
        check_request(scope, HOSTS)


@given(name=st.text(min_size=1, max_size=40), origin=st.one_of(st.none(), st.text(max_size=40)))
def test_whatever_the_headers_are_only_known_hosts_pass(name: str, origin: str | None) -> None:
    headers = {"host": name} | ({} if origin is None else {"origin": origin})
    try:
        check_request(request(**headers), HOSTS)
    except NotAllowedError:
        return
    host = host_and_port(name.encode().decode("latin-1").strip())
    assert host is not None
    assert host.name in {"localhost", "10.0.0.7", "broker.example.org"} or host.name.startswith(("127.", "::1"))


def test_what_is_refused_does_not_reach_the_application() -> None:
    sent: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("reached")

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("read")

    guard = WebGuard(application)
    asyncio.run(guard(request(host="evil.example"), receive, send))
    asyncio.run(guard(request(kind="websocket", host="evil.example"), receive, send))
    kinds = [message["type"] for message in sent]
    assert kinds == ["http.response.start", "http.response.body", "websocket.close"]
    assert sent[0]["status"] == 403
    assert b"BROKER_SERVER__PUBLIC_HOSTS" in sent[1]["body"]
