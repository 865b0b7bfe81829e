"""Webhooks: signed requests, but not to addresses that only we can reach.

Signatures follow Standard Webhooks (https://www.standardwebhooks.com): `webhook-id`, `webhook-timestamp` and
`webhook-signature` with HMAC-SHA256 over `id.timestamp.body`. The id is the same whenever a message is sent again. The
key of a sink is derived from the secret of the platform, so that none is stored.

A receiver may be slow or malicious: a request ends when its time is up, however much of an answer keeps arriving.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import socket
import time
from typing import Any, Final
from urllib.parse import urlsplit

import certifi
import urllib3

from broker_assets.delivery.deadline import Deadline
from broker_assets.delivery.errors import MessageRefusedError, SinkUnavailableError, storable
from broker_assets.http import asked_to_wait

PREFIX: Final = "whsec_"
"""Prefix of a key in the form given to receivers."""
LONGEST_WAIT: Final = 3600.0
"""Seconds: a receiver that asks to wait longer is asked again after this time, so that its messages do not pile up."""
_REPLY_BYTES: Final = 300
"""Bytes of the answer that are kept for the receipt."""
BUSY: Final = frozenset({408, 425, 429, 502, 503, 504})
"""Statuses that do not concern the message."""
FINAL: Final = frozenset({400, 401, 403, 404, 405, 406, 410, 411, 413, 414, 415, 422, 501})
"""Statuses that another attempt would not change."""


def key_of(secret: bytes, sink: str) -> str:
    """Key of a sink in the form given to its receiver.

    Parameters
    ----------
    secret : bytes
        Secret of the platform.
    sink : str
        Name of the sink, such as `sink/3`.

    Examples
    --------
    >>> key_of(b"secret", "sink/3")[:10]
    'whsec_Cq+k'
    """
    return PREFIX + base64.b64encode(hmac.digest(secret, sink.encode(), hashlib.sha256)).decode()


def signature(key: str, identity: str, timestamp: int, body: bytes) -> str:
    """Value of the header `webhook-signature`."""
    signed = hmac.digest(
        base64.b64decode(key.removeprefix(PREFIX)), f"{identity}.{timestamp}.".encode() + body, hashlib.sha256
    )
    return f"v1,{base64.b64encode(signed).decode()}"


def post(
    url: str,
    body: bytes,
    *,
    key: str,
    identity: str,
    content_type: str = "application/json",
    seconds: float = 10.0,
    private_addresses: bool = False,
    ca_file: str | None = None,
) -> dict[str, Any]:
    """Send a request, and return its receipt: `status` and the beginning of the `reply`.

    The host is looked up once, and the connection is made to the address that was checked: a name that changes in
    between cannot lead elsewhere. Redirects are not followed.

    Parameters
    ----------
    url, body : str, bytes
        Address and body.
    key, identity : str
        See `signature`.
    content_type : str
        Content type of the body.
    seconds : float
        Time limit for connecting, and for the whole answer after that.
    private_addresses : bool
        Whether connections to addresses that are not public are allowed.
    ca_file : str, optional
        Certificates (PEM) instead of those of the system.

    Raises
    ------
    SinkUnavailableError
        If the host is unavailable, or busy.
    MessageRefusedError
        If it answers with a status other than 2xx, or connections to it are not allowed.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    address = host_address(host, port, private_addresses=private_addresses)
    timestamp = int(time.time())
    headers = {
        "host": parts.netloc.rpartition("@")[2],
        "content-type": content_type,
        "user-agent": "broker-assets",
        "webhook-id": identity,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(key, identity, timestamp, body),
    }
    deadline = Deadline(seconds)
    options: dict[str, Any] = {"timeout": urllib3.Timeout(seconds), "retries": False, "maxsize": 1}
    pool: urllib3.HTTPConnectionPool
    if secure:
        pool = urllib3.HTTPSConnectionPool(
            address, port, server_hostname=host, assert_hostname=host, cert_reqs="CERT_REQUIRED",
            ca_certs=ca_file or certifi.where(), **options,
        )  # fmt: skip
    else:
        pool = urllib3.HTTPConnectionPool(address, port, **options)
    pool.ConnectionCls = _bounded(pool.ConnectionCls, deadline)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    status, reply, wait = 0, "", None
    try:
        with pool, deadline:
            answer = pool.urlopen(
                "POST", target, body=body, headers=headers, redirect=False, retries=False, preload_content=False,
                decode_content=False,
            )  # fmt: skip
            status, wait = answer.status, asked_to_wait(answer.headers.get("retry-after"))
            reply = storable(answer.read(_REPLY_BYTES).decode("utf-8", "replace"))
            answer.close()
    except (urllib3.exceptions.HTTPError, OSError) as error:
        # A receiver that has confirmed the message has it, even if the answer breaks off.
        if not 200 <= status < 300:
            why = f"no answer in {seconds:g} s" if deadline.over else f"{type(error).__name__}: {error}"
            raise SinkUnavailableError(f"{host}: {why}") from None
    if 200 <= status < 300:
        return {"status": status, "reply": reply}
    said = f"{host} answers {status}{f': {reply}' if reply else ''}"
    if status in BUSY:
        raise SinkUnavailableError(said, None if wait is None else min(wait, LONGEST_WAIT))
    if 300 <= status < 400:
        raise MessageRefusedError(f"{said}; redirects are not followed", final=True)
    raise MessageRefusedError(said, final=status in FINAL)


def _bounded(kind: Any, deadline: Deadline) -> Any:
    """A class of connections that end at the time limit."""

    class Bounded(kind):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            deadline.ends(self.sock)

    return Bounded


def host_address(host: str, port: int, *, private_addresses: bool) -> str:
    """An address of a host to which connections are allowed: a public one, unless others are allowed.

    Raises
    ------
    SinkUnavailableError
        If the host cannot be looked up.
    MessageRefusedError
        If one of its addresses is not public.
    """
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SinkUnavailableError(f"{host!r} cannot be looked up: {error}") from None
    found = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
    allowed = [one for one in found if private_addresses or is_public(one)]
    # All addresses: a name with a public and a private address is a trick.
    if not allowed or len(allowed) < len(found):
        raise MessageRefusedError(
            f"{host} has an address that is not public: only public addresses are connected to "
            "(BROKER_DELIVERY__PRIVATE_ADDRESSES)",
            final=True,
        )
    return allowed[0]


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet.

    Examples
    --------
    >>> [is_public(one) for one in ("8.8.8.8", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::a00:1")]
    [True, False, False, False, False]
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is None and parsed in ipaddress.ip_network("64:ff9b::/96"):  # NAT64, RFC 6052
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast
