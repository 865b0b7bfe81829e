"""The protocol of the pipe to the separate process: each message is a JSON object followed by bytes.

Nothing is unpickled: the process runs users' statements, and its answers are treated as data.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import IO, Any, Final

import pyarrow as pa
from pyarrow import ipc

_LENGTHS: Final = struct.Struct("<II")
LONGEST: Final = 1 << 30
"""Largest part of a message, bytes."""


def write(stream: IO[bytes], header: Mapping[str, Any], content: bytes | memoryview | pa.Buffer = b"") -> None:
    """Send a message."""
    text = json.dumps(header).encode()
    for part in (_LENGTHS.pack(len(text), len(content)) + text, content):
        view = memoryview(part)
        while len(view):
            view = view[stream.write(view) :]
    stream.flush()


def read(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Receive a message.

    Raises
    ------
    EOFError
        If the other end has closed the pipe.
    ValueError
        If the bytes are not a message.
    """
    header, content = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    if max(header, content) > LONGEST:
        raise ValueError(f"a message of {header} + {content} bytes is too long")
    value = json.loads(_exactly(stream, header))
    if not isinstance(value, dict):
        raise ValueError("a message without a JSON object")
    return value, _exactly(stream, content)


def _exactly(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    while len(data) < length:  # a pipe may return fewer bytes than requested
        more = stream.read(length - len(data))
        if not more:
            raise EOFError("the other end of the pipe is gone")
        data += more
    return data


def table_bytes(table: pa.Table) -> pa.Buffer:
    """A table as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def bytes_table(content: bytes) -> pa.Table:
    """The table in an Arrow IPC stream."""
    return ipc.open_stream(content).read_all()
