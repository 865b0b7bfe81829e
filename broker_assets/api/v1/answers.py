"""How answers are sent: JSON with an ETag, tables in the format that the client asks for, files in ranges."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

import psycopg
import pyarrow as pa
from fastapi import Query, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from psycopg import sql

from broker_assets.api.documents import Document
from broker_assets.api.v1.problems import Problem
from broker_assets.database.paging import batches, page
from broker_assets.database.table_formats import MEDIA_TYPES, SUFFIXES, encode

Form = Literal["json", "csv", "arrow", "parquet", "votable"]
Format = Annotated[
    Form | None,
    Query(alias="format", description="Form of the answer; without it the header `Accept` decides, else JSON"),
]
Cursor = Annotated[
    str | None, Query(max_length=2048, description="`next` of the page before; an opaque text", examples=["WyI3ZWIi…"])
]
Limit = Annotated[int, Query(ge=1, le=10_000, description="Rows of a page, at most")]

_BY_MEDIA: Final = {
    "application/json": "json",
    "text/csv": "csv",
    "application/vnd.apache.arrow.stream": "arrow",
    "application/vnd.apache.parquet": "parquet",
    "application/x-votable+xml": "votable",
    "text/xml": "votable",
    "application/*": "json",
    "text/*": "json",
    "text/html": "json",
    "*/*": "json",
}
ROW_LIMIT: Final = "X-Row-Limit"
"""Header of a table with the most rows that it may have: one with as many may lack others."""
UNKNOWN: Final = "X-Unknown"
"""Header of a table with what was asked for and is not in it, since it is unknown."""
MOST_NAMED: Final = 20
"""Most names in this header."""
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def chosen_form(request: Request, form: str | None, forms: Sequence[str] = ("json", *MEDIA_TYPES)) -> str:
    """The format of an answer: that of `format`, else the preferred one in `Accept`, else JSON.

    Raises
    ------
    Problem
        If the client accepts none of the formats.
    """
    if form is not None:
        if form not in forms:
            raise Problem("not-acceptable", f"this answer is available as {', '.join(forms)}")
        return form
    header = request.headers.get("accept", "")
    if not header.strip():
        return forms[0]
    best, weight_of_best = None, 0.0
    for item in header.lower().split(","):
        media, *parameters = (part.strip() for part in item.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        found = _BY_MEDIA.get(media)
        if found == "json" and media != "application/json":
            found = forms[0]
        if found in forms and weight > weight_of_best:
            best, weight_of_best = found, weight
    if best is None:
        raise Problem("not-acceptable", f"this answer is available as {', '.join(forms)}; `format=` chooses one")
    return best


def document(
    request: Request, content: Any, status: int = 200, *, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer with an ETag; 304 without a body if the client has it already."""
    found = Document(content, status, headers=dict(headers or {}))
    if status != 200 or request.method not in ("GET", "HEAD"):
        return found
    tag = f'W/"{hashlib.sha256(found.body).hexdigest()[:32]}"'
    return _tagged(request, found, tag)


def immutable(request: Request, tag: str, headers: Mapping[str, str], answer: Callable[[], Response]) -> Response:
    """An answer that never changes and whose tag is known without reading it; 304 if the client has it already."""
    quoted = f'"{tag}"'
    if _has(request, quoted):
        return Response(status_code=304, headers={"ETag": quoted, **headers})
    found = answer()
    found.headers["ETag"] = quoted
    for name, value in headers.items():
        found.headers[name] = value
    return found


def _tagged(request: Request, found: Response, tag: str) -> Response:
    found.headers["ETag"] = tag
    found.headers.setdefault("Cache-Control", "private, no-cache")
    if _has(request, tag):
        return Response(status_code=304, headers={"ETag": tag, "Cache-Control": found.headers["Cache-Control"]})
    return found


def _has(request: Request, tag: str) -> bool:
    given = [item.strip() for item in request.headers.get("if-none-match", "").split(",")]
    plain = tag.removeprefix("W/")
    return "*" in given or any(item.removeprefix("W/") == plain for item in given if item)


def table(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    form: str,
    name: str,
    *,
    about: Mapping[str, str] | None = None,
    overflows: Callable[[], bool] | None = None,
    most: int | None = None,
    unknown: Sequence[str] = (),
) -> Response:
    """A table in a format other than JSON, sent while it is read.

    Parameters
    ----------
    batches, schema, form, about, overflows
        See `table_formats.encode`.
    name : str
        Name of the table and of the file.
    most : int, optional
        Rows that are sent at most; give one more if there are more, so that a VOTable says so. The header `X-Row-Limit`
        has the number, since the other formats cannot say that rows are left out.
    unknown : sequence of str
        Names that were asked for and are unknown; the header `X-Unknown` has them, the first 20 percent-encoded.
    """
    noted = {}
    if unknown:
        rest = [f"and {len(unknown) - MOST_NAMED} more"] if len(unknown) > MOST_NAMED else []
        noted[UNKNOWN] = ", ".join([*(quote(one[:100], safe="") for one in unknown[:MOST_NAMED]), *rest])
    if most is not None:
        noted[ROW_LIMIT] = str(most)
        kept = _Kept(batches, most)
        batches, overflows = kept, overflows or (lambda: kept.cut)
    pieces = encode(batches, schema, form, name=name, about=about, overflows=overflows)
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:80]
    headers = {"Content-Disposition": f'attachment; filename="{safe}{SUFFIXES[form]}"', **noted}
    return StreamingResponse(_begun(pieces), media_type=MEDIA_TYPES[form], headers=headers)


class _Kept:
    """The first rows of batches; `cut` says after them whether there were more."""

    def __init__(self, batches: Iterable[pa.RecordBatch], most: int) -> None:
        self._batches = batches
        self._most = most
        self.cut = False

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        left = self._most
        for batch in self._batches:
            if batch.num_rows > left:
                self.cut = True
                yield batch.slice(0, left)
                return
            left -= batch.num_rows
            yield batch


def most_rows(request: Request, limit: int, cursor: str | None, most: int) -> int:
    """Rows of a list in a format other than JSON: as many as the account may have, or `limit` if it is given.

    Raises
    ------
    Problem
        If a cursor is given: these formats have no pages, and the rows before it would come again.
    """
    if cursor is not None:
        raise Problem("bad-parameter", "cursor: only JSON comes in pages; the other formats have all rows at once")
    return min(limit, most) if "limit" in request.query_params else most


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces, the first of them read now, so that an immediate failure is still answered as an error."""
    first = next(pieces, b"")

    def all_of_them() -> Iterator[bytes]:
        yield first
        yield from pieces

    return all_of_them()


def listing(
    request: Request,
    connection: psycopg.Connection[Any],
    query: sql.Composable,
    parameters: Mapping[str, Any],
    schema: pa.Schema,
    *,
    name: str,
    keys: Sequence[str],
    limit: int,
    cursor: str | None,
    form: str | None,
    most: int,
    descending: bool = False,
) -> Response:
    """A list that is read in order of its keys: a page of it as JSON, or all of it, up to a limit, as a table.

    Parameters
    ----------
    request, connection : Request, psycopg.Connection
        The request, and the connection that reads the list.
    query, parameters, keys, descending
        See `paging.page`.
    schema : pyarrow.Schema
        Columns of the table, under the names of the query.
    name : str
        Name of the list in the document, and of the file.
    limit, cursor : int, str
        Number of rows of a page, and where it begins; see `most_rows` for tables.
    form : str, optional
        Format that the client asks for.
    most : int
        Most rows of a table.
    """
    chosen = chosen_form(request, form)
    if chosen == "json":
        found = page(connection, query, parameters, keys=keys, limit=limit, place=cursor, descending=descending)
        return document(request, {name: found.rows, "next": found.following})
    most = most_rows(request, limit, cursor, most)
    read = batches(
        request.app.state.connections.use, query, parameters, schema, keys=keys, limit=most + 1, descending=descending
    )
    return table(read, schema, chosen, name, most=most)


def json_stream(pieces: Iterator[bytes]) -> Response:
    """A long JSON document, sent while it is generated."""
    return StreamingResponse(_begun(pieces), media_type="application/json")


def file(request: Request, path: Path, *, tag: str, media_type: str, name: str) -> Response:
    """A file, or the range of it that the client asks for; `If-Range` and `If-None-Match` are honoured.

    Parameters
    ----------
    request : Request
        With `Range`.
    path : Path
        File on this machine.
    tag : str
        Strong ETag, without quotes.
    media_type, name : str
        Media type, and name under which it is saved.
    """
    quoted = f'"{tag}"'
    size = path.stat().st_size
    headers = {
        "ETag": quoted,
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "private, no-cache",
    }
    if _has(request, quoted):
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range")
    if wanted is None or request.headers.get("if-range", quoted) != quoted:
        return FileResponse(path, media_type=media_type, headers=headers)
    begin, end = wanted_range(wanted, size)
    headers |= {"Content-Range": f"bytes {begin}-{end - 1}/{size}", "Content-Length": str(end - begin)}
    return StreamingResponse(_part(path, begin, end), 206, media_type=media_type, headers=headers)


def wanted_range(header: str, size: int) -> tuple[int, int]:
    """The first byte of a range, and the byte after its last.

    Raises
    ------
    Problem
        If the file does not have the range, or the header has more than one.

    Examples
    --------
    >>> wanted_range("bytes=0-9", 100), wanted_range("bytes=-5", 100), wanted_range("bytes=90-", 95)
    ((0, 10), (95, 100), (90, 95))
    """
    found = _RANGE.fullmatch(header.replace(" ", "").lower())
    if found is not None and (found[1] or found[2]):
        if not found[1]:
            begin, end = max(0, size - int(found[2])), size
        else:
            begin = int(found[1])
            end = min(size, int(found[2]) + 1) if found[2] else size
        if begin < end:
            return begin, end
    raise Problem(
        "range-not-satisfiable",
        f"{header[:80]!r} is not one range of a file of {size} bytes",
        headers={"Content-Range": f"bytes */{size}"},
    )


def _part(path: Path, begin: int, end: int, chunk: int = 1 << 18) -> Iterator[bytes]:
    with path.open("rb") as opened:
        opened.seek(begin)
        left = end - begin
        while left > 0 and (piece := opened.read(min(chunk, left))):
            left -= len(piece)
            yield piece


def described(
    example: Any, description: str = "The answer", *, tabular: bool = False, status: int = 200
) -> dict[int | str, Any]:
    """The answer of an endpoint for OpenAPI: an example, and the other formats if it is a table."""
    content: dict[str, Any] = {"application/json": {"schema": {"type": _type(example)}, "example": example}}
    if tabular:
        for media in MEDIA_TYPES.values():
            content[media.partition(";")[0]] = {"schema": {"type": "string", "format": "binary"}}
    return {status: {"description": description, "content": content}}


def _type(example: Any) -> str:
    return "array" if isinstance(example, list) else "object"


def binary(media_type: str, description: str) -> dict[int | str, Any]:
    """The answer of an endpoint that sends a file, for OpenAPI."""
    return {
        200: {"description": description, "content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}
    }
