"""The packets of a day: a version that changes with them, and with nothing else."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from broker_assets.telemetry import RawPacket
from broker_assets.telemetry.archive.days import (
    FAMILIES,
    MARGIN,
    day_of_ticks,
    day_version,
    days_with_packets,
    requests_of_day,
    ticks_of_day,
    touched_days,
)
from broker_assets.telemetry.archive.units import Touched
from broker_assets.telemetry.idb.instrument_rules import StructureKey
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.reception.packet_store import NewPacket, PacketStore
from broker_assets.telemetry.reception.storing import receive_found

DAY = datetime.date(2021, 6, 15)
ONE = datetime.timedelta(days=1)
HOUR = 3600 * clock.TICKS_PER_SECOND
LIGHT_CURVE = (21, 6, 30)
PIXELS = (21, 6, 21)


def packet(
    number: int,
    hours: float,
    *,
    key: StructureKey = LIGHT_CURVE,
    file: str = "a.xml",
    request: tuple[int, int] | None = None,
    day: datetime.date = DAY,
) -> NewPacket:
    """A packet so many hours after midnight; its content is its number."""
    time = ticks_of_day(day) + int(hours * HOUR)
    return NewPacket(RawPacket(number.to_bytes(8, "big"), file, number, number), key, time, number, time, time, request)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PacketStore]:
    with PacketStore(tmp_path / "packets") as opened:
        yield opened


def fresh(folder: Path, packets: Iterable[NewPacket]) -> dict[tuple[str, datetime.date], str]:
    """Versions of all days of a new store."""
    with PacketStore(folder) as opened:
        for item in packets:
            opened.add([item])
        return versions(opened)


def versions(store: PacketStore) -> dict[tuple[str, datetime.date], str]:
    return {(name, day): day_version(store, name, day) for name in FAMILIES for day in days_with_packets(store, name)}


def test_day_of_a_time() -> None:
    assert day_of_ticks(0) == datetime.date(2000, 1, 1)
    assert day_of_ticks(ticks_of_day(DAY)) == DAY
    assert day_of_ticks(ticks_of_day(DAY) - 1) == DAY - ONE
    assert day_of_ticks((2**32 - 1) << 16) == datetime.date(2136, 2, 7)


def test_day_without_packets_has_no_version(store: PacketStore) -> None:
    assert day_version(store, "quicklook", DAY) == ""
    assert days_with_packets(store, "quicklook") == []
    with pytest.raises(ValueError, match="not a family"):
        day_version(store, "lightcurve", DAY)


def test_packet_changes_its_day_only(store: PacketStore) -> None:
    store.add([packet(1, 12), packet(2, 36)])
    before = versions(store)
    assert set(before) == {("quicklook", DAY), ("quicklook", DAY + ONE)}
    added = store.add([packet(3, 13)])
    after = versions(store)
    assert {name for name in after if after[name] != before.get(name)} == {("quicklook", DAY)}
    assert touched_days(store, Touched.by(added)) == {"quicklook": {DAY, DAY + ONE}}, "the neighbour may have changed"


def test_packet_near_midnight_concerns_both_days(store: PacketStore) -> None:
    store.add([packet(1, 12), packet(2, 36)])
    before = versions(store)
    store.add([packet(3, 24 - MARGIN / datetime.timedelta(hours=2))])
    after = versions(store)
    assert {day for name, day in after if after[name, day] != before[name, day]} == {DAY, DAY + ONE}


def test_families_do_not_mix(store: PacketStore) -> None:
    store.add([packet(1, 12)])
    before = day_version(store, "quicklook", DAY)
    added = store.add([packet(2, 12, key=(3, 25, 1)), packet(3, 12, key=(5, 1, 33)), packet(4, 12, key=(21, 6, 41))])
    assert day_version(store, "quicklook", DAY) == before
    assert touched_days(store, Touched.by(added)) == {
        "housekeeping": {DAY},
        "auxiliary": {DAY},
        "calibration": {DAY},
    }


def test_request_belongs_to_the_day_that_it_begins(store: PacketStore) -> None:
    """Also what of it comes days later, as the rest of a transfer does."""
    first = packet(1, 12, key=PIXELS, request=(7, 1234))
    store.add([first])
    before = day_version(store, "science", DAY)
    added = store.add([packet(2, 60, key=PIXELS, request=(7, 1234))])
    assert day_version(store, "science", DAY) != before
    assert days_with_packets(store, "science") == [DAY]
    assert touched_days(store, Touched.by(added)) == {"science": {DAY}}
    assert requests_of_day(store, DAY) == {1234}
    assert requests_of_day(store, DAY + 2 * ONE) == set()


def test_earlier_origin_is_another_version(store: PacketStore) -> None:
    """Products name the file that a packet came with."""
    store.add([packet(1, 12, file="b.xml")])
    before = day_version(store, "quicklook", DAY)
    store.add([packet(1, 12, file="c.xml")])
    assert day_version(store, "quicklook", DAY) == before
    store.add([packet(1, 12, file="a.xml")])
    assert day_version(store, "quicklook", DAY) != before


PACKETS = st.lists(
    st.builds(
        packet,
        st.integers(0, 40),
        st.floats(0, 72, allow_nan=False),
        key=st.sampled_from([LIGHT_CURVE, (3, 25, 1), (5, 1, 33)]),
        file=st.sampled_from(["a.xml", "b.xml"]),
    ),
    max_size=12,
    unique_by=lambda item: item.raw.data,
)


@settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.generate),
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(packets=PACKETS, data=st.data())
def test_order_does_not_matter(
    packets: list[NewPacket], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any order, any repetition; and every changed version is among the touched days."""
    order = data.draw(st.permutations(packets))
    folder = tmp_path_factory.mktemp("stores")
    assert fresh(folder / "one", packets) == fresh(folder / "two", [*order, *packets])
    with PacketStore(folder / "three") as opened:
        for item in packets:
            before = versions(opened)
            touched = touched_days(opened, Touched.by(opened.add([item])))
            changed = {name for name, version in versions(opened).items() if before.get(name) != version}
            assert changed <= {(name, day) for name, days in touched.items() for day in days}


def test_real_packets(packet_pool: list[RawPacket], open_inputs: Inputs, store: PacketStore) -> None:
    received = receive_found(packet_pool, "pool", store, open_inputs.databases)
    touched = touched_days(store, received.touched)
    assert touched.keys() == {"quicklook", "housekeeping", "auxiliary", "science"}
    midnight = datetime.date(2021, 1, 17)
    assert touched["quicklook"] == {midnight - ONE, midnight}
    for name, days in touched.items():
        assert set(days_with_packets(store, name)) <= days
