"""The request of a TAP client: the query with its limits and format, and the tables that it uploads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import anyio
from fastapi import Depends, Request

from broker_assets.api.parameters import body_items
from broker_assets.api.v1.viewers import Anybody
from broker_assets.api.vo.parameters import VoError, form_of, rows_of
from broker_assets.filters.tap_uploads import LARGEST, MOST_TABLES, BadUpload, table_name

LANGUAGES: Final = ("ADQL", "ADQL-2.0", "ADQL-2.1")


@dataclass(frozen=True)
class Question:
    """A query that can be run."""

    query: str
    """ADQL."""
    form: str
    """Format of the answer."""
    rows: int
    """Most rows of the answer."""


@dataclass(frozen=True)
class Given:
    """Parameters of a request."""

    values: dict[str, str]
    """By names in upper case, without UPLOAD."""
    uploads: dict[str, bytes]
    """VOTables by the names of their tables."""


def question(values: Mapping[str, Any], *, most: int) -> Question:
    """The query that parameters ask for.

    Parameters
    ----------
    values : mapping
        Parameters by names in upper case.
    most : int
        Row limit of the account.

    Raises
    ------
    VoError
        If something is missing or not supported.
    """
    if str(values.get("REQUEST", "doQuery")).lower() != "doquery":
        raise VoError("REQUEST must be doQuery")
    if str(values.get("LANG", "ADQL")).upper() not in LANGUAGES:
        raise VoError(f"LANG must be one of {', '.join(LANGUAGES)}")
    query = str(values.get("QUERY", "")).strip()
    if not query:
        raise VoError("QUERY is missing: give an ADQL query, as in /api/vo/tap/examples")
    return Question(query, form_of(dict(values)), rows_of(dict(values), most))


def uploads(texts: list[str], files: Mapping[str, bytes], fetch: Callable[[str], bytes]) -> dict[str, bytes]:
    """The tables that the parameters UPLOAD name.

    Parameters
    ----------
    texts : list of str
        Values of UPLOAD: `name,param:key` or `name,https://…`, several separated by semicolons.
    files : mapping of str to bytes
        Contents by key.
    fetch : callable
        Fetches an address.

    Raises
    ------
    VoError
        If one cannot be fetched, or is too large.
    """
    found: dict[str, bytes] = {}
    items = [one.strip() for text in texts for one in text.split(";") if one.strip()]
    if len(items) > MOST_TABLES:
        raise VoError(f"at most {MOST_TABLES} tables can be uploaded")
    for item in items:
        name, _, place = item.partition(",")
        try:
            written = table_name(name)
        except BadUpload as error:
            raise VoError(str(error)) from None
        if written in found:
            raise VoError(f"the table {written!r} is uploaded twice")
        found[written] = _content(item, place.strip(), files, fetch)
    return found


def _content(item: str, place: str, files: Mapping[str, bytes], fetch: Callable[[str], bytes]) -> bytes:
    scheme, _, key = place.partition(":")
    if scheme.lower() in ("http", "https"):
        return fetch(place)
    if scheme.lower() != "param" or not key:
        raise VoError(
            f"UPLOAD {item[:80]!r}: write name,param:key, with the VOTable in the part `key` of a multipart form, or"
            " name,https://…"
        )
    if key not in files:
        raise VoError(f"UPLOAD {item[:80]!r}: the request has no part {key[:40]!r}")
    if len(files[key]) > LARGEST:
        raise VoError(f"{item[:40]!r} is larger than {LARGEST // 1024**2} MiB", 413)
    return files[key]


async def _given(request: Request, viewer: Anybody) -> Given:
    items = list(request.query_params.multi_items())
    if request.method == "POST":
        items += await body_items(request, most_files=MOST_TABLES)
    values: dict[str, str] = {}
    texts: list[str] = []
    files: dict[str, bytes] = {}
    for name, value in items:
        if isinstance(value, bytes):
            files[name] = value
        elif name.upper() == "UPLOAD":
            texts.append(str(value))
        else:
            values[name.upper()] = str(value)
            files.setdefault(name, str(value).encode())  # a part of a form without a file name

    def fetched(address: str) -> bytes:
        from broker_assets.delivery.public_files import CannotFetch, fetch

        if viewer.user is None or viewer.user.is_guest:
            raise VoError(
                "tables are fetched from addresses only for users with an account; send the table with the request", 403
            )
        try:
            allowed = request.app.state.delivery.private_addresses
            return fetch(address, most_bytes=LARGEST, private_addresses=allowed)
        except CannotFetch as error:
            raise VoError(f"UPLOAD: {error}") from None

    return Given(values, await anyio.to_thread.run_sync(uploads, texts, files, fetched) if texts else {})


GivenParameters = Annotated[Given, Depends(_given)]
"""Parameters and uploads of a request."""
