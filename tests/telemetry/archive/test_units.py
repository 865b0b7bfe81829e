"""Which files packets belong to, and which of them names speak of."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker_assets.telemetry import RawPacket
from broker_assets.telemetry.archive.units import SPECTRA_MARGIN, Touched, Unit, day_of
from broker_assets.telemetry.idb.instrument_rules import StructureKey
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.kinds import KINDS, kind_of
from broker_assets.telemetry.products.product import level0_day_path, level1_day_path, levelb_path
from broker_assets.telemetry.reception.packet_store import NewPacket, PacketStore

DAY = 9000 * clock.SECONDS_PER_DAY
LIGHT_CURVE, SPECTRA, PIXELS = (21, 6, 30), (21, 6, 32), (21, 6, 21)


def packet(
    number: int, key: StructureKey, scet: int, *, first: int = 0, last: int = 0, request: tuple[int, int] | None = None
) -> NewPacket:
    """A packet sent at a time, seconds of the day, with time bins from `first` to `last` seconds around it."""
    time = clock.TICKS_PER_SECOND * (DAY + scet)
    begin, end = (time + clock.TICKS_PER_SECOND * offset for offset in (first, last))
    return NewPacket(RawPacket(number.to_bytes(8, "big"), "a", number, number), key, time, number, begin, end, request)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PacketStore]:
    with PacketStore(tmp_path / "packets") as opened:
        yield opened


def test_a_packet_over_midnight_belongs_to_two_days_of_level_0() -> None:
    found = Touched.by([packet(1, LIGHT_CURVE, 100, first=-300, last=0)])
    assert found.levelb == {Unit(LIGHT_CURVE, DAY)}
    assert found.level0 == {Unit(LIGHT_CURVE, DAY - clock.SECONDS_PER_DAY), Unit(LIGHT_CURVE, DAY)}


def test_spectra_near_midnight_touch_the_neighbour() -> None:
    """A cycle of detectors may be split over two packets."""
    margin = SPECTRA_MARGIN // clock.TICKS_PER_SECOND
    near = Touched.by([packet(1, SPECTRA, margin - 10)])
    far = Touched.by([packet(1, SPECTRA, margin + 10)])
    assert near.level0 == {Unit(SPECTRA, DAY - clock.SECONDS_PER_DAY), Unit(SPECTRA, DAY)}
    assert far.level0 == {Unit(SPECTRA, DAY)}


def test_answers_belong_to_their_request_whatever_their_times() -> None:
    request = (50001, 1234567)
    found = Touched.by([packet(n, PIXELS, n * 80_000, request=request) for n in range(3)])
    assert found.levelb == found.level0 == {Unit(PIXELS, request=request)}
    assert next(iter(found.level0)).asked == request
    assert Unit(LIGHT_CURVE, DAY).asked is None


packets = st.lists(
    st.tuples(
        st.sampled_from([LIGHT_CURVE, SPECTRA, PIXELS, (3, 25, 1), (5, 1, 33)]),
        st.integers(0, 200_000),
        st.integers(-5_000, 0),
        st.integers(0, 500),
        st.integers(1, 3),
    ),
    max_size=8,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_packets=packets)
def test_everything_of_a_store_is_what_its_packets_touched(
    given_packets: list[tuple[Any, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = [
        packet(number, key, scet, first=first, last=last, request=(1, request) if kind_of(key).by_request else None)
        for number, (key, scet, first, last, request) in enumerate(given_packets)
    ]
    with PacketStore(tmp_path_factory.mktemp("store") / "packets") as store:
        store.add(made)
        assert Touched.everything(store) == Touched.by(made)


def test_what_cannot_be_decoded_has_raw_files_only(store: PacketStore) -> None:
    store.add([replace(packet(1, PIXELS, 5), failure="it ends before NIX00037")])
    assert Touched.everything(store) == Touched(levelb=frozenset({Unit(PIXELS, DAY)}))


@pytest.mark.parametrize("key", [key for key, kind in KINDS.items() if not kind.by_request] + [(5, 1, 33)])
def test_names_of_days_concern_the_units_that_they_are_made_of(key: StructureKey) -> None:
    kind = kind_of(key)
    days = [DAY + offset * clock.SECONDS_PER_DAY for offset in (-2, -1, 0, 1, 2)]
    touched = Touched(frozenset(Unit(key, day) for day in days), frozenset(Unit(key, day) for day in days))
    other = Touched(frozenset(), frozenset({Unit((3, 25, 1) if key != (3, 25, 1) else (3, 25, 2), DAY)}))
    raw = (touched | other).only([levelb_path(kind, DAY, None).name])
    assert raw.levelb == {Unit(key, DAY)}
    assert (touched | other).only([level0_day_path(kind, DAY).name]).level0 == {Unit(key, DAY)}
    utc = datetime.date(2000, 1, 1) + datetime.timedelta(seconds=DAY)
    name = level1_day_path(kind, np.datetime64(utc)).name
    assert (touched | other).only([name]).level0 == {Unit(key, day) for day in days[1:4]}, "clocks differ by minutes"


def test_names_of_requests_and_of_nothing() -> None:
    one, other = Unit(PIXELS, request=(50001, 7)), Unit(PIXELS, request=(50002, 7))
    touched = Touched(frozenset({one, other}), frozenset({one, other}))
    name = "solo_L1_stix-sci-xray-cpd_20210116T120000-20210116T120100_V02_0000000007-50001.fits"
    assert touched.only([name]).level0 == {one}
    assert touched.only([name.replace("cpd", "rpd")]) == Touched()
    assert touched.only(["no product.fits", ""]) == Touched()


def test_days_begin_at_on_board_midnight() -> None:
    assert day_of(clock.TICKS_PER_SECOND * DAY) == DAY
    assert day_of(clock.TICKS_PER_SECOND * DAY - 1) == DAY - clock.SECONDS_PER_DAY
