"""Messages over a pipe."""

from __future__ import annotations

import io
import os

import pyarrow as pa
import pytest

from broker_assets.filters.engine import frames


def test_messages_arrive_as_they_were_sent_even_in_pieces() -> None:
    ends = os.pipe()
    table = pa.table({"a": [1, None], "s": ["x", "y"]})
    with os.fdopen(ends[0], "rb", buffering=0) as source, os.fdopen(ends[1], "wb", buffering=0) as sink:
        frames.write(sink, {"number": 1}, frames.table_bytes(table))
        frames.write(sink, {"number": 2})
        header, content = frames.read(source)
        assert (header, frames.bytes_table(content)) == ({"number": 1}, table)
        assert frames.read(source) == ({"number": 2}, b"")
        sink.close()
        with pytest.raises(EOFError):
            frames.read(source)


def test_what_is_no_message_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        frames.read(io.BytesIO(b"\xff" * 100))
    with pytest.raises(ValueError, match="without a JSON object"):
        frames.read(io.BytesIO(b"\x01\x00\x00\x00\x00\x00\x00\x007"))
