"""The place of an archived packet in Kafka, from the header of its file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import fastavro
import numpy as np

from broker_assets.packets import archive
from broker_assets.packets.framing import Framer
from broker_assets.packets.kafka_place import kafka_place

SCHEMA: dict[str, Any] = {"type": "record", "name": "r", "fields": [{"name": "x", "type": "bytes"}]}


class Message(NamedTuple):
    """A message as received."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes


class OneSchema:
    """A registry with one schema."""

    def by_id(self, schema_id: int) -> dict[str, Any]:
        """The schema."""
        return SCHEMA

    def for_topic(self, topic: str | None) -> dict[str, Any]:
        """The schema."""
        return SCHEMA


def written(folder: Path) -> archive.ArchivedFile:
    """A file with five packets of two partitions."""
    messages = []
    for number in range(5):
        file = io.BytesIO()
        fastavro.schemaless_writer(file, SCHEMA, {"x": bytes([number])})
        messages.append(Message(number % 2, 40 + number, 0, None, file.getvalue()))
    framed = Framer("bare", OneSchema()).split([message.value for message in messages])
    nights = np.full(5, np.datetime64("2025-10-12"))
    (part,) = archive.parts(framed, np.arange(5), nights, messages)
    return archive.write(str(folder), "alerts", part, messages, framed, framing="bare")


def test_each_packet_has_the_place_of_its_message(tmp_path: Path) -> None:
    file = written(tmp_path)
    for number, (position, length) in enumerate(zip(file.positions.tolist(), file.lengths.tolist(), strict=True)):
        assert kafka_place(file.url, position, length) == (number % 2, 40 + number, "")


def test_why_a_place_is_not_known(tmp_path: Path) -> None:
    file = written(tmp_path)
    position, length = int(file.positions[1]), int(file.lengths[1])
    for wrong in ((position + 1, length), (position, length + 1), (10**9, length)):
        place = kafka_place(file.url, *wrong)
        assert (place.partition, place.offset) == (None, None)
        assert "no packet of" in place.problem
    assert "no such file" in kafka_place(f"{tmp_path}/gone.avro", position, length).problem
    (tmp_path / "other.avro").write_bytes(b"not an archive file")
    assert "other.avro" in kafka_place(str(tmp_path / "other.avro"), position, length).problem
