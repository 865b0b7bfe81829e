"""Kafka metadata of each message of an archive file, as stored in the header of the file."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import zstandard
from numpy.typing import NDArray

from broker_assets.packets.container import decompress


class Received(Protocol):
    """A message as received; `stream.messages.Message` is one."""

    @property
    def partition(self) -> int:
        """Kafka partition."""
        ...

    @property
    def offset(self) -> int:
        """Offset in the partition."""
        ...

    @property
    def timestamp_ms(self) -> int:
        """Unix time, milliseconds; -1 if there is none."""
        ...

    @property
    def key(self) -> bytes | None:
        """Key as received."""
        ...


def encode_index(messages: Sequence[Received], lengths: NDArray[np.int64]) -> bytes:
    """Concatenate columns, compressed, in base64, since readers expect metadata to be text."""
    count = len(messages)
    keys = [message.key for message in messages]
    columns = (
        np.fromiter((message.partition for message in messages), "<i4", count),
        np.fromiter((message.offset for message in messages), "<i8", count),
        np.fromiter((message.timestamp_ms for message in messages), "<i8", count),
        np.fromiter((-1 if key is None else len(key) for key in keys), "<i4", count),
        lengths.astype("<i8"),
    )
    content = b"".join([np.array([count], "<i8").tobytes(), *(column.tobytes() for column in columns)])
    content += b"".join(key for key in keys if key)
    return base64.b64encode(zstandard.ZstdCompressor(level=9).compress(content))


def decode_index(
    encoded: bytes,
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64], list[bytes | None], NDArray[np.int64]]:
    """Decode the result of `encode_index`: partitions, offsets, times, keys and lengths of the blocks.

    Raises
    ------
    ValueError
        If the text is damaged.
    """
    content = decompress(base64.b64decode(encoded, validate=True), "zstandard")
    count = int(np.frombuffer(content, "<i8", 1)[0])
    if count < 0:
        raise ValueError(f"{count} messages")
    position = 8
    columns = []
    for kind in ("<i4", "<i8", "<i8", "<i4", "<i8"):
        columns.append(np.frombuffer(content, kind, count, position))
        position += columns[-1].nbytes
    partitions, offsets, timestamps, key_lengths, lengths = columns
    keys: list[bytes | None] = []
    for length in key_lengths.tolist():
        keys.append(None if length < 0 else content[position : position + length])
        position += max(length, 0)
    return partitions, offsets, timestamps, keys, lengths
