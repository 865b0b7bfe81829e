"""Decoding: compiled equals plain, nothing in a packet can hurt another, every outcome is defined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.telemetry import DecodedBatch, InstrumentDatabase, decode
from broker_assets.telemetry.packets.encoding import PacketHeader, encode, telemetry_packet

FEW = settings(max_examples=60, deadline=None)
PacketMaker = Callable[..., bytes]
SEEDS = st.lists(st.integers(0, 2**32), min_size=1, max_size=12)


def assert_same(compiled: DecodedBatch, plain: DecodedBatch) -> None:
    """Both engines give the same structures, columns and failures."""
    assert compiled.failures == plain.failures
    assert len(compiled.structures) == len(plain.structures)
    for mine, theirs in zip(compiled.structures, plain.structures, strict=True):
        assert mine.key == theirs.key
        assert mine.packets.tolist() == theirs.packets.tolist()
        assert mine.bits.tolist() == theirs.bits.tolist()
        assert list(mine.columns) == list(theirs.columns)
        for name, column in mine.columns.items():
            other = theirs.columns[name]
            assert column.raw.dtype == other.raw.dtype, name
            for part in ("raw", "value", "variance", "offsets", "scheme"):
                left, right = getattr(column, part), getattr(other, part)
                assert (left is None) == (right is None), (name, part)
                if left is not None:
                    np.testing.assert_array_equal(left, right, err_msg=f"{name} {part}")


def account(decoded: DecodedBatch) -> list[int]:
    """Rows of all packets of a batch, wherever they went."""
    return sorted(
        [int(packet) for structure in decoded.structures for packet in structure.packets]
        + [failure.packet for failure in decoded.failures]
        + [telecommand.packet for telecommand in decoded.telecommands]
    )


@FEW
@given(SEEDS, st.booleans())
def test_compiled_equals_plain(
    open_database: InstrumentDatabase, make_packet: PacketMaker, seeds: list[int], valid: bool
) -> None:
    packets = [make_packet(open_database, seed, valid=valid) for seed in seeds]
    compiled = decode(packets, open_database)
    assert_same(compiled, decode(packets, open_database, engine="plain"))
    assert account(compiled) == list(range(len(packets)))
    if valid:
        assert not compiled.failures


@pytest.mark.shared
@FEW
@given(SEEDS)
def test_compiled_equals_plain_with_every_kind_of_the_flight_database(
    flight_database: InstrumentDatabase, make_packet: PacketMaker, seeds: list[int]
) -> None:
    packets = [make_packet(flight_database, seed) for seed in seeds]
    compiled = decode(packets, flight_database)
    assert not compiled.failures
    assert_same(compiled, decode(packets, flight_database, engine="plain"))


@FEW
@given(SEEDS, st.integers(0, 2**32))
def test_views_agree_with_the_columns(
    open_database: InstrumentDatabase, make_packet: PacketMaker, seeds: list[int], extra: int
) -> None:
    packets = [make_packet(open_database, seed) for seed in [*seeds, extra]]
    decoded = decode(packets, open_database)
    for row in range(len(packets)):
        packet = decoded.packet(row)
        assert packet is not None
        assert packet.data == packets[row]
        streamed: dict[str, list[int]] = {}
        for _, name, value in packet.stream:
            streamed.setdefault(name, []).append(value)
        for name, merged in packet.merged_raw.items():
            if name != "NIX00065":
                assert np.ravel(np.array(merged, dtype=object)).tolist() == streamed[name]


@FEW
@given(st.integers(0, 2**32), st.integers(0, 2**32), st.floats(0, 1))
def test_a_cut_packet_reads_nothing_beyond_its_end(
    open_database: InstrumentDatabase, make_packet: PacketMaker, seed: int, neighbour: int, share: float
) -> None:
    """Whatever follows in the buffer, the outcome of a cut packet is the same."""
    packet = make_packet(open_database, seed)
    cut = bytearray(packet[: 16 + int(share * (len(packet) - 16))])
    cut[4:6] = (len(cut) - 7).to_bytes(2, "big")
    follower = make_packet(open_database, neighbour)
    alone, followed = decode([bytes(cut)], open_database), decode([bytes(cut), follower], open_database)
    assert [f for f in alone.failures if f.packet == 0] == [f for f in followed.failures if f.packet == 0]
    mine, theirs = alone.packet(0), followed.packet(0)
    assert (mine is None) == (theirs is None)
    if mine is not None and theirs is not None:
        assert mine.stream == theirs.stream
    assert_same(alone, decode([bytes(cut)], open_database, engine="plain"))


@FEW
@given(SEEDS, st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=20))
def test_damaged_bytes_never_raise(
    open_database: InstrumentDatabase, make_packet: PacketMaker, seeds: list[int], damage: list[tuple[int, int]]
) -> None:
    packets = [bytearray(make_packet(open_database, seed)) for seed in seeds]
    for number, (place, value) in enumerate(damage):
        victim = packets[number % len(packets)]
        victim[place % len(victim)] = value
    decoded = decode([bytes(packet) for packet in packets], open_database)
    assert account(decoded) == list(range(len(packets)))
    assert_same(decoded, decode([bytes(packet) for packet in packets], open_database, engine="plain"))


@FEW
@given(st.lists(st.binary(max_size=64), max_size=20))
def test_any_bytes_have_an_outcome(open_database: InstrumentDatabase, packets: list[bytes]) -> None:
    assert account(decode(packets, open_database)) == list(range(len(packets)))


LIGHT_CURVE: dict[str, Any] = {
    "NIX00120": 30,
    "NIX00405": 39,
    "NIXD0101": 0,
    "NIXD0102": 5,
    "NIXD0103": 3,
    "NIXD0105": 5,
    "NIXD0106": 3,
    "NIX00270": 2,
    "NIX00271": [2, 3],
    "NIX00272": [7, 92, 16, 17, 18],
    "NIX00273": 1,
    "NIX00274": [80],
    "NIX00275": 0,
}


def light_curve(database: InstrumentDatabase, **header: int) -> bytes:
    """A small quick-look light curve."""
    return encode(database, (21, 6, 30), LIGHT_CURVE, PacketHeader(**header))


def test_values_of_a_light_curve(open_database: InstrumentDatabase) -> None:
    decoded = decode([light_curve(open_database, coarse=660000000, fine=32768)] * 2, open_database)
    (structure,) = decoded.structure(21, 6, 30)
    counts = structure.columns["NIX00272"]
    assert counts.value is not None
    assert counts.variance is not None
    assert counts.value[counts.of(1)].tolist() == [7, 12799, 16, 18, 20]
    assert counts.variance[counts.of(1)].tolist() == [0.0, 87381.5, 0.5, 0.5, 0.5]
    assert counts.scheme is not None
    assert counts.scheme.tolist() == [[0, 5, 3]] * 2
    assert structure.columns["NIX00271"].raw.tolist() == [2, 3, 2, 3]
    duration = structure.columns["NIX00405"]
    assert duration.unit_out == "s"
    assert duration.final.tolist() == pytest.approx([3.9, 3.9])
    assert structure.headers.scet.tolist() == [660000000 * 65536 + 32768] * 2
    packet = structure.packet(0)
    assert packet.merged_raw["NIX00274"] == [[80]]
    assert "NIX00276" not in packet.merged_raw
    assert packet.request_id is None


def test_schemes_may_differ_between_packets(open_database: InstrumentDatabase) -> None:
    other = encode(
        open_database, (21, 6, 30), {**LIGHT_CURVE, "NIXD0101": 1, "NIXD0102": 4, "NIX00272": [200, 7, 7, 7, 7]}
    )
    decoded = decode([light_curve(open_database), other], open_database)
    (structure,) = decoded.structures
    counts = structure.columns["NIX00272"].value
    assert counts is not None
    assert counts.dtype == np.int64
    assert counts.tolist() == [7, 12799, 16, 18, 20, -2175, 7, 7, 7, 7]


def test_continuation_bits_give_one_value_per_sample(open_database: InstrumentDatabase) -> None:
    values: dict[str, int | list[int]] = {
        "NIX00120": 20, "NIX00002": 5, "NIX00037": 99, "NIX00403": 1, "NIX00406": 4,
        "NIXD0159": [0, 1, 2, 1], "NIX00065": [9, 1, 2, 255],
    }  # fmt: skip
    decoded = decode([encode(open_database, (21, 6, 20), values)], open_database)
    packet = decoded.packet(0)
    assert packet is not None
    assert packet.merged_raw["NIX00065"] == [1, 9, 258, 255]
    assert packet.request_id == (5, 99)
    wrong = encode(open_database, (21, 6, 20), {**values, "NIXD0159": [0, 1, 3, 1], "NIX00065": [9, 1, 2, 3, 255]})
    decoded = decode([wrong, encode(open_database, (21, 6, 20), values)], open_database)
    assert [failure.packet for failure in decoded.failures] == [0]
    assert "NIXD0159 is 3" in decoded.failures[0].reason
    assert decoded.packet(1) is not None


def test_outcomes_of_bad_packets(open_database: InstrumentDatabase) -> None:
    """Each kind of damage has its reason, and the good packet among them is decoded."""
    good = light_curve(open_database)
    shorter = good[:-1]
    no_header = bytes([good[0] & 0b11110111]) + good[1:]
    scheme = encode(open_database, (21, 6, 30), {**LIGHT_CURVE, "NIXD0102": 7})
    beyond = encode(open_database, (21, 6, 30), {**LIGHT_CURVE, "NIX00275": 0})[:-2]
    beyond = beyond[:4] + (len(beyond) - 7).to_bytes(2, "big") + beyond[6:]
    cases = {
        b"": "0 bytes are not a packet",
        b"\xff" * 20: "version 7",
        shorter: f"it has {len(shorter)} bytes and its header says {len(good)}",
        no_header: "no secondary header",
        telemetry_packet((99, 1, None), b""): "packet kind (99, 1) is not in database 3.0.0",
        telemetry_packet((21, 6, 99), bytes([99])): "packet kind (21, 6, 99) is not in database 3.0.0",
        telemetry_packet((21, 6, 30), b""): "it ends before its structure id",
        telemetry_packet((21, 6, 30), bytes([30, 1])): "it ends before NIX00445",
        beyond: "it ends before",
        scheme: "scheme (0, 7, 3) does not fit a byte",
    }
    decoded = decode([*cases, good], open_database)
    assert [failure.packet for failure in decoded.failures] == list(range(len(cases)))
    for failure, (data, reason) in zip(decoded.failures, cases.items(), strict=True):
        assert reason in failure.reason, (data, failure)
    assert decoded.packet(len(cases)) is not None
    assert [bad.data for bad in decoded.bad] == list(cases)


def test_a_wrong_checksum_is_a_failure(open_database: InstrumentDatabase) -> None:
    good = encode(open_database, (200, 1, None), {"NIX09001": 7, "NIX09002": 4})
    wrong = bytearray(good)
    wrong[17] ^= 1
    decoded = decode([bytes(wrong), good], open_database)
    assert [(failure.packet, failure.reason) for failure in decoded.failures] == [(0, "its checksum is wrong")]
    packet = decoded.packet(1)
    assert packet is not None
    assert packet.parameters["NIX09002"].value == 3.0  # 1 - 0.5 x + 0.25 x²


def test_a_clock_that_is_not_synchronised(open_database: InstrumentDatabase) -> None:
    """The time is used as it stands, its top bit included."""
    decoded = decode([light_curve(open_database, coarse=2**31 + 5)], open_database)
    packet = decoded.packet(0)
    assert packet is not None
    assert not packet.secondary.synchronised
    assert packet.secondary.scet_coarse == 2**31 + 5


def test_telecommands_are_told_apart(open_database: InstrumentDatabase) -> None:
    telecommand = bytes.fromhex("1dacc613000919150180") + bytes(6)
    decoded = decode([telecommand, light_curve(open_database)], open_database)
    (found,) = decoded.telecommands
    assert found.packet == 0
    assert asdict(found.header) == {
        "pus_version": 1, "acknowledge": 9, "service_type": 21, "service_subtype": 1, "source_id": 128,
    }  # fmt: skip
    assert decoded.packet(0) is None


def test_a_text_without_a_range_stays_a_number(open_database: InstrumentDatabase) -> None:
    packet = encode(open_database, (5, 1, 33), {"NIX00299": 33, "NIX00304": 4, "NIX00305": 77})
    (structure,) = decode([packet], open_database).structures
    assert structure.columns["NIX00304"].final.tolist() == ["Nominal"]
    assert structure.columns["NIX00305"].final.tolist() == [77]
    assert structure.columns["NIX00305"].unmatched == 1


def test_octets_wider_than_a_word(tmp_path: Any, open_database: InstrumentDatabase) -> None:
    """Fields of more than 64 bits are Python integers."""
    from broker_assets.telemetry.decoding.plan import _Program
    from broker_assets.telemetry.decoding.reference import read
    from broker_assets.telemetry.idb.layouts import Parameter, fixed_layout

    parameter = Parameter("WIDE", "Wide", 96, False, "N", None, None)
    layout = fixed_layout([(parameter, 131)])
    data = bytes(range(16, 48))
    program = _Program()
    program.packet(layout)
    assert [row[1] for row in program.fields] == [32, 64]
    ((_, value),) = read(layout, data).values
    assert value == int.from_bytes(data, "big") >> (256 - 131 - 96) & (2**96 - 1)
