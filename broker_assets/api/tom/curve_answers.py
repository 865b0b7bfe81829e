"""Light curves as JSON in the three layouts of the original, or as Arrow; written for some objects at a time.

Layouts 0 and 1 are written as objects are read. Layout 2 has one list for each column, so the columns wait in temporary
files, which stay in memory while they are small.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final, Literal

import pyarrow as pa
from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from broker_assets.api.tom.answers import json_of
from broker_assets.tom.light_curves import HOST, POINTS, Curves

Layout = Literal[0, 1, 2]
ARROW: Final = "application/vnd.apache.arrow.stream"
IN_MEMORY: Final = 1 << 20
"""Largest column that is kept in memory, bytes."""
_SERIES: Final = ("mjd", "band", "flux", "fluxerr")
_TRUE: Final = {"X-Flux-Zero-Point": "31.4", "X-Flux-Unit": "nJy"}


@dataclass(frozen=True)
class Form:
    """How light curves are written."""

    layout: Layout
    zero_point: float
    """`zp`, mag."""
    hosts: bool
    """Whether to add columns of the host."""
    constants: Mapping[str, float]
    """Further values, the same for each object."""


def answer(request: Request, curves: Iterable[Curves], form: Form) -> Response:
    """Light curves in the form that the request asks for; a failure before the first objects is an error of the
    request."""
    stream = iter(curves)
    first = next(stream, None)
    rest = itertools.chain([] if first is None else [first], stream)
    if ARROW in request.headers.get("accept", "").lower():
        return StreamingResponse(_arrow(rest), media_type=ARROW, headers=_TRUE)
    write = _columns(rest, form) if form.layout == 2 else rows(rest, form)
    return StreamingResponse(write, media_type="application/json", headers=_TRUE)


def _heads(curves: Curves, form: Form) -> list[dict[str, Any]]:
    """Values of each object besides its points."""
    names = ("objectid", "ra", "dec")
    columns: dict[str, list[Any]] = {name: curves.objects[name].to_pylist() for name in names}
    count = curves.objects.num_rows
    columns["zp"] = [form.zero_point] * count
    columns |= {name: [value] * count for name, value in form.constants.items()}
    if form.hosts:
        # 32-bit floats as 64-bit floats with the same shortest decimal form.
        columns |= {name: curves.objects[name].cast(pa.string()).cast(pa.float64()).to_pylist() for name in HOST}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _series(curves: Curves) -> Iterator[dict[str, Any]]:
    """The points of each object."""
    numbers = {name: curves.points[name].to_numpy() for name in ("mjd", "flux", "fluxerr")}
    bands = curves.points["band"].to_pylist()
    for begin, end in itertools.pairwise(curves.begins.tolist()):
        yield {
            "mjd": numbers["mjd"][begin:end],
            "band": bands[begin:end],
            "flux": numbers["flux"][begin:end],
            "fluxerr": numbers["fluxerr"][begin:end],
        }


def rows(curves: Iterable[Curves], form: Form) -> Iterator[bytes]:
    before = b'{"status":"ok","diaobject":['
    for some in curves:
        written = [
            json_of({**head, **series} if form.layout == 1 else {**head, "photometry": series})
            for head, series in zip(_heads(some, form), _series(some), strict=True)
        ]
        if written:
            yield before + b",".join(written)
            before = b","
    yield (before if before != b"," else b"") + b"]}"


def _columns(curves: Iterable[Curves], form: Form) -> Iterator[bytes]:
    names = ["objectid", "ra", "dec", *_SERIES, "zp", *form.constants, *(HOST if form.hosts else ())]
    with ExitStack() as stack:
        files = {name: stack.enter_context(tempfile.SpooledTemporaryFile(IN_MEMORY)) for name in names}
        separator = b""
        for some in curves:
            rows = [{**head, **series} for head, series in zip(_heads(some, form), _series(some), strict=True)]
            if not rows:
                continue
            for name, file in files.items():
                file.write(separator + b",".join(json_of(row[name]) for row in rows))
            separator = b","
        before = b'{"status":"ok","diaobject":{'
        for name, file in files.items():
            yield before + b'"' + name.encode() + b'":['
            file.seek(0)
            while block := file.read(1 << 16):
                yield block
            before = b"],"
        yield b"]}}"


def _arrow(curves: Iterable[Curves]) -> Iterator[bytes]:
    """One row for each point."""
    sink = _Sink()
    schema = pa.schema([field for field in POINTS if field.name != "id"])
    with pa.ipc.new_stream(sink, schema) as writer:
        for some in curves:
            writer.write_table(some.points.select(schema.names).cast(schema))
            yield sink.taken()
    yield sink.taken()


class _Sink:
    """A writable file from which what was written can be taken."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        """Keep the data until they are taken."""
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is buffered elsewhere."""

    def close(self) -> None:
        """Do nothing: what is left can still be taken."""

    def taken(self) -> bytes:
        """What was written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
