"""Compressed files are unpacked up to a limit and never beyond."""

from __future__ import annotations

import gzip

import pytest
from hostile_input import damaged, memory_below, refused_with_reason
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.sky.unpacking import TooLarge, unpacked


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.integers(0, 5))
def test_members_are_joined_and_padding_is_passed_over(parts: list[bytes], padding: int) -> None:
    content = b"".join(map(gzip.compress, parts)) + bytes(padding)
    whole = b"".join(parts)
    assert unpacked(content, len(whole), "area_bytes") == whole
    if whole:
        with pytest.raises(TooLarge, match="BROKER_LIMITS__AREA_BYTES"):
            unpacked(content, len(whole) - 1, "area_bytes")


def test_plain_content_has_the_same_limit() -> None:
    with pytest.raises(TooLarge, match="101 bytes, more than 100"):
        unpacked(bytes(101), 100, "area_bytes")


def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(200 * 1024**2))
    with memory_below(8 * 1024**2), pytest.raises(TooLarge):
        unpacked(bomb, 1024**2, "sky_map_bytes")


@given(damaged([gzip.compress(b"SIMPLE" * 200, mtime=0)]))
def test_damage_is_reported(content: bytes) -> None:
    with refused_with_reason(ValueError):
        assert isinstance(unpacked(content, 10_000, "area_bytes"), bytes)
