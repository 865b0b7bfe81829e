"""Records in the bytes of a notice: JSON, or an Avro object container; safe for any bytes.

Reading is bounded: the time and memory for a record depend only on the number of its bytes, which the caller limits.
"""

from __future__ import annotations

import io
import json
import zlib
from typing import Any, cast

import fastavro
from fastavro.schema import parse_schema
from fastavro.types import Schema

_MAGIC = b"Obj\x01"
_HEADER: Schema = {
    "type": "record",
    "name": "header",
    "fields": [
        {"name": "magic", "type": {"type": "fixed", "name": "magic", "size": 4}},
        {"name": "meta", "type": {"type": "map", "values": "bytes"}},
        {"name": "sync", "type": {"type": "fixed", "name": "sync", "size": 16}},
    ],
}
_LARGEST_SCHEMA = 256 * 1024
"""Bytes of a schema, at most; that of the IGWN has 4 kB."""
_DEEPEST = 20
"""Depth of nested records, at most."""


def read_record(content: bytes, *, largest: int) -> Any:
    """The only record of a notice.

    Parameters
    ----------
    content : bytes
        JSON, or an Avro object container (codec `null` or `deflate`) with one record.
    largest : int
        Bytes of an unpacked block, at most.

    Raises
    ------
    ValueError
        If it is neither; the message says why.

    Examples
    --------
    >>> read_record(b'{"alert_type": "UPDATE"}', largest=100)
    {'alert_type': 'UPDATE'}
    """
    try:
        return _read_container(content, largest) if content.startswith(_MAGIC) else json.loads(content)
    except Exception as error:  # fastavro and json fail in many ways on damaged bytes, all equivalent here
        raise ValueError(f"neither JSON nor an Avro container with one record: {error}") from error


def _read_container(content: bytes, largest: int) -> Any:
    stream = io.BytesIO(content)
    header = cast(dict[str, Any], fastavro.schemaless_reader(stream, _HEADER, None))
    written = header["meta"]["avro.schema"]
    if len(written) > _LARGEST_SCHEMA:
        raise ValueError(f"a schema of {len(written):,} bytes, more than {_LARGEST_SCHEMA:,}")
    schema = json.loads(written)
    _refuse_unbounded_types(schema)
    parsed = parse_schema(schema)
    count, size = (cast(int, fastavro.schemaless_reader(stream, "long", None)) for _ in range(2))
    if count != 1:
        raise ValueError(f"{count} records in a block")
    if not 0 <= size <= len(content) - stream.tell():
        raise ValueError("the block is truncated")
    block = _decompressed(stream.read(size), header["meta"].get("avro.codec", b"null"), largest)
    if stream.read() != header["sync"]:
        raise ValueError("more than one block, or a block without its sync marker")
    datum = io.BytesIO(block)
    record = fastavro.schemaless_reader(datum, parsed, None)
    if datum.tell() != len(block):
        raise ValueError(f"{len(block) - datum.tell()} bytes follow the record")
    return record


def _decompressed(block: bytes, codec: bytes, largest: int) -> bytes:
    if codec == b"null":
        return block
    if codec != b"deflate":
        raise ValueError(f"codec {codec!r}; null and deflate are read")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    content = inflater.decompress(block, largest + 1)
    if len(content) > largest:
        raise ValueError(f"the block unpacks to more than {largest:,} bytes (BROKER_LIMITS__NOTICE_BYTES)")
    return content


def _refuse_unbounded_types(schema: Any, inside: tuple[str, ...] = ()) -> None:
    """Refuse types whose values can be larger or more deeply nested than the number of their bytes allows for.

    Values without bytes (null outside a union, empty records) could be any number; a record that contains itself is
    read by recursion in C, which ends the process.
    """
    if isinstance(schema, str):
        if schema == "null" or schema.rpartition(".")[2] in inside:
            raise ValueError(f"the schema has the type {schema!r} where it is not read")
    elif isinstance(schema, list):
        for branch in schema:
            if branch not in ("null", {"type": "null"}):
                _refuse_unbounded_types(branch, inside)
    elif isinstance(schema, dict):
        kind, name = schema.get("type"), str(schema.get("name", "")).rpartition(".")[2]
        if len(inside) >= _DEEPEST:
            raise ValueError(f"the schema has more than {_DEEPEST} nested records")
        if kind in ("record", "error"):
            if not schema.get("fields"):
                raise ValueError(f"the schema has the record {name!r} without fields")
            for item in schema["fields"]:
                _refuse_unbounded_types(item["type"], (*inside, name))
        elif kind in ("array", "map"):
            _refuse_unbounded_types(schema["items" if kind == "array" else "values"], inside)
        elif kind == "fixed":
            if not isinstance(schema.get("size"), int) or schema["size"] < 1:
                raise ValueError(f"the schema has the type {name!r} of size {schema.get('size')!r}")
        else:
            _refuse_unbounded_types(kind, inside)
