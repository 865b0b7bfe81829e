"""Which packets of an answer belong together, and what is missing of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.telemetry import RawPacket
from broker_assets.telemetry.packets.encoding import PacketHeader, telemetry_packet
from broker_assets.telemetry.products.builders.sequences import (
    CONTINUED,
    COUNTS,
    FIRST,
    LAST,
    STANDALONE,
    sequences,
)
from broker_assets.telemetry.reception.packet_store import StoredPacket

REQUEST = (50001, 1234567)


def stored(flag: int, count: int) -> StoredPacket:
    header = PacketHeader(1000, sequence_count=count % COUNTS, sequence_flag=flag)
    data = telemetry_packet((21, 6, 21), count.to_bytes(4, "big"), header)
    return StoredPacket(
        RawPacket(data, "a.xml", 0, 1), hashlib.sha256(data).digest(), 1000 << 16, count % COUNTS, REQUEST, None
    )


def answer(sizes: Sequence[int], start: int = 0) -> Iterator[list[StoredPacket]]:
    """Whole sequences of these sizes, one after another."""
    count = start
    for size in sizes:
        flags = [STANDALONE] if size == 1 else [FIRST, *[CONTINUED] * (size - 2), LAST]
        yield [stored(flag, count + number) for number, flag in enumerate(flags)]
        count += size


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, COUNTS - 1))
def test_whole_sequences_lack_nothing(sizes: list[int], start: int) -> None:
    """Wherever the count of the process rolls over."""
    wanted = list(answer(sizes, start))
    found = sequences([packet for part in wanted for packet in part])
    assert [list(sequence.packets) for sequence in found] == wanted
    assert [sequence.missing for sequence in found] == [""] * len(sizes)


@given(st.integers(3, 6), st.data(), st.integers(0, COUNTS - 1))
def test_a_lost_packet_is_noticed(size: int, data: st.DataObject, start: int) -> None:
    (packets,) = answer([size], start)
    lost = data.draw(st.integers(0, size - 1))
    (found,) = sequences([packet for number, packet in enumerate(packets) if number != lost])
    expected = {0: "its first packet is missing", size - 1: "its last packet is missing"}
    assert found.missing == expected.get(lost, f"1 of {size} packets are missing")


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_damaged_sequence_leaves_the_next_one_whole(lost: int) -> None:
    one, two = answer([3, 2])
    found = sequences([packet for number, packet in enumerate(one) if number != lost] + two)
    assert [bool(sequence.missing) for sequence in found] == [True, False]
    assert list(found[1].packets) == two


def test_a_rest_without_its_first_packets() -> None:
    """Two orphans after a whole sequence do not join it."""
    one, two = answer([2, 4])
    found = sequences(one + two[2:])
    assert [sequence.missing for sequence in found[:1]] == [""]
    assert {sequence.missing for sequence in found[1:]} == {"its first packet is missing"}
    assert sum(len(sequence.packets) for sequence in found) == 4
