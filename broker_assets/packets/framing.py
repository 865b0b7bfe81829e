"""Extracts Avro datums from messages: Confluent wire format, Avro object containers, and bare datums.

A message with incorrect framing is a failure of that packet only. The result is a list of buffers with the byte at
which each datum starts, so that nothing is copied if the datum is uncompressed in the message.
"""

from __future__ import annotations

import hashlib
import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from broker_assets.packets.container import ContainerError, read_blocks, read_header
from broker_assets.packets.failures import PacketFailure
from broker_assets.packets.limits import BATCH_BYTES, MESSAGE_BYTES, SCHEMAS_KEPT, BatchTooLarge
from broker_assets.packets.named_types import AvroSchema, spell_out
from broker_assets.packets.registry import RegistryUnavailable, SchemaNotFound, SchemaSource
from broker_assets.packets.schema import SchemaError, parse_text

CONFLUENT_HEADER_BYTES: Final = 5
"""Magic byte 0 and the schema id, four bytes, most significant first."""

K = TypeVar("K")
V = TypeVar("V")

FRAMINGS: Final = ("confluent", "container", "bare")


@dataclass(frozen=True)
class FramedSchema:
    """A schema encountered in a batch."""

    schema: AvroSchema
    fingerprint: str
    """SHA-256, hexadecimal: of its JSON with sorted keys; for a container, of its text, so that it can be restored."""
    schema_id: int | None = None
    """Id in the Confluent wire format, if the framing has one."""
    text: bytes | None = None
    """The JSON as in the container, for container framing."""

    @property
    def name(self) -> str:
        """Full name of the packet's record, such as `lsst.v9_0.alert`."""
        space = self.schema.get("namespace")
        name = str(self.schema.get("name", ""))
        return f"{space}.{name}" if space and "." not in name else name


@dataclass(frozen=True)
class FramedPackets:
    """The datums of a batch of messages."""

    buffers: list[bytes]
    """Message, or its decompressed block; one per packet, including failures."""
    starts: NDArray[np.int64]
    """Byte in the buffer at which the datum starts."""
    ends: NDArray[np.int64]
    """Byte after the datum."""
    schema: NDArray[np.int32]
    """Row in `schemas`; -1 for failures."""
    schemas: list[FramedSchema]
    failures: list[PacketFailure] = field(default_factory=list)


def fingerprint(schema: AvroSchema) -> str:
    """SHA-256 of a schema's JSON with sorted keys, hexadecimal.

    Examples
    --------
    >>> fingerprint({"type": "record", "name": "a", "fields": []})[:16]
    'b567930943f1be64'
    """
    return hashlib.sha256(json.dumps(schema, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Framer:
    """Splits messages; caches the schemas encountered, so keep one for a stream.

    Parameters
    ----------
    framing : str
        "confluent", "container" or "bare".
    schemas : SchemaSource
        Source for the ids of "confluent" and for the topic of "bare".
    topic : str, optional
        Topic of bare datums.
    batch_bytes : int or None
        Limit for the messages of one call once decompressed, bytes.
    message_bytes : int
        Limit for one message, bytes, as received and once decompressed.

    Raises
    ------
    ValueError
        If the framing is not one of the three.
    """

    def __init__(
        self,
        framing: str,
        schemas: SchemaSource,
        *,
        topic: str | None = None,
        batch_bytes: int | None = BATCH_BYTES,
        message_bytes: int = MESSAGE_BYTES,
    ) -> None:
        if framing not in FRAMINGS:
            raise ValueError(f"unknown framing {framing!r}; known: {', '.join(FRAMINGS)}")
        self.framing = framing
        self._source = schemas
        self._topic = topic
        self._batch_bytes = batch_bytes
        self._message_bytes = message_bytes
        self._by_id: dict[int, FramedSchema] = {}
        self._by_text: dict[bytes, FramedSchema] = {}

    def split(self, payloads: Sequence[bytes]) -> FramedPackets:
        """Find the datum and the schema of each message.

        Raises
        ------
        RegistryUnavailable
            If the schema of a well-framed message must be fetched and the registry does not answer, or if a stream
            of bare datums has no schema at all: the packets themselves are not at fault.
        BatchTooLarge
            If the messages have more than `batch_bytes` once decompressed; never for a single message.
        """
        splitter: Mapping[str, Callable[[bytes], tuple[bytes, int, int, FramedSchema]]] = {
            "confluent": self._confluent,
            "container": self._container,
            "bare": self._bare,
        }
        split_one = splitter[self.framing]
        buffers: list[bytes] = []
        starts = np.zeros(len(payloads), dtype=np.int64)
        ends = np.zeros(len(payloads), dtype=np.int64)
        schema = np.full(len(payloads), -1, dtype=np.int32)
        schemas: dict[str, tuple[int, FramedSchema]] = {}
        failures: list[PacketFailure] = []
        decompressed = 0
        for packet, payload in enumerate(payloads):
            try:
                if len(payload) > self._message_bytes:
                    raise ContainerError(
                        f"the message has {len(payload)} bytes; at most {self._message_bytes} are read"
                    )
                buffer, starts[packet], ends[packet], found = split_one(payload)
            except OSError:
                raise  # the registry, or the disk where schemas are kept: not the message
            except (SchemaNotFound, ContainerError) as error:
                failures.append(PacketFailure(packet, str(error)))
                buffers.append(payload)
                continue
            except Exception as error:  # noqa: BLE001 (isolation boundary: whatever one message provokes is its own)
                reason = f"the framing cannot be read: {type(error).__name__}: {error}"
                failures.append(PacketFailure(packet, reason, traceback.format_exc()))
                buffers.append(payload)
                continue
            if buffer is not payload:
                decompressed += len(buffer)
                if self._batch_bytes is not None and decompressed > self._batch_bytes and packet:
                    raise BatchTooLarge(
                        f"{packet + 1} messages have {decompressed} bytes once decompressed", max(packet // 2, 1)
                    )
            buffers.append(buffer)
            schema[packet] = schemas.setdefault(found.fingerprint, (len(schemas), found))[0]
        return FramedPackets(buffers, starts, ends, schema, [found for _, found in schemas.values()], failures)

    def _confluent(self, payload: bytes) -> tuple[bytes, int, int, FramedSchema]:
        if len(payload) < CONFLUENT_HEADER_BYTES or payload[0] != 0:
            raise ContainerError(
                f"not in Confluent wire format: {len(payload)} bytes"
                + (f", first byte 0x{payload[0]:02x} instead of 0x00" if payload else "")
            )
        schema_id = int.from_bytes(payload[1:CONFLUENT_HEADER_BYTES], "big")
        known = self._by_id.get(schema_id)
        if known is None:
            schema = self._source.by_id(schema_id)
            known = FramedSchema(schema, fingerprint(schema), schema_id)
            keep(self._by_id, schema_id, known)
        return payload, CONFLUENT_HEADER_BYTES, len(payload), known

    def _bare(self, payload: bytes) -> tuple[bytes, int, int, FramedSchema]:
        known = self._by_text.get(b"")
        if known is None:
            try:
                schema = self._source.for_topic(self._topic)
            except SchemaNotFound as error:
                # A stream without a schema is a fault of the settings, not of each packet: it ends the batch.
                raise RegistryUnavailable(str(error)) from error
            known = self._by_text[b""] = FramedSchema(schema, fingerprint(schema))
        return payload, 0, len(payload), known

    def _container(self, payload: bytes) -> tuple[bytes, int, int, FramedSchema]:
        header = read_header(payload)
        # A block without records is valid, and writers that flush too often write one.
        blocks = [block for block in read_blocks(payload, header) if block.records]
        records = sum(block.records for block in blocks)
        if records != 1:
            raise ContainerError(f"the container has {records or 'no'} records; one alert per message is expected")
        block = blocks[0]
        known = self._by_text.get(header.schema_text)
        if known is None:
            known = framed_schema(header.schema_text)
            keep(self._by_text, header.schema_text, known)
        buffer, start, end = block.datums(payload, header, maximum=self._message_bytes)
        return buffer, start, end, known


def keep(cache: dict[K, V], key: K, value: V) -> None:
    """Add to a cache of schemas that is emptied before it grows without limit."""
    if len(cache) >= SCHEMAS_KEPT:
        cache.clear()
    cache[key] = value


def framed_schema(text: bytes) -> FramedSchema:
    """A schema from the JSON in a container's header.

    Raises
    ------
    ContainerError
        If it is not JSON or not a valid schema.
    SchemaNotFound
        If it refers to a type that it does not define.
    """
    try:
        schema = spell_out(parse_text(text), {})
    except SchemaError as error:
        raise ContainerError(f"the schema in the container is not valid: {error}") from error
    return FramedSchema(schema, hashlib.sha256(text).hexdigest(), text=text)
