"""Times as clients write them."""

from __future__ import annotations

import pytest

from broker_assets.tom.spectra.times import BadTimeError, read_date, read_time


def test_times_of_plans() -> None:
    assert read_time("2024-01-02").isoformat() == "2024-01-02T00:00:00"
    assert read_time("2024-01-02T12:00:00+02:00").isoformat() == "2024-01-02T12:00:00+02:00"
    bad: object
    for same in ("2024-01-02 12:00 UTC", "2024-01-02T12:00Z", "2 Jan 2024 12:00 GMT"):
        assert read_time(same).isoformat() == "2024-01-02T12:00:00+00:00"
    unknown = ("2024-01-02 12:00 HST", "2024-01-02 12:00 EST", "0001-01-01T00:00+10:00", "9999-12-31T23:00-10:00")
    for bad in ("zzz", "", 5, None, [], "2024-13-45", "9" * 400, *unknown):
        with pytest.raises(BadTimeError, match="Failed to parse"):
            read_time(bad)


@pytest.mark.parametrize("text", ["2024-01-02", "2024-01-02 00:00:00", " 2024-01-02T00:00:00 "])
def test_dates(text: str) -> None:
    assert read_date(text, "since").isoformat() == "2024-01-02T00:00:00+00:00"


@pytest.mark.parametrize("text", ["2024", "2024-02-30", "2024-01-02 00:00", "x", 5, None, "2024-01-02T00:00:00Z"])
def test_what_is_no_date(text: object) -> None:
    with pytest.raises(BadTimeError, match="since must be YYYY-MM-DD"):
        read_date(text, "since")
