"""Nights of observatories."""

from __future__ import annotations

import datetime
import itertools

from broker_assets.tom.calendars.nights import nights_of, observatory_named
from broker_assets.tom.spectra.visibility import Observatory


def test_nights_follow_each_other() -> None:
    place = observatory_named("Maunakea")
    assert place is not None
    assert observatory_named("Atlantis") is None
    found = nights_of(place, datetime.date(2026, 12, 30), 3)
    assert [one.evening.isoformat() for one in found] == ["2026-12-30", "2026-12-31", "2027-01-01"]
    # The evening of Hawaii is the next morning of Greenwich.
    assert found[0].begins.date() == datetime.date(2026, 12, 31)
    assert all(first.ends < second.begins for first, second in itertools.pairwise(found))


def test_a_summer_without_night_has_none() -> None:
    assert nights_of(Observatory("Tromsø", 18.9, 69.6), datetime.date(2026, 6, 20), 2) == []
