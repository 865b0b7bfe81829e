"""Decompression of files in memory, never beyond a limit."""

from __future__ import annotations

import gzip
import io
import zlib

_GZIP = b"\x1f\x8b"
_CHUNK = 1024**2


class TooLarge(ValueError):
    """The content exceeds a limit; the message names it."""


def unpacked(content: bytes, largest: int, limit: str) -> bytes:
    """The content of a gzip file; content that is not gzip is returned unchanged.

    Parameters
    ----------
    content : bytes
        The file as received.
    largest : int
        Bytes of the result, at most.
    limit : str
        Name of the setting of this limit, for the message.

    Raises
    ------
    TooLarge
        If there are more bytes; nothing beyond the limit is unpacked.
    ValueError
        If the gzip file is damaged or incomplete.

    Examples
    --------
    >>> unpacked(gzip.compress(b"SIMPLE"), 6, "sky_map_bytes"), unpacked(b"SIMPLE", 6, "sky_map_bytes")
    (b'SIMPLE', b'SIMPLE')
    """
    if not content.startswith(_GZIP):
        if len(content) > largest:
            raise TooLarge(f"{len(content):,} bytes, more than {largest:,} (BROKER_LIMITS__{limit.upper()})")
        return content
    parts: list[bytes] = []
    left = largest
    try:
        with gzip.open(io.BytesIO(content)) as stream:
            while part := stream.read(_CHUNK):
                left -= len(part)
                if left < 0:
                    raise TooLarge(f"unpacks to more than {largest:,} bytes (BROKER_LIMITS__{limit.upper()})")
                parts.append(part)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"the gzip file is damaged: {error}") from error
    return b"".join(parts)
