"""Finds the elements of one name in an XML stream that may be damaged, with bounded memory.

The stream is not parsed as one document, because then everything after the first damaged byte would be lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

CHUNK = 4 * 1024**2
"""Bytes read at a time."""
LONGEST_ELEMENT = 1024**2
"""Bytes of one element, at most; the text of the largest packet has 131,236 digits."""
_TAG = 4096
"""Bytes of a tag, at most."""
_BEFORE_NAME = re.compile(rb"<(/?)(?:[A-Za-z_][\w.-]*:)?\Z")
_AFTER_NAME = re.compile(rb"(?:[\s/][^<>]*)?>")


class Element(NamedTuple):
    """An element as found."""

    buffer: bytes
    """Holds the element."""
    start: int
    """Offset of its beginning in the buffer; the next fields are further offsets."""
    inner_start: int
    inner_end: int
    end: int
    position: int
    """Byte of the stream at which it begins."""
    closed: bool
    """False if the next element, the end of the stream or the largest length comes before its end tag."""

    @property
    def opening(self) -> bytes:
        """The opening tag."""
        return self.buffer[self.start : self.inner_start]

    @property
    def content(self) -> bytes:
        """The bytes between its tags."""
        return self.buffer[self.inner_start : self.inner_end]

    @property
    def text(self) -> bytes:
        """The whole element, tags included."""
        return self.buffer[self.start : self.end]


class _Tag(NamedTuple):
    start: int
    end: int
    closing: bool


def find_elements(stream: BinaryIO, name: str, *, chunk: int = CHUNK) -> Iterator[Element]:
    """Every element with a name (whatever its namespace prefix), in the order of the stream.

    Parameters
    ----------
    stream : binary file
    name : str
        Local name of elements that do not nest.
    chunk : int
        Bytes read at a time; bounds memory, not the result.
    """
    wanted = name.encode()
    buffer, offset, start, ended = b"", 0, 0, False
    while True:
        opened = _next_tag(buffer, wanted, start)
        while opened is not None and opened.closing:
            opened = _next_tag(buffer, wanted, opened.end)
        if opened is None:
            if ended:
                return
            start = max(start, len(buffer) - _TAG)
        else:
            start = opened.start
            following = _next_tag(buffer, wanted, opened.end)
            if following is None and (ended or len(buffer) - start >= LONGEST_ELEMENT):
                end = min(len(buffer), start + LONGEST_ELEMENT)
                following = _Tag(end, end, False)
            if following is not None:
                end = following.end if following.closing else following.start
                yield Element(buffer, start, opened.end, following.start, end, offset + start, following.closing)
                start = end
                continue
        read = stream.read(chunk)
        ended = not read
        buffer, offset, start = buffer[start:] + read, offset + start, 0


def _next_tag(buffer: bytes, name: bytes, start: int) -> _Tag | None:
    """The first complete tag of the name from `start` on; the search is for the name itself, which is fastest."""
    while (place := buffer.find(name, start)) >= 0:
        begin = buffer.rfind(b"<", max(start, place - 128), place)
        before = _BEFORE_NAME.match(buffer, begin, place) if begin >= 0 else None
        after = _AFTER_NAME.match(buffer, place + len(name)) if before is not None else None
        if before is not None and after is not None:
            return _Tag(begin, after.end(), before.group(1) == b"/")
        start = place + len(name)
    return None
