"""Style sheets, scripts and symbols of the pages, served by this server.

Each file has an address with a hash of its content (`address_of`), under which browsers keep it for a year. Without the
hash, or with an old one, they ask each time whether the file has changed.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from broker_assets.api.documents import Document

router = APIRouter()

KINDS: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "wasm": "application/wasm",
    "": "text/plain; charset=utf-8",
}
"""Media type by file extension; other files are not served. Licences have no extension."""
KEPT: Final = "public, max-age=31536000, immutable"
ASKED: Final = "public, no-cache"


@dataclass(frozen=True)
class StaticFile:
    """A file as it is sent."""

    content: bytes
    compressed: bytes
    """The content compressed with gzip."""
    kind: str
    digest: str
    """Beginning of the SHA-256 of the content."""


@cache
def static_file(name: str) -> StaticFile:
    """Read a file of the package.

    Parameters
    ----------
    name : str
        Path below `static`, with slashes.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or its kind is not served.
    """
    parts = name.split("/")
    last = parts[-1]
    kind = KINDS.get(last.rpartition(".")[2].lower() if "." in last else "")
    if kind is None or any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
        raise FileNotFoundError(name)
    path = resources.files("broker_assets.api.site").joinpath("static", *parts)
    if not path.is_file():
        raise FileNotFoundError(name)
    content = path.read_bytes()
    return StaticFile(content, gzip.compress(content, 9, mtime=0), kind, hashlib.sha256(content).hexdigest()[:16])


def address_of(name: str) -> str:
    """The address of a file, with the hash of its content.

    Examples
    --------
    >>> address_of("site.css").startswith("/static/site.css?v=")
    True
    """
    return f"/static/{name}?v={static_file(name).digest}"


@router.get("/static/{name:path}", include_in_schema=False)
def static(request: Request, name: str, v: str = "") -> Response:
    """A file."""
    try:
        file = static_file(name)
    except FileNotFoundError:
        return Document({"detail": "there is no such file"}, 404)
    headers = {
        "ETag": f'"{file.digest}"',
        "Cache-Control": KEPT if v == file.digest else ASKED,
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
        # What is not a page may load nothing either, such as a drawing that is opened on its own.
        "Content-Security-Policy": "default-src 'none'",
    }
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if headers["ETag"] in known:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.compressed, media_type=file.kind, headers=headers | {"Content-Encoding": "gzip"})
    return Response(file.content, media_type=file.kind, headers=headers)
