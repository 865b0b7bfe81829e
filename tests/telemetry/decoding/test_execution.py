"""The compiled walk and the plain decoder read the same, array by array."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.telemetry import InstrumentDatabase
from broker_assets.telemetry.decoding.execution import Walked, read_compiled, read_plain
from broker_assets.telemetry.decoding.plan import Plan, plan_of
from broker_assets.telemetry.packets.batches import PADDING
from broker_assets.telemetry.packets.headers import parse_primary

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def batch(packets: list[bytes]) -> Arrays:
    """Packets in one buffer, where they begin, their lengths."""
    lengths = np.array([len(packet) for packet in packets], dtype=np.int64)
    data = np.frombuffer(b"".join(packets) + bytes(PADDING), dtype=np.uint8)
    return data, np.cumsum(lengths) - lengths, lengths


def same(one: Walked, other: Walked) -> None:
    assert one.read.tolist() == other.read.tolist()
    assert one.failures == other.failures
    assert one.offsets.tolist() == other.offsets.tolist()
    assert one.bits.tolist() == other.bits.tolist()
    assert one.columns.keys() == other.columns.keys()
    for index, column in one.columns.items():
        assert column.tolist() == other.columns[index].tolist()
        assert (column.dtype == object) == (other.columns[index].dtype == object)


def plan_for(database: InstrumentDatabase, packet: bytes, seed: int) -> Plan:
    """The plan of a kind of the service and subservice of a packet, perhaps of another structure."""
    service, subservice = packet[7], packet[8]
    fitting = [kind for kind in database.structures.values() if kind.key[:2] == (service, subservice)]
    structure = sorted(fitting, key=lambda kind: kind.spid)[seed % len(fitting)]
    return plan_of(database, structure, database.version)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 400), max_size=6))
def test_whole_cut_and_foreign_packets(
    open_database: InstrumentDatabase, make_packet: Callable[..., bytes], seed: int, cuts: list[int]
) -> None:
    packet = make_packet(open_database, seed, valid=False)
    packets = [packet, *(packet[: max(16, len(packet) - cut)] for cut in cuts)]
    arrays = batch(packets)
    plan = plan_for(open_database, packet, seed)
    found = read_compiled(plan, *arrays)
    same(found, read_plain(plan, *arrays))
    assert sorted([*found.read.tolist(), *(row for row, _ in found.failures)]) == list(range(len(packets)))
    assert parse_primary(packet).sequence_flag in range(4)


def test_no_packets(open_database: InstrumentDatabase) -> None:
    structure = next(iter(open_database.structures.values()))
    found = read_compiled(plan_of(open_database, structure, open_database.version), *batch([]))
    assert (found.read.size, found.failures, found.offsets.shape[0]) == (0, [], 1)
