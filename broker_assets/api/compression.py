"""Compresses answers with what the client accepts, zstd or gzip, piece by piece in constant memory.

Content that is already compressed, small answers, ranges of files and answers with another encoding are left as they
are.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any, Final, Protocol

import zstandard

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

SMALLEST: Final = 1024
"""Bytes; compressing smaller answers gains nothing."""
_LEVEL: Final = {"zstd": 3, "gzip": 5}
_DENSE: Final = frozenset(
    {
        "image/png",
        "application/vnd.apache.parquet",
        "application/avro",
        "application/zip",
        "application/gzip",
        "text/event-stream",
    }
)
"""Media types that are compressed already, or must not be delayed."""
PAGES: Final = frozenset({"text/html", "image/svg+xml"})
"""What pages are made of, beyond the files that are stored compressed."""


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def accepted(header: str) -> str | None:
    """The encoding that a client prefers among those available; None if it accepts none of them.

    Parameters
    ----------
    header : str
        `Accept-Encoding`.

    Examples
    --------
    >>> accepted("gzip, deflate, br, zstd"), accepted("gzip;q=1.0, zstd;q=0"), accepted("identity")
    ('zstd', 'gzip', None)
    """
    weights: dict[str, float] = {}
    for item in header.lower().split(","):
        name, _, rest = item.partition(";")
        weight = rest.strip().removeprefix("q=")
        try:
            weights[name.strip()] = float(weight) if weight else 1.0
        except ValueError:
            weights[name.strip()] = 0.0
    known = [(weights.get(name, weights.get("*", 0.0)), name) for name in ("gzip", "zstd")]
    best = max(known)
    return best[1] if best[0] > 0 else None


def _compressor(encoding: str) -> _Compressor:
    if encoding == "zstd":
        return zstandard.ZstdCompressor(level=_LEVEL["zstd"]).compressobj()
    return zlib.compressobj(_LEVEL["gzip"], zlib.DEFLATED, zlib.MAX_WBITS | 16)


class Compression:
    """ASGI middleware.

    Parameters
    ----------
    app : ASGI application
        Whose answers are compressed.
    only : collection of str, optional
        Media types that are compressed; default: all that gain by it.
    """

    def __init__(self, app: Application, only: Collection[str] | None = None) -> None:
        self.app = app
        self._only = only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = b",".join(value for name, value in scope["headers"] if name.lower() == b"accept-encoding")
        encoding = accepted(given.decode("latin-1"))
        if encoding is None or scope["method"] == "HEAD":
            await self.app(scope, receive, send)
            return
        await self.app(scope, receive, _Answer(encoding, send, self._only))


class _Answer:
    """Passes on the messages of one answer."""

    def __init__(self, encoding: str, send: Send, only: Collection[str] | None) -> None:
        self._encoding = encoding
        self._only = only
        self._send = send
        self._start: MutableMapping[str, Any] | None = None
        self._compressor: _Compressor | None = None

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._start is not None:
            start, self._start = self._start, None
            if self._is_suited(start, len(body), more):
                self._compressor = _compressor(self._encoding)
                _announce(start, self._encoding)
            await self._send(start)
        if self._compressor is not None:
            compressed = self._compressor.compress(bytes(body))
            body = compressed if more else compressed + self._compressor.flush()
            if more and not body:
                return
        await self._send({**message, "body": body})

    def _is_suited(self, start: MutableMapping[str, Any], size: int, more: bool) -> bool:
        headers = {name.lower(): value for name, value in start["headers"]}
        if start["status"] in (204, 206, 304) or b"content-encoding" in headers or b"content-range" in headers:
            return False
        if b"accept-ranges" in headers:  # its ranges refer to the bytes as stored
            return False
        kind = headers.get(b"content-type", b"").split(b";")[0].decode("latin-1").strip().lower()
        if self._only is not None and kind not in self._only:
            return False
        whole = int(headers.get(b"content-length", b"0") or 0) if more else size
        return kind not in _DENSE and (whole >= SMALLEST or (more and b"content-length" not in headers))


def _announce(start: MutableMapping[str, Any], encoding: str) -> None:
    headers = [(name, value) for name, value in start["headers"] if name.lower() not in (b"content-length", b"vary")]
    vary = [value for name, value in start["headers"] if name.lower() == b"vary"]
    # A strong tag identifies exactly these bytes.
    headers = [
        (name, b"W/" + value if name.lower() == b"etag" and not value.startswith(b"W/") else value)
        for name, value in headers
    ]
    headers.append((b"content-encoding", encoding.encode()))
    headers.append((b"vary", b", ".join([*vary, b"Accept-Encoding"])))
    start["headers"] = headers
