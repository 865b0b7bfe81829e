"""Decompression by table, and packets whose counters promise more than they hold."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.telemetry import InstrumentDatabase, decode
from broker_assets.telemetry.decoding.walk import expand
from broker_assets.telemetry.packets.encoding import encode


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 2)), max_size=20), st.integers(0, 2**32))
def test_expand_looks_up_the_table_of_each_packet(packets: list[tuple[bytes, int]], seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.integers(0, 2**64, (3, 256), np.uint64)
    variances = random.random((3, 256))
    stored = np.array(list(b"".join(content for content, _ in packets)), np.uint8)
    offsets = np.cumsum([0, *(len(content) for content, _ in packets)]).astype(np.int64)
    which = np.array([table for _, table in packets], np.int64)
    found, spread = np.empty(len(stored), np.uint64), np.empty(len(stored), np.float64)
    expand(stored, offsets, which, values, variances, found, spread)
    table = np.repeat(which, np.diff(offsets))
    assert found.tolist() == values[table, stored].tolist()
    assert spread.tolist() == variances[table, stored].tolist()


def test_a_counter_beyond_the_packet_fails_alone(open_database: InstrumentDatabase) -> None:
    good = encode(open_database, (21, 6, 43), {"NIX00120": 43, "NIX00294": 1, "NIX00293": [1]})
    damaged = bytearray(good)
    for place in range(17, len(good)):
        damaged = bytearray(good)
        damaged[place] = 0xFF
        decoded = decode([good, bytes(damaged), good], open_database)
        whole = [int(packet) for structure in decoded.structures for packet in structure.packets]
        assert {0, 2} <= set(whole)
        assert sorted([*whole, *(failure.packet for failure in decoded.failures)]) == [0, 1, 2]
    cut = decode([good[:-1], good], open_database)
    assert [failure.packet for failure in cut.failures] == [0]
    assert [structure.packets.tolist() for structure in cut.structures] == [[1]]
