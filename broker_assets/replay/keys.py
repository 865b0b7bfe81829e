"""Keys for messages from files: the object of each packet, if it can be read without further information."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from broker_assets.packets.container import MAGIC
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.framing import Framer
from broker_assets.packets.identifiers import is_ztf_object_id, ztf_object_name
from broker_assets.packets.limits import BatchTooLarge
from broker_assets.packets.registry import schema_source
from broker_assets.packets.surveys import adapter_of
from broker_assets.replay.packet_files import FilePacket

GROUP = 100
"""Packets read at a time: more is faster, but delays the first message."""


class ObjectKeys:
    """Finds the object of packets that contain their schema or use one of Rubin's."""

    def __init__(self) -> None:
        self._schemas = schema_source()
        self._framers = {framing: Framer(framing, self._schemas) for framing in ("container", "confluent")}
        self._decoders: dict[tuple[str, str], AlertDecoder] = {}

    def keys(self, payloads: Sequence[bytes]) -> list[bytes | None]:
        """Name of the ZTF object, or decimal id of the object or asteroid; None if it cannot be determined."""
        try:
            return self._keys(payloads)
        except BatchTooLarge:
            middle = len(payloads) // 2
            return [*self.keys(payloads[:middle]), *self.keys(payloads[middle:])]

    def _keys(self, payloads: Sequence[bytes]) -> list[bytes | None]:
        keys: list[bytes | None] = [None] * len(payloads)
        for framing, framer in self._framers.items():
            rows = [row for row, payload in enumerate(payloads) if _looks_like(framing, payload)]
            framed = framer.split([payloads[row] for row in rows])
            for number, schema in enumerate(framed.schemas):
                try:
                    survey = adapter_of(schema.schema).survey
                except ValueError:
                    continue
                chosen = [rows[position] for position in np.flatnonzero(framed.schema == number).tolist()]
                self._fill(keys, survey, framing, chosen, payloads)
        return keys

    def _fill(
        self, keys: list[bytes | None], survey: str, framing: str, rows: list[int], payloads: Sequence[bytes]
    ) -> None:
        if (survey, framing) not in self._decoders:
            self._decoders[survey, framing] = AlertDecoder(survey, framing, self._schemas)
        found = self._decoders[survey, framing].identify([payloads[row] for row in rows])
        identifiers = np.where(found.diaobjectid != 0, found.diaobjectid, found.ssobjectid)
        named = is_ztf_object_id(identifiers)
        for position, identifier, ztf in zip(found.packet.tolist(), identifiers.tolist(), named.tolist(), strict=True):
            text = str(ztf_object_name([identifier])[0]) if ztf else str(identifier)
            keys[rows[position]] = text.encode() if identifier else None


def _looks_like(framing: str, payload: bytes) -> bool:
    if framing == "container":
        return payload.startswith(MAGIC)
    return payload[:1] == b"\x00" and 0 < int.from_bytes(payload[1:5], "big") < 1 << 24


def object_keys(packets: Iterable[FilePacket]) -> Iterator[tuple[FilePacket, bytes | None]]:
    """Packets with their keys: the one stored in the file, else the object."""
    finder = ObjectKeys()
    for group in _batched(packets):
        wanted = [packet.value for packet in group if packet.key is None]
        found = iter(finder.keys(wanted) if wanted else [])
        for packet in group:
            yield packet, packet.key if packet.key is not None else next(found)


def _batched(packets: Iterable[FilePacket]) -> Iterator[tuple[FilePacket, ...]]:
    remaining = iter(packets)
    while group := tuple(itertools.islice(remaining, GROUP)):
        yield group
