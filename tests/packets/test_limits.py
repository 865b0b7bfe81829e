"""What packets may take once they are unpacked: messages, batches, rows."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pytest

from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.framing import Framer
from broker_assets.packets.limits import MESSAGE_BYTES, BatchTooLarge, ReadTooLarge
from broker_assets.packets.reader import PacketReader
from broker_assets.packets.registry import NoSchemas


def wide(size: int) -> bytes:
    """A small container with a large record."""
    file = io.BytesIO()
    schema = {"type": "record", "name": "r", "fields": [{"name": "x", "type": "bytes"}]}
    fastavro.writer(file, schema, [{"x": bytes(size)}], codec="deflate")
    return file.getvalue()


def test_what_a_batch_unpacks_to_is_bounded() -> None:
    """The records count, not the messages: the batch is to be divided, and a single message always goes."""
    messages = [wide(100_000) for _ in range(10)]
    assert len(messages[0]) < 1000
    framer = Framer("container", NoSchemas(), batch_bytes=350_000)
    with pytest.raises(BatchTooLarge) as raised:
        framer.split(messages)
    assert 1 <= raised.value.messages <= 3
    framed = framer.split(messages[: raised.value.messages])
    assert not framed.failures
    assert not Framer("container", NoSchemas(), batch_bytes=10).split(messages[:1]).failures
    assert not Framer("container", NoSchemas(), batch_bytes=None).split(messages).failures


def test_a_message_is_bounded_however_it_is_packed() -> None:
    framed = Framer("container", NoSchemas()).split([wide(MESSAGE_BYTES), bytes(MESSAGE_BYTES + 1)])
    assert [failure.packet for failure in framed.failures] == [0, 1]
    assert "more than 67108864 bytes when decompressed" in framed.failures[0].reason
    assert "at most 67108864" in framed.failures[1].reason


ITEMS = {
    "type": "record",
    "name": "r",
    "fields": [
        {
            "name": "items",
            "type": {
                "type": "array",
                "items": ["null", {"type": "record", "name": "i", "fields": [{"name": "x", "type": "double"}]}],
            },
        }
    ],
}


def many_items(count: int) -> bytes:
    """A packet with items of one byte."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(ITEMS), {"items": [None] * count})
    return out.getvalue()


def test_the_rows_of_one_pass_are_bounded() -> None:
    reader = PacketReader(ITEMS, maximum_bytes=1 << 20)
    assert reader.read([many_items(1000)] * 10).tables["items"].num_rows == 10_000
    with pytest.raises(ReadTooLarge, match="rows of items exceed 1048576 bytes"):
        reader.read([many_items(200_000)])
    # Earlier packets are no reason to claim memory for later ones.
    small = PacketReader(ITEMS, maximum_bytes=32 << 20)
    small.read([many_items(100_000)] * 8)
    assert small.read([many_items(0)] * 100_000).tables["items"].num_rows == 0


def test_nulls_of_a_large_fixed_do_not_take_its_bytes() -> None:
    schema = {
        "type": "record",
        "name": "r",
        "fields": [{"name": "x", "type": ["null", {"type": "fixed", "name": "f", "size": 1 << 26}]}],
    }
    with pytest.raises(ReadTooLarge, match="values of x"):
        PacketReader(schema).read([b"\0"] * 1000)


def test_the_rows_of_a_batch_are_bounded(packets: Any, tmp_path: Any) -> None:
    """However they are divided into passes; a single packet always goes."""
    from broker_assets.packets.registry import SchemaFolder

    schemas = SchemaFolder(packets.write_schema_folder(tmp_path / "schemas"))
    payloads = list(packets.Survey(objects=40, visits=6).packets())
    decoder = AlertDecoder("rubin", "confluent", schemas, batch_bytes=2000)
    with pytest.raises(BatchTooLarge) as raised:
        decoder.decode(decoder.identify(payloads))
    assert raised.value.messages == len(payloads) // 2
    for payload in payloads[-3:]:
        assert decoder.decode(decoder.identify([payload])).packet.num_rows == 1
