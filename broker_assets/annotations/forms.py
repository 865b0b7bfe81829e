"""Turns messages of brokers into documents: JSON, Avro with the schema in the key or in the file, BSON.

Every format returns a list, since a container has any number of documents. Messages are untrusted input: sizes are
limited where a few bytes can unpack to many.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, cast

import bson
import fastavro
from fastavro.schema import SchemaParseException, UnknownType

from broker_assets.annotations.content import BadAnnotation

Documents = list[Mapping[str, Any]]
Form = Callable[[bytes | None, bytes, "frozenset[str] | None"], Documents]
"""Reads key and value; the names are the members of a document that are needed, None: all."""

LARGEST_UNPACKED: Final = 64 * 1024**2
"""Largest unpacked message, bytes."""
MOST_DOCUMENTS: Final = 10_000
"""Most documents in a message."""
LARGEST_SCHEMA: Final = 4 * 1024**2
"""Largest Avro schema in a key, bytes."""
_CONTAINER: Final = b"Obj\x01"


class UnreadableMessage(BadAnnotation):
    """The bytes are not in the format of the source."""


def documents(form: str, key: bytes | None, value: bytes, needed: frozenset[str] | None = None) -> Documents:
    """The documents of a message.

    Parameters
    ----------
    form : str
        One of `FORMS`.
    key, value : bytes
        The message.
    needed : frozenset of str, optional
        Members of a document that are needed; others may be omitted.

    Raises
    ------
    UnreadableMessage
        The message says what is wrong.

    Examples
    --------
    >>> documents("json", None, b'{"objectId": 7, "classification": "SN"}')
    [{'objectId': 7, 'classification': 'SN'}]
    """
    try:
        found = FORMS[form](key, value, needed)
    except UnreadableMessage:
        raise
    except RecursionError:
        raise UnreadableMessage(f"the message cannot be read as {form}: it is nested too deeply") from None
    except Exception as error:  # noqa: BLE001 - fastavro and bson raise whatever hostile bytes lead to
        raise UnreadableMessage(
            f"the message cannot be read as {form}: {type(error).__name__}: {str(error)[:300]}"
        ) from None
    if len(found) > MOST_DOCUMENTS:
        raise UnreadableMessage(f"the message has {len(found)} documents, more than {MOST_DOCUMENTS}")
    for document in found:
        if not isinstance(document, Mapping):
            raise UnreadableMessage(f"the message is not an object, but {type(document).__name__}")
    return found


def _json(key: bytes | None, value: bytes, needed: frozenset[str] | None) -> Documents:
    return _read_json(value, _no_constant)


def _read_json(value: bytes, constant: Callable[[str], Any]) -> Documents:
    if not value:
        raise UnreadableMessage("the message is empty")
    read = json.loads(value, parse_constant=constant)
    return read if isinstance(read, list) else [read]


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _keyed_avro(key: bytes | None, value: bytes, needed: frozenset[str] | None) -> Documents:
    """Fink: the key is the whole Avro schema as JSON, the value is one datum."""
    if not key:
        raise UnreadableMessage("the message has no key; its key is the Avro schema")
    if len(key) > LARGEST_SCHEMA:
        raise UnreadableMessage(f"the key has {len(key)} bytes, more than {LARGEST_SCHEMA}")
    writer, reader = _schemas(key, needed)
    stream = io.BytesIO(value)
    document: Any = fastavro.schemaless_reader(stream, writer, reader)
    if stream.tell() != len(value):
        raise UnreadableMessage(f"{len(value) - stream.tell()} bytes follow the datum: it is of another schema")
    return [document]


@lru_cache(maxsize=32)
def _schemas(key: bytes, needed: frozenset[str] | None) -> tuple[Any, Any]:
    """The schema in a key, and the part of it that is needed, with which reading skips histories and cutouts."""
    schema = json.loads(key)
    writer = fastavro.parse_schema(schema)
    fields = schema.get("fields") if isinstance(schema, dict) else None
    if needed is None or not isinstance(fields, list):
        return writer, None
    kept = [field for field in fields if field["name"] in needed]
    try:
        return writer, fastavro.parse_schema({**schema, "fields": kept})
    except (UnknownType, SchemaParseException):
        return writer, None  # a needed type is defined in a part that was left out


def _avro(key: bytes | None, value: bytes, needed: frozenset[str] | None) -> Documents:
    """Avro object containers: Babamul, ALeRCE, and Hopskotch with `_format` avro."""
    found: Documents = []
    for document in fastavro.reader(io.BytesIO(value)):
        found.append(cast("Mapping[str, Any]", document))
        if len(found) > MOST_DOCUMENTS:
            raise UnreadableMessage(f"the message has more than {MOST_DOCUMENTS} documents")
    if not found:
        raise UnreadableMessage("the message has no document")
    return found


def _hopskotch(key: bytes | None, value: bytes, needed: frozenset[str] | None) -> Documents:
    """Messages of Hopskotch: JSON or Avro containers, distinguished by their first bytes.

    The header `_format` says which, but the quarantine keeps no headers, and the bytes show it too. Before there were
    headers, a message was an envelope with the members format and content.
    """
    if value.startswith(_CONTAINER):
        return _avro(key, value, needed)
    # hop-client writes NaN and Infinity as Python does; of other brokers they are unknown values (`fields.plain`).
    found = _read_json(value, float)
    return [
        one["content"]
        if isinstance(one, Mapping) and one.keys() == {"format", "content"} and isinstance(one["content"], Mapping)
        else one
        for one in found
    ]


def _zlib_bson(key: bytes | None, value: bytes, needed: frozenset[str] | None) -> Documents:
    """ANTARES: compressed BSON; as in its streaming client, members may also be below `data.attributes`."""
    unpacker = zlib.decompressobj()
    unpacked = unpacker.decompress(value, LARGEST_UNPACKED)
    if unpacker.unconsumed_tail:
        raise UnreadableMessage(f"the message has more than {LARGEST_UNPACKED} bytes once unpacked")
    if not unpacker.eof:
        raise UnreadableMessage("the message is truncated")
    document = bson.decode(unpacked)
    data = document.get("data")
    if isinstance(data, dict) and isinstance(data.get("attributes"), dict):
        document = {"id": data.get("id"), **data["attributes"]}
    return [document]


FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {"json": _json, "keyed-avro": _keyed_avro, "avro": _avro, "hopskotch": _hopskotch, "zlib-bson": _zlib_bson}
)
"""Readers by name of the format."""
