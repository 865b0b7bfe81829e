"""Damaged and hostile bytes for fuzz tests, and a limit on the memory used while reading them.

`damaged` changes valid content as networks, disks and attackers do. The number of examples is set by the profile of
`hypothesis` in `conftest.py`: `BROKER_TEST_FULL=1` multiplies it by ten.
"""

from __future__ import annotations

import copy
import json
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hypothesis import strategies as st

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1e400, -1e400, float("nan"), 2**63, -(2**63), 10**400, "", "nan", "\0", "a\0b", "\ud800",
    "\u2028", "x" * 5000, "9999-12-31T23:59:59Z", "0001-01-01", "2026-02-30", "2026-01-01T00:00:00+99:99", [], {}, [[]],
    {"": None}, [None] * 50, "∞", "١٢", "1_0", "0x10", "Infinity", "2026-11-20T10:00:00.123456789Z",
)  # fmt: skip
"""Values that a JSON field should not have but may have."""


@st.composite
def damaged(draw: st.DrawFn, contents: Sequence[bytes]) -> bytes:
    """One of some contents with a few random changes of its bytes."""
    content = bytearray(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        kind = draw(st.sampled_from(["flip", "cut", "insert", "remove", "fill", "copy"]))
        length = draw(st.sampled_from([1, 2, 8, 80, 2880]))
        if kind == "flip" and content:
            content[at] ^= draw(st.integers(1, 255))
        elif kind == "cut":
            del content[at:]
        elif kind == "insert":
            content[at:at] = draw(st.binary(min_size=1, max_size=16))
        elif kind == "remove":
            del content[at : at + length]
        elif kind == "fill":
            content[at : at + length] = bytes([draw(st.sampled_from([0, 9, 32, 57, 255]))]) * length
        else:
            content[at:at] = content[at : at + length]
    return bytes(content)


@st.composite
def odd_document(draw: st.DrawFn, document: Any) -> bytes:
    """A JSON document with some of its fields replaced by odd values, missing or renamed."""
    changed = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, 3))):
        holders = list(_holders(changed))
        holder = draw(st.sampled_from(holders))
        key = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
        if isinstance(holder, dict) and draw(st.integers(0, 4)) == 0:
            holder[draw(st.sampled_from(["", "\0", "x" * 3000, key + " "]))] = holder.pop(key)
        else:
            holder[key] = copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))
    return json.dumps(changed).encode()


def _holders(document: Any) -> Iterator[Any]:
    """Objects and lists of a document that are not empty."""
    if isinstance(document, dict | list) and document:
        yield document
        for value in document.values() if isinstance(document, dict) else document:
            yield from _holders(value)


@contextmanager
def refused_with_reason(*kinds: type[BaseException]) -> Iterator[None]:
    """Let errors of a reader's own kinds pass, if they say why; any other is a fault."""
    try:
        yield
    except kinds as error:
        if not str(error).strip():
            raise AssertionError("refused without a reason") from error


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """Fail if more bytes than this are held at any moment, by Python and numpy."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= limit, f"{peak:,} bytes were held, more than {limit:,}"
