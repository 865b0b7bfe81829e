"""Whole packets for people: all fields, whatever the schema's defaults and times are, within bounds."""

from __future__ import annotations

import datetime
import io
from typing import Any

import fastavro
import pytest

from broker_assets.packets.whole import WHOLE_BYTES, WHOLE_ITEMS, WholePacketError, read_whole

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "r",
    "fields": [
        {"name": "x", "type": "int", "default": None},
        {"name": "time", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "items", "type": {"type": "array", "items": "null"}},
        {"name": "stamp", "type": "bytes"},
    ],
}


def datum(time: int | None = None, items: int = 0, stamp: bytes = b"") -> bytes:
    fields: list[dict[str, Any]] = [dict(field) for field in SCHEMA["fields"]]
    del fields[0]["default"]
    fields[1]["type"] = ["null", "long"]
    plain = {"type": "record", "name": "r", "fields": fields}
    out = io.BytesIO()
    record = {"x": 1, "time": time, "items": [None] * items, "stamp": stamp}
    fastavro.schemaless_writer(out, fastavro.parse_schema(plain), record)
    return out.getvalue()


def test_a_default_that_is_wrong_matters_to_nobody() -> None:
    found = read_whole(datum(time=0), SCHEMA)
    assert found["x"] == 1
    assert found["time"] == datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def test_a_time_that_no_calendar_has_is_a_number() -> None:
    assert read_whole(datum(time=2**63 - 1), SCHEMA)["time"] == 2**63 - 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (datum(items=WHOLE_ITEMS + 1), "more items"),
        (datum(stamp=bytes(WHOLE_BYTES)), "bytes; at most"),
        (datum()[:-1], "continues beyond"),
    ],
)
def test_what_is_not_shown(content: bytes, reason: str) -> None:
    with pytest.raises(WholePacketError, match=reason):
        read_whole(content, SCHEMA)
