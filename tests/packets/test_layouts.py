"""Cached layouts change nothing: batches of like and unlike records read as each record alone."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.packets.opcodes import LAYOUT, LAYOUT_BYTES, SLOTS
from broker_assets.packets.program import compile_program
from broker_assets.packets.reader import PacketReader
from broker_assets.packets.schema import Record, resolve

ITEM: dict[str, Any] = {
    "type": "record",
    "name": "item",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "flux", "type": ["null", "float"]},
        {"name": "error", "type": ["float", "null"]},
        {"name": "band", "type": ["null", "string"]},
        {"name": "visit", "type": ["null", "int"]},
        {"name": "flag", "type": "boolean"},
        {"name": "raw", "type": ["null", "bytes"]},
    ],
}
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "packet",
    "fields": [{"name": "items", "type": {"type": "array", "items": ITEM}}],
}
PARSED = fastavro.parse_schema(SCHEMA)
READER = PacketReader(SCHEMA)
NAMES = [field["name"] for field in ITEM["fields"]]

FLOAT = st.floats(width=32, allow_nan=False)
ITEMS = st.fixed_dictionaries(
    {
        "id": st.integers(-(2**63), 2**63 - 1) | st.integers(-100, 100),
        "flux": st.none() | FLOAT,
        "error": st.none() | FLOAT,
        "band": st.none() | st.sampled_from(["", "g", "ab", "ζ", "長い"]) | st.text(max_size=30),
        "visit": st.none() | st.integers(-(2**31), 2**31 - 1),
        "flag": st.booleans(),
        "raw": st.none() | st.binary(max_size=20),
    }
)


def packet(items: list[dict[str, Any]]) -> bytes:
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, PARSED, {"items": items})
    return stream.getvalue()


def read(payloads: list[bytes], reader: PacketReader = READER) -> tuple[list[dict[str, Any]], list[int]]:
    found = reader.read(payloads)
    return found.tables["items"].select(NAMES).to_pylist(), [failure.packet for failure in found.failures]


def test_items_are_worth_a_layout() -> None:
    root = resolve(SCHEMA)
    assert isinstance(root, Record)
    assert LAYOUT in compile_program(root, None).operations[:, 0]


@settings(deadline=None, max_examples=60)
@given(st.lists(ITEMS, min_size=1, max_size=8), st.lists(st.integers(0, 7), min_size=1, max_size=80))
def test_repeated_and_alternating_shapes(kinds: list[dict[str, Any]], order: list[int]) -> None:
    items = [kinds[number % len(kinds)] for number in order]
    assert read([packet(items)]) == (items, [])
    assert read([packet([item]) for item in items]) == (items, [])


def test_more_shapes_than_there_are_slots() -> None:
    base = {"id": 1, "flux": 1.5, "error": 0.5, "band": "g", "visit": 3, "flag": True, "raw": b""}
    shapes = [base | {"raw": bytes(length)} for length in range(3 * SLOTS)]
    assert read([packet(shapes * 3)]) == (shapes * 3, [])


def test_a_record_longer_than_a_layout() -> None:
    base = {"id": 1, "flux": 1.5, "error": 0.5, "visit": 3, "flag": True, "raw": None}
    items = [base | {"band": "x" * length} for length in (LAYOUT_BYTES - 30, LAYOUT_BYTES, 5 * LAYOUT_BYTES, 1)]
    assert read([packet(items * 2)]) == (items * 2, [])


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 2**62])
def test_a_number_out_of_range_is_found_in_a_known_layout(number: int) -> None:
    """The bytes have the layout of the records before, but an int must fit 32 bits."""
    wide = json.loads(
        json.dumps(SCHEMA).replace(
            '"name": "visit", "type": ["null", "int"]', '"name": "visit", "type": ["null", "long"]'
        )
    )
    item = {"id": 1, "flux": 1.5, "error": 0.5, "band": "g", "flag": True, "raw": b""}
    near = (2**31 - 1) if number > 0 else -(2**31)
    good = packet([item | {"visit": near}] * 20)
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(wide), {"items": [item | {"visit": number}]})
    rows, failed = read([good, stream.getvalue(), good])
    assert failed == [1]
    assert rows == [item | {"visit": near}] * 40


@settings(deadline=None, max_examples=100)
@given(ITEMS, st.integers(0, 200), st.integers(0, 255))
def test_damage_is_seen_as_it_is_without_a_cache(item: dict[str, Any], place: int, value: int) -> None:
    """A damaged record after many like it gives what it gives alone."""
    good = packet([item] * 5)
    damaged = bytearray(good)
    damaged[place % len(good)] = value
    alone, alone_failed = read([bytes(damaged)])
    rows, failed = read([good, good, bytes(damaged), good])
    assert failed == ([2] if alone_failed else [])
    whole, _ = read([good])
    assert repr(rows) == repr([*whole, *whole, *alone, *whole]), "nan is not equal to itself"
