"""Which sequence counts stored packets hold, and what a late packet that holds one makes whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from single_packets import START, lightcurve_values, pixel_values

from broker_assets.telemetry import InstrumentDatabase, RawPacket
from broker_assets.telemetry.archive.days import EPOCH, day_version
from broker_assets.telemetry.archive.product_archive import Archive
from broker_assets.telemetry.packets.encoding import FIRST, LAST, PacketHeader, encode, telemetry_packet
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.reception.packet_store import CountPlace, NewPacket, PacketStore
from broker_assets.telemetry.reception.shared_counts import COUNT_TICKS, COUNTS, held_between
from broker_assets.telemetry.reception.storing import receive_found

PIXELS = (21, 6, 21)
SECOND = 1 << 16


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PacketStore]:
    with PacketStore(tmp_path / "packets") as opened:
        yield opened


def add(
    store: PacketStore, count: int, time: int, *, process: int = 91, failure: str | None = None, number: int = 0
) -> None:
    header = PacketHeader(0, sequence_count=count, process_id=process)
    data = telemetry_packet(PIXELS, number.to_bytes(2, "big") + time.to_bytes(8, "big"), header)
    store.add([NewPacket(RawPacket(data, "a", 0), PIXELS, time, count, time, time, None, failure)])


def test_counts_of_the_process_near_in_time_are_held(store: PacketStore) -> None:
    apid = 91 << 4 | 12
    before, after = CountPlace(apid, COUNTS - 2, 0), CountPlace(apid, 9, 100 * SECOND)
    for count, time in ((COUNTS - 2, 0), (COUNTS - 1, 3600 * SECOND), (0, COUNT_TICKS // 2), (9, 0), (10, 0)):
        add(store, count, time)
    add(store, 1, 3 * COUNT_TICKS)  # another turn
    add(store, 2, 50 * SECOND, process=93)  # between the two
    add(store, 3, 200 * SECOND, process=93)  # counts of its own
    add(store, 5, 150 * SECOND, process=93)  # close to one of the two
    add(store, 4, 50 * SECOND, failure="it ends before NIX00260")
    assert held_between(store, PIXELS, before, after) == {COUNTS - 1, 0, 2, 5}
    assert held_between(store, (21, 6, 24), before, after) == {COUNTS - 1, 0, 2, 4, 5}


def test_a_store_of_an_earlier_version(store: PacketStore, tmp_path: Path) -> None:
    """Its packets have no application process in the index, but in their first bytes."""
    for count in range(5):
        add(store, count, count * SECOND, process=91 + count % 2)
    store.close()
    with sqlite3.connect(tmp_path / "packets/index.sqlite") as connection:
        connection.execute("DROP INDEX packet_count")
        connection.execute("ALTER TABLE packet DROP COLUMN apid")
    for _ in range(2):
        with PacketStore(tmp_path / "packets") as again:
            rows = again.index.rows("SELECT sequence_count, apid >> 4 FROM packet ORDER BY 1")
            assert rows == [(0, 91), (1, 92), (2, 91), (3, 92), (4, 91)]


def test_a_late_packet_makes_a_request_whole(
    store: PacketStore, open_database: InstrumentDatabase, open_inputs: Inputs, tmp_path: Path
) -> None:
    """A count seems lost until the packet of another kind that has it comes; the day of the request is another then."""

    def fragment(number: int, flag: int) -> RawPacket:
        values = {"NIX00120": 21} | pixel_values(1, NIX00441=[20 * number])
        header = PacketHeader(START + number, 0, 100 + number, flag, process_id=91)
        return RawPacket(encode(open_database, PIXELS, values, header), "a.xml", number, number)

    archive = Archive(tmp_path / "fits", store, open_inputs)
    received = receive_found([fragment(0, FIRST), fragment(2, LAST)], "a.xml", store, open_database)
    outcome = archive.rebuild(received.touched, ["L0"])
    assert [item.reason for item in outcome.problems] == ["sequence is incomplete: 1 of 3 packets are missing"]
    day = EPOCH + (date.fromordinal(1 + START // 86400) - date.fromordinal(1))
    version = day_version(store, "science", day)
    header = PacketHeader(START + 1, 0, 101, process_id=91)
    values = {"NIX00120": 30} | lightcurve_values(START, [4, 8])
    other = RawPacket(encode(open_database, (21, 6, 30), values, header), "b.xml", 0, 1)
    received = receive_found([other], "b.xml", store, open_database)
    outcome = archive.rebuild(received.touched, ["L0"])
    assert outcome.problems == []
    assert any("xray-cpd" in path.name for path in outcome.written)
    assert day_version(store, "science", day) != version
