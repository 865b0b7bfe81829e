"""Reads Avro datums whose schema is in the key of the message (Fink), many at a time, with the compiled reader.

The alerts that brokers pass on have histories and cutouts; an annotation needs only a few of their values, and only
these are read. What the compiled reader does not support (tables within tables, maps, logical types), and every datum
that it refuses, is left to `annotations.forms`, which also finds the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa

from broker_assets.packets.limits import ReadTooLarge
from broker_assets.packets.reader import PacketReader, available_columns
from broker_assets.packets.schema import SchemaError, UnsupportedSchema


def keyed_documents(
    messages: Sequence[tuple[bytes | None, bytes]], paths: frozenset[str]
) -> dict[int, Mapping[str, Any]]:
    """Documents of messages, with only the members that are needed.

    Parameters
    ----------
    messages : sequence of (bytes or None, bytes)
        Key and value.
    paths : frozenset of str
        Dotted paths of the members that are needed, see `annotations.fields`.

    Returns
    -------
    dict of int to mapping
        By index of the message; those that were not read are left out.
    """
    by_key: dict[bytes, list[int]] = {}
    for number, (key, _) in enumerate(messages):
        if key:
            by_key.setdefault(key, []).append(number)
    found: dict[int, Mapping[str, Any]] = {}
    for key, numbers in by_key.items():
        reader = _reader(key, paths)
        if reader is None:
            continue
        try:
            table = reader.read([messages[number][1] for number in numbers]).tables[""]
        except ReadTooLarge:
            continue
        if any(pa.types.is_map(kind.type) for kind in table.schema):
            continue
        for row in table.to_pylist():
            found[numbers[row.pop("packet")]] = _nested(row)
    return found


@lru_cache(maxsize=32)
def _reader(key: bytes, paths: frozenset[str]) -> PacketReader | None:
    """The reader of a schema; None if it cannot read all that is needed."""
    if b"logicalType" in key:
        return None
    try:
        schema = key.decode()
        available = available_columns(schema)
        tables = [name for name in available if name]
        # An item of a list is a path through an array.
        if any(_within(table, path) or _within(path, table) for table in tables for path in paths):
            return None
        wanted = [name for name in available[""] if "@" not in name and any(_within(name, path) for path in paths)]
        if not wanted:
            return None
        return PacketReader(schema, {"": wanted}, to_end=True)
    except (SchemaError, UnsupportedSchema, ValueError, RecursionError):
        return None


def _within(name: str, path: str) -> bool:
    return name == path or name.startswith(f"{path}.")


def _nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted name as nested records; a record that contains only nulls is null."""
    document: dict[str, Any] = {}
    for name, value in row.items():
        *outer, last = name.split(".")
        inside = document
        for member in outer:
            inside = inside.setdefault(member, {})
        inside[last] = value
    return {name: _pruned(value) for name, value in document.items()}


def _pruned(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    members = {name: _pruned(item) for name, item in value.items()}
    return members if any(item is not None for item in members.values()) else None
