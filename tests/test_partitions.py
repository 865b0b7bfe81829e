"""Partition keys of nights, days and maps, and what of the data has none."""

from __future__ import annotations

import datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.packets.nights import night_of
from broker_assets.partitions import (
    NIGHTS_BEGIN,
    OBSERVATION_DAYS_BEGIN,
    known_days,
    known_nights,
    nights,
    observation_days,
    sky_map_key,
)

TODAY = datetime.datetime.now(datetime.UTC)


def test_the_night_that_has_begun_is_a_partition() -> None:
    """Whatever the time of day in Chile: the last key is tonight's or last night's."""
    mjd = TODAY.timestamp() / 86400 + 40587
    now = str(night_of(np.array([mjd]), "rubin")[0])
    assert nights.get_last_partition_key() in (now, (TODAY - datetime.timedelta(days=1)).date().isoformat())
    assert nights.get_first_partition_key() == NIGHTS_BEGIN
    assert observation_days.get_last_partition_key() == TODAY.date().isoformat()
    assert observation_days.get_first_partition_key() == OBSERVATION_DAYS_BEGIN


@given(st.lists(st.dates(datetime.date(2010, 1, 1), datetime.date(2090, 1, 1)), max_size=10))
def test_every_date_is_known_or_unknown(dates: list[datetime.date]) -> None:
    keys = {date.isoformat() for date in dates}
    known, unknown = known_nights(keys)
    assert sorted(known + unknown) == sorted(keys)
    assert known == sorted(key for key in keys if nights.has_partition_key(key))
    days, others = known_days(dates)
    assert sorted(days + others) == sorted(set(dates))
    assert all(OBSERVATION_DAYS_BEGIN <= day.isoformat() <= TODAY.date().isoformat() for day in days)


@given(st.integers(1, 10**6), st.text(max_size=12), st.text(max_size=12))
def test_keys_of_maps_are_printable(identifier: int, event: str, version: str) -> None:
    key = sky_map_key(identifier, event, version)
    assert key.isprintable()
    assert ".." not in key
    assert key.startswith(f"{identifier}_")
