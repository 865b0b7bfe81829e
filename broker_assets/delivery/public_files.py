"""Fetches small files at addresses given by users, from public addresses only.

As for webhooks, the host is looked up once, and the connection is made to the address that was checked; redirects are
not followed.
"""

from __future__ import annotations

import time
from typing import Any, Final
from urllib.parse import urlsplit

import certifi
import urllib3

from broker_assets.delivery.errors import MessageRefusedError, SinkUnavailableError
from broker_assets.delivery.webhooks import host_address

_CHUNK: Final = 64 * 1024


class CannotFetch(ValueError):
    """The file cannot be fetched; the message says why."""


def fetch(url: str, *, most_bytes: int, seconds: float = 10.0, private_addresses: bool = False) -> bytes:
    """Fetch a file.

    Parameters
    ----------
    url : str
        `http://…` or `https://…`.
    most_bytes : int
        Largest size.
    seconds : float
        Time limit for the whole file.
    private_addresses : bool
        Whether connections to addresses that are not public are allowed.

    Raises
    ------
    CannotFetch
        If it is unavailable, too large, or at an address that is not allowed.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise CannotFetch(f"{url[:80]!r} is not an address") from None
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        raise CannotFetch("files are fetched from http:// and https:// addresses without a user name")
    try:
        address = host_address(host, port, private_addresses=private_addresses)
    except (MessageRefusedError, SinkUnavailableError) as error:
        raise CannotFetch(str(error)) from None
    options: dict[str, Any] = {"timeout": urllib3.Timeout(seconds), "retries": False, "maxsize": 1}
    pool: urllib3.HTTPConnectionPool
    if parts.scheme == "https":
        pool = urllib3.HTTPSConnectionPool(
            address, port, server_hostname=host, assert_hostname=host, cert_reqs="CERT_REQUIRED",
            ca_certs=certifi.where(), **options,
        )  # fmt: skip
    else:
        pool = urllib3.HTTPConnectionPool(address, port, **options)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"host": parts.netloc, "user-agent": "broker-assets", "accept-encoding": "identity"}
    deadline = time.monotonic() + seconds
    found = bytearray()
    try:
        with pool:
            answer = pool.urlopen(
                "GET", target, headers=headers, redirect=False, retries=False, preload_content=False,
                decode_content=False,
            )  # fmt: skip
            if answer.status != 200:
                raise CannotFetch(f"{host} answers {answer.status}; redirects are not followed")
            for piece in answer.stream(_CHUNK):
                found += piece
                if len(found) > most_bytes or time.monotonic() > deadline:
                    raise CannotFetch(f"{host} sends more than {most_bytes} bytes, or takes longer than {seconds:g} s")
            answer.close()
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise CannotFetch(f"{host}: {type(error).__name__}") from None
    return bytes(found)
