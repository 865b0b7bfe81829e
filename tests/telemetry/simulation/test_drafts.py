"""Packing of simulated packets: counts, compression and masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compressed_counters import compress
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.telemetry import InstrumentDatabase, decode
from broker_assets.telemetry.decoding.compression import decompress_one
from broker_assets.telemetry.decoding.masks import energy_edges
from broker_assets.telemetry.packets.encoding import CONTINUATION, FIRST, LAST, STANDALONE
from broker_assets.telemetry.packets.headers import parse_primary
from broker_assets.telemetry.simulation.drafts import (
    Draft,
    Packer,
    chunks,
    compressed,
    edge_mask,
    in_order,
    in_sequence,
)

SCHEMES = st.sampled_from([(0, 5, 3), (0, 4, 4), (1, 4, 3), (1, 3, 4)])


@given(st.lists(st.integers(-(10**7), 10**7), min_size=1, max_size=20), SCHEMES)
def test_arrays_are_compressed_as_single_values(values: list[int], scheme: tuple[int, int, int]) -> None:
    """Within what a scheme can hold; beyond it stands its largest value."""
    s, _, _ = scheme
    found = compressed(np.array(values), *scheme)
    assert len(found) == len(values)
    largest = decompress_one(127 if s else 255, *scheme)[0]
    for value, byte in zip(values, found, strict=True):
        wanted = max(min(value, largest), -largest if s else 0)
        if abs(wanted) < abs(largest) // 2:
            assert byte == compress(wanted, *scheme)
        back, variance = decompress_one(byte, *scheme)
        assert abs(back - wanted) <= max(1.0, 2 * variance**0.5)


@given(st.sets(st.integers(0, 32), min_size=2))
def test_edges_are_those_of_the_mask(edges: set[int]) -> None:
    low, high = edge_mask(edges)
    found = energy_edges(np.array([low]), np.array([high]))[0]
    assert set(found.nonzero()[0].tolist()) == edges


@given(st.integers(0, 50), st.integers(1, 9))
def test_chunks_cover_everything_once(total: int, size: int) -> None:
    parts = list(chunks(total, size))
    assert [n for part in parts for n in range(total)[part]] == list(range(total))
    assert all(part.stop - part.start <= size for part in parts)


@pytest.mark.parametrize(
    ("count", "flags"), [(1, [STANDALONE]), (2, [FIRST, LAST]), (4, [FIRST, CONTINUATION, CONTINUATION, LAST])]
)
def test_flags_of_a_sequence(count: int, flags: list[int]) -> None:
    drafts = list(in_sequence((21, 6, 21), 100, [{}] * count))
    assert [draft.flag for draft in drafts] == flags
    assert [draft.coarse for draft in drafts] == list(range(100, 100 + count))


def test_packets_are_counted_by_process(open_database: InstrumentDatabase) -> None:
    reports: list[Any] = [Draft((3, 25, 1), 30, {"NIXD0025": 2000}), Draft((5, 1, 33), 10, {})]
    drafts = in_order([*reports, Draft((3, 25, 1), 20, {"NIXD0025": 2001}, fine=7)])
    assert [(draft.coarse, draft.fine) for draft in drafts] == [(10, 0), (20, 7), (30, 0)]
    packer = Packer(open_database)
    packets = [packer.pack(draft) for draft in drafts]
    headers = [parse_primary(packet) for packet in packets]
    counts: dict[tuple[int, int], list[int]] = {}
    for header in headers:
        counts.setdefault((header.process_id, header.packet_category), []).append(header.sequence_count)
    assert all(found == list(range(len(found))) for found in counts.values())
    assert set(counts) == {draft.process for draft in drafts}
    decoded = decode(packets, open_database)
    assert decoded.failures == ()
    assert sorted(structure.key for structure in decoded.structures) == [(3, 25, 1), (5, 1, 33)]
