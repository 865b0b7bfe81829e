"""Which requests a web server of the platform answers: not those that other sites make through a user's browser.

Any web page can make a browser send requests, with the user's credentials, to any address that its user can reach,
including loopback and networks behind a firewall. Two headers that a page cannot set show it: ``Host`` has the name
that the browser looked up, which is not ours after DNS rebinding; ``Origin`` and ``Sec-Fetch-Site`` say which site the
page is from. Scripts send neither of the latter, and are not restricted. The middleware is plain ASGI.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final, NamedTuple

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
_NO_SNIFFING: Final = (b"x-content-type-options", b"nosniff")
_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"(?P<name>\[[0-9a-f:.]{2,45}\]|[0-9a-z._-]{1,253})(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_ORIGIN: Final = re.compile(r"(?P<scheme>https?)://(?P<host>[^/?#@]+)", re.ASCII)


class HostPort(NamedTuple):
    """A host and its port as in a URL."""

    name: str
    """In lower case, without brackets and without the dot at the end."""
    port: int | None


class NotAllowedError(ValueError):
    """The request is refused; the message says why and what an operator can do."""


def host_and_port(text: str) -> HostPort | None:
    """The parts of a ``Host`` header; None if it is not valid.

    Examples
    --------
    >>> host_and_port("LOCALHOST:3000")
    HostPort(name='localhost', port=3000)
    >>> host_and_port("[::1]")
    HostPort(name='::1', port=None)
    >>> host_and_port("user@localhost")
    """
    found = _HOST.fullmatch(text.lower())
    if found is None:
        return None
    port = found["port"]
    return HostPort(found["name"].strip("[]").removesuffix("."), None if port is None else int(port))


def is_loopback(name: str) -> bool:
    """Whether a name means this machine, wherever it is looked up.

    Examples
    --------
    >>> [is_loopback(name) for name in ("localhost", "a.localhost", "127.0.0.2", "::1", "localhost.example")]
    [True, True, True, True, False]
    """
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_request(scope: Scope, hosts: frozenset[str], *, open_reading: bool = False) -> None:
    """Check the headers of a request.

    Parameters
    ----------
    scope : mapping
        ASGI scope of an HTTP request or a WebSocket.
    hosts : frozenset of str
        Names besides those of loopback and the address at which the connection arrived, in lower case.
    open_reading : bool
        Whether pages of other sites may link to and embed answers to methods that only read.

    Raises
    ------
    NotAllowedError
        If the request must not be answered.
    """
    headers: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1").lower()
        if name in ("host", "origin", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"):
            if name in headers:
                raise NotAllowedError(f"the header {name} is there twice")
            headers[name] = value.decode("latin-1").strip()
    host = _checked_host(headers["host"], scope, hosts) if "host" in headers else None
    method = scope["method"] if scope["type"] == "http" else None  # None: a WebSocket
    if open_reading and method in READING:
        return
    origin = headers.get("origin")
    if origin is not None and not _is_origin_of(origin, host):
        raise NotAllowedError(
            "the request comes from a page of another origin; if it does not, the proxy in front must pass on the Host "
            "header with its port"
        )
    site = headers.get("sec-fetch-site", "none").lower()
    # A link to one of our pages may be followed from anywhere: that opens a tab and commands nothing.
    follows_link = method in READING and headers.get("sec-fetch-mode") == "navigate"
    follows_link = follows_link and headers.get("sec-fetch-dest") == "document"
    if site not in ("none", "same-origin") and not follows_link:
        raise NotAllowedError("the request comes from a page of another site or origin")


def _checked_host(text: str, scope: Scope, hosts: frozenset[str]) -> HostPort:
    host = host_and_port(text)
    if host is None:
        raise NotAllowedError("the Host header is not a host")
    # An IP address leads a browser to this server only, whatever a name server says: for probes and machines without a
    # name.
    arrived_at = (scope.get("server") or ("",))[0]
    if not (host.name == arrived_at or host.name in hosts or is_loopback(host.name)):
        raise NotAllowedError(
            f"the host {host.name} is not one of this server's: add it to BROKER_SERVER__PUBLIC_HOSTS if it should be"
        )
    return host


def _is_origin_of(origin: str, host: HostPort | None) -> bool:
    found = _ORIGIN.fullmatch(origin.lower())
    page = host_and_port(found["host"]) if found is not None else None
    if found is None or page is None or host is None:  # `null` is the origin of sandboxed pages and files
        return False
    # If either has no port, it is the port of the page's scheme: TLS may end in a proxy.
    usual = _PORTS[found["scheme"]]
    return (page.name, page.port or usual) == (host.name, host.port or usual)


class WebGuard:
    """ASGI middleware that refuses requests of other sites with 403; see `check_request`.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    hosts : iterable of str
        Names of this server besides those of loopback, without ports.
    open_reading : bool
        See `check_request`.
    """

    def __init__(self, app: Application, hosts: Iterable[str] = (), *, open_reading: bool = False) -> None:
        self.app = app
        self.hosts = frozenset(name.lower().strip("[]").removesuffix(".") for name in hosts)
        self.open_reading = open_reading

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] in ("http", "websocket"):
            try:
                check_request(scope, self.hosts, open_reading=self.open_reading)
            except NotAllowedError as error:
                log.warning("refused a request: %s", error)
                await _refuse(scope["type"], str(error), send)
                return
        await self.app(scope, receive, _typed(send))


def _typed(send: Send) -> Send:
    """Make browsers trust the content type of every answer: a file that a user sent is never run as a page."""

    async def typed(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            if not any(name.lower() == _NO_SNIFFING[0] for name, _ in headers):
                message = {**message, "headers": [*headers, _NO_SNIFFING]}
        await send(message)

    return typed


async def _refuse(kind: str, reason: str, send: Send) -> None:
    if kind == "websocket":  # before it is accepted, which makes it a 403 too
        await send({"type": "websocket.close", "code": 1008, "reason": "not allowed"})
        return
    body = f"Refused: {reason}.\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        _NO_SNIFFING,
    ]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
