"""Avro containers of small records."""

from __future__ import annotations

import io

import fastavro

SCHEMA = {"type": "record", "name": "r", "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": "string"}]}


def container(records: list[dict[str, object]], codec: str = "null") -> bytes:
    """An Avro container."""
    stream = io.BytesIO()
    fastavro.writer(stream, fastavro.parse_schema(SCHEMA), records, codec=codec, sync_interval=30)
    return stream.getvalue()
