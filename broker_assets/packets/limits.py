"""Limits on the size of packets once they are decompressed, and the errors for packets beyond them.

A message of a few bytes can expand to gigabytes: compressed blocks, arrays of items without bytes. So the limits apply
to the expanded size, not only to what is received.
"""

from __future__ import annotations

from typing import Final

MESSAGE_BYTES: Final = 64 << 20
"""A larger message is quarantined unread; the limit also applies to its records once decompressed."""
BATCH_BYTES: Final = 96 << 20
"""Bytes of the messages of a batch once decompressed, unless the caller gives another limit."""
ROWS_PER_BYTE: Final = 8
"""Bytes of rows for each byte of a full batch, at most; real packets yield about two."""
READ_BYTES: Final = 512 << 20
"""Bytes of memory for one pass over some packets. A single packet that exceeds it cannot be read."""
FILE_BYTES: Final = 1 << 30
"""Bytes of a compressed file once decompressed, for files that are read as a whole."""
SCHEMAS_KEPT: Final = 256
"""Compiled schemas that a stream keeps. A stream has a few, but a container can contain any schema."""


class ReadTooLarge(ValueError):
    """The rows of some packets do not fit into the memory of one pass."""


class BatchTooLarge(Exception):
    """A batch decompresses to more than its limit; in smaller parts, each of its messages can still be good.

    `messages` is the number of messages that a part should have, at least 1.
    """

    def __init__(self, what: str, messages: int) -> None:
        super().__init__(f"{what}; it is read again in parts of {messages}")
        self.messages = messages
