"""Finding packets of a day: the same as looking at all of them, and without looking at all of them."""

from __future__ import annotations

import random
from pathlib import Path

from broker_assets.telemetry.packets.batches import RawPacket
from broker_assets.telemetry.reception.packet_store import LONG_TICKS, NewPacket, PacketStore

DAY = 86400 << 16
KEY = (21, 6, 30)


def packet(number: int, first: int, length: int) -> NewPacket:
    """A packet of a kind with time bins from `first` on."""
    raw = RawPacket(number.to_bytes(8, "big"), "a.xml", number, number)
    return NewPacket(raw, KEY, first, number % 16384, first, first + length)


def test_packets_of_a_day(tmp_path: Path) -> None:
    """Packets of seconds, hours and months, around and across the limits of days."""
    source = random.Random(1)
    lengths = [0, 1, 3600 << 16, DAY, LONG_TICKS - 1, LONG_TICKS, LONG_TICKS + 1, 90 * DAY]
    edges = [1000 * DAY + step for step in (-1, 0, 1)]
    starts = [*edges, *(source.randrange(900 * DAY, 1100 * DAY) for _ in range(60))]
    made = [(start - shift, length) for start in starts for length in lengths for shift in (0, length)]
    packets = [packet(number, start, length) for number, (start, length) in enumerate(made)]
    source.shuffle(packets)
    with PacketStore(tmp_path) as store:
        store.add(packets)
        for first in (1000 * DAY, 1000 * DAY - 1, 950 * DAY, 1050 * DAY + 77):
            last = first + DAY
            wanted = {p.raw.data for p in packets if p.last >= first and p.first < last}
            found = store.of_days(KEY, first, last)
            assert {item.raw.data for item in found} == wanted
            assert len(found) == len(wanted)
            order = [(item.scet, item.sequence_count, item.digest) for item in found]
            assert order == sorted(order)


def test_search_is_bounded_by_indices(tmp_path: Path) -> None:
    """Both parts of the search use an index with limits on either side, or that of the few long packets."""
    with PacketStore(tmp_path) as store:
        plans: list[str] = []
        store.index._connection.set_trace_callback(plans.append)
        store.of_days(KEY, 1000 * DAY, 1001 * DAY)
        store.index._connection.set_trace_callback(None)
        details = [" ".join(str(row[3]) for row in store.index.rows(f"EXPLAIN QUERY PLAN {sql}")) for sql in plans]
    assert "packet_time (service=? AND subservice=? AND ssid=? AND first>? AND first<?)" in details[0]
    assert "packet_long" in details[1]
