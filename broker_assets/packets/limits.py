"""Limits of what packets may take once they are unpacked, and the errors that say so.

A message of a few bytes can stand for gigabytes: compressed blocks, arrays of items without bytes. What is unpacked
therefore counts, not only what is received.
"""

from __future__ import annotations

from typing import Final

MESSAGE_BYTES: Final = 64 << 20
"""A larger message is quarantined unread; the limit also holds for its records once decompressed."""
BATCH_BYTES: Final = 96 << 20
"""What the messages of a batch may have once decompressed, unless the caller says otherwise."""
ROWS_PER_BYTE: Final = 8
"""Bytes of rows for each byte of a full batch; real packets make about two."""
READ_BYTES: Final = 512 << 20
"""Memory of one pass over some packets. A single packet that exceeds it cannot be read."""
FILE_BYTES: Final = 1 << 30
"""Bytes of a compressed file once decompressed, for files that are read as a whole."""
SCHEMAS_KEPT: Final = 256
"""Compiled schemas that a stream keeps; a stream has a few, but anybody can write a new one into each container."""


class ReadTooLarge(ValueError):
    """The rows of some packets do not fit into the memory of one pass."""


class BatchTooLarge(Exception):
    """A batch unpacks to more than its limit; read in smaller parts, each of its messages can still be good.

    `messages` says into how many at a time the batch should be divided, at least 1.
    """

    def __init__(self, what: str, messages: int) -> None:
        super().__init__(f"{what}; it is read again in parts of {messages}")
        self.messages = messages
