"""Instants without a time zone are in UTC; those with one stay as they are."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.instants import instant, with_zone

ZONES: st.SearchStrategy[Any] = st.none() | st.integers(-23, 23).map(
    lambda hours: datetime.timezone(datetime.timedelta(hours=hours))
)


@given(st.datetimes(datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30), timezones=ZONES))
def test_written_and_read_again(when: datetime.datetime) -> None:
    assert instant(when.isoformat()) == with_zone(when)
    assert with_zone(when).utcoffset() == (when.utcoffset() or datetime.timedelta(0))
    assert with_zone(when).replace(tzinfo=None) == when.replace(tzinfo=None)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"])
def test_what_no_calendar_has_in_utc_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not in the years 1 to 9999 of UTC"):
        instant(text)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-12-01T25:00"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|month|hour"):
        instant(text)
