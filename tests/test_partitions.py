"""Partition keys of nights, days and maps, and which data have none."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.packets.nights import night_of
from broker_assets.partitions import (
    known_days,
    known_nights,
    nights,
    observation_days,
    sky_map_key,
)
from broker_assets.settings import load_settings
from broker_assets.settings.partitions import MISSION_START


def now() -> datetime.datetime:
    """The time is read in each test: a run of all tests may last past midnight."""
    return datetime.datetime.now(datetime.UTC)


def test_the_night_that_has_begun_is_a_partition() -> None:
    """Whatever the time of day in Chile: the last key is tonight's or last night's."""
    began = now()
    night = str(night_of(np.array([began.timestamp() / 86400 + 40587]), "rubin")[0])
    assert nights.get_last_partition_key() in (night, (began - datetime.timedelta(days=1)).date().isoformat())
    assert nights.get_first_partition_key() == load_settings().nights_begin.isoformat()
    assert observation_days.get_last_partition_key() in {began.date().isoformat(), now().date().isoformat()}
    assert observation_days.get_first_partition_key() == MISSION_START.isoformat()


@given(st.lists(st.dates(datetime.date(2010, 1, 1), datetime.date(2090, 1, 1)), max_size=10))
def test_every_date_is_known_or_unknown(dates: list[datetime.date]) -> None:
    keys = {date.isoformat() for date in dates}
    known, unknown = known_nights(keys)
    assert sorted(known + unknown) == sorted(keys)
    assert known == sorted(key for key in keys if nights.has_partition_key(key))
    days, others = known_days(dates)
    assert sorted(days + others) == sorted(set(dates))
    assert all(MISSION_START.isoformat() <= day.isoformat() <= now().date().isoformat() for day in days)


@given(st.integers(1, 10**6), st.text(max_size=12), st.text(max_size=12))
def test_keys_of_maps_are_printable(identifier: int, event: str, version: str) -> None:
    key = sky_map_key(identifier, event, version)
    assert key.isprintable()
    assert ".." not in key
    assert key.startswith(f"{identifier}_")


def test_the_first_partitions_are_settings() -> None:
    """They are read as a code server reads them: from its environment, when it starts."""
    program = (
        "from broker_assets.partitions import nights, observation_days;"
        "print(nights.get_first_partition_key(), observation_days.get_first_partition_key())"
    )

    def first(**variables: str) -> list[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BROKER_")} | variables
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert first() == ["2018-01-01", "2020-02-10"]
    rubin = '[{"topic": "a", "survey": "rubin", "framing": "confluent"}]'
    assert first(BROKER_STREAMS=rubin) == ["2025-01-01", "2020-02-10"]
    given = {"BROKER_PARTITIONS__FIRST_NIGHT": "2026-10-30", "BROKER_PARTITIONS__FIRST_DAY": "2026-10-31"}
    assert first(BROKER_STREAMS=rubin, **given) == ["2026-10-30", "2026-10-31"]
