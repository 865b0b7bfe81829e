"""Which packets of an answer belong together, and what is missing of them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.telemetry import RawPacket
from broker_assets.telemetry.packets.encoding import PacketHeader, telemetry_packet
from broker_assets.telemetry.products.builders.sequences import (
    CONTINUED,
    FIRST,
    LAST,
    MOST_SHARED,
    STANDALONE,
    sequences,
)
from broker_assets.telemetry.reception.packet_store import CountPlace, StoredPacket
from broker_assets.telemetry.reception.shared_counts import COUNTS

REQUEST = (50001, 1234567)


def stored(flag: int, count: int, time: int = 1000) -> StoredPacket:
    header = PacketHeader(time, sequence_count=count % COUNTS, sequence_flag=flag)
    data = telemetry_packet((21, 6, 21), count.to_bytes(4, "big"), header)
    return StoredPacket(
        RawPacket(data, "a.xml", 0, 1), hashlib.sha256(data).digest(), time << 16, count % COUNTS, REQUEST, None
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


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=5),
    st.integers(0, COUNTS - 1),
    st.sampled_from([0, 3600, 40_000, 10**6, 2**31]),
    st.data(),
)
def test_order_is_that_of_counts_whatever_the_clock_says(
    sizes: list[int], start: int, step: int, data: st.DataObject
) -> None:
    """The clock is set once, forwards or backwards, and runs a little otherwise; packets come in any order."""
    wanted = list(answer(sizes, start))
    packets = [packet for part in wanted for packet in part]
    after = data.draw(st.integers(0, len(packets)))
    forwards = data.draw(st.booleans())
    moved = {}
    for number, packet in enumerate(packets):
        shift = step if (number >= after) == forwards else 0
        time = 1000 + shift + data.draw(st.integers(0, 30))
        moved[packet.sequence_count] = replace(packet, scet=time << 16)
    shuffled = data.draw(st.permutations(list(moved.values())))
    found = sequences(shuffled)
    assert [sequence.missing for sequence in found] == [""] * len(sizes)
    assert sorted([packet.sequence_count for packet in sequence.packets] for sequence in found) == sorted(
        [packet.sequence_count for packet in part] for part in wanted
    )


@given(
    st.lists(st.sampled_from([None, "one", "other"]), min_size=2, max_size=20),
    st.integers(0, COUNTS - 1),
    st.integers(0, 19),
)
def test_counts_are_shared_by_kinds_and_requests(owners: list[str | None], start: int, lost: int) -> None:
    """Counts of two requests and of other packets interleave; only a count that nobody has is a loss."""
    owners = ["one", *owners, "one"]
    lost = lost % (len(owners) - 2) + 1
    mine = [number for number, owner in enumerate(owners) if owner == "one" and number != lost]
    flags = [FIRST, *[CONTINUED] * (len(mine) - 2), LAST]
    packets = [stored(flag, start + number) for flag, number in zip(flags, mine, strict=True)]
    stored_counts = {(start + number) % COUNTS for number in range(len(owners)) if number != lost}

    def held(before: CountPlace, after: CountPlace) -> set[int]:
        between = (after.sequence_count - before.sequence_count) % COUNTS
        return {count for count in stored_counts if 0 < (count - before.sequence_count) % COUNTS < between}

    (found,) = sequences(packets, held)
    assert found.missing == f"1 of {len(mine) + 1} packets are missing"
    stored_counts.add((start + lost) % COUNTS)
    (found,) = sequences(packets, held)
    assert (found.missing, list(found.packets)) == ("", packets)


def test_a_delivery_years_later_is_another_sequence() -> None:
    """Counts that overlap with those of an earlier turn of the counter."""
    early = [stored(FIRST, 100), stored(CONTINUED, 101), stored(LAST, 102)]
    late = [stored(FIRST, 101, 10**8), stored(LAST, 102, 10**8)]
    found = sequences([*late, *early])
    assert [list(sequence.packets) for sequence in found] == [early, late]


def test_the_rest_of_another_turn_completes_nothing() -> None:
    found = sequences([stored(FIRST, 100), stored(LAST, 102, 10**8)])
    assert [sequence.missing for sequence in found] == ["its last packet is missing", "its first packet is missing"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, COUNTS - 1), st.integers(0, 10**6)), max_size=40))
def test_any_packets_keep_their_place_in_one_sequence(given_packets: list[tuple[int, int, int]]) -> None:
    """Nothing is lost or doubled, whatever flags, counts and times say."""
    packets = list({packet.digest: packet for packet in (stored(*given) for given in given_packets)}.values())
    found = [packet.digest for sequence in sequences(packets) for packet in sequence.packets]
    assert sorted(found) == sorted(packet.digest for packet in packets)


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


def test_a_hole_that_is_too_long_is_a_loss_whoever_has_its_counts() -> None:
    """Hostile packets cannot make the index search for thousands of counts at each of them."""
    asked = []

    def held(before: CountPlace, after: CountPlace) -> set[int]:
        asked.append((before, after))
        return set(range(before.sequence_count + 1, after.sequence_count))

    (near,) = sequences([stored(FIRST, 0), stored(LAST, MOST_SHARED + 1)], held)
    assert (near.missing, len(asked)) == ("", 1)
    (far,) = sequences([stored(FIRST, 0), stored(LAST, MOST_SHARED + 2)], held)
    assert far.missing == f"{MOST_SHARED + 1} of {MOST_SHARED + 3} packets are missing"
    assert len(asked) == 1


def test_time_grows_with_the_number_of_packets_only() -> None:
    """Firsts and rests of the same few counts, as no instrument sends them."""
    packets = [stored([FIRST, CONTINUED][n % 2], n % 7, 1000 + n) for n in range(20_000)]
    began = time.process_time()
    assert sum(len(sequence.packets) for sequence in sequences(packets)) == len(packets)
    assert time.process_time() - began < 10
