"""Nights that are planned: nothing overlaps, limits hold, and priorities count."""

from __future__ import annotations

import datetime
import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.tom.spectra.schedule import schedule_night
from broker_assets.tom.spectra.visibility import OBSERVATORIES, Observatory

WHEN = datetime.datetime(2026, 12, 5, 4, tzinfo=datetime.UTC)
PARANAL = OBSERVATORIES[5]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.floats(0, 359.99), st.floats(-90, 90), st.integers(1, 5)), max_size=40
    ),
    st.sampled_from([10.0, 25.0, 60.0]),
)  # fmt: skip
def test_every_object_has_a_slot_or_a_reason(objects: list[tuple[float, float, int]], minutes: float) -> None:
    ra, dec = (np.array([one[column] for one in objects], float) for column in (0, 1))
    found = schedule_night(PARANAL, WHEN, ra, dec, [one[2] for one in objects], minutes=minutes)
    assert sorted([*(slot.place for slot in found.slots), *found.left]) == list(range(len(objects)))
    assert all(first.end <= second.begin for first, second in itertools.pairwise(found.slots))
    for slot in found.slots:
        assert found.begin is not None
        assert found.end is not None
        assert found.begin <= slot.begin
        assert slot.end <= found.end + datetime.timedelta(minutes=10)
        assert slot.airmass <= 2.0
        assert (slot.end - slot.begin) >= datetime.timedelta(minutes=minutes)


def test_a_higher_priority_gets_its_best_time() -> None:
    ra, dec = np.array([60.0, 60.0]), np.array([-24.6, -24.6])
    first = schedule_night(PARANAL, WHEN, ra, dec, [1, 5])
    assert {slot.place: round(slot.airmass, 2) for slot in first.slots}[1] < 1.01
    by_place = {slot.place: slot for slot in first.slots}
    assert by_place[1].airmass < by_place[0].airmass
    crowded = schedule_night(PARANAL, WHEN, np.full(40, 60.0), np.full(40, -24.6), [1] * 39 + [5])
    assert set(crowded.left.values()) == {"no time is left"}
    assert 39 not in crowded.left


def test_reasons() -> None:
    ra, dec = np.array([60.0, 60.0, 250.0]), np.array([80.0, 50.0, -24.0])
    found = schedule_night(PARANAL, WHEN, ra, dec, [1, 1, 1], worst_airmass=1.5)
    assert found.left[0] == "it is not up"
    assert found.left[1].startswith("its least airmass is ")
    summer = datetime.datetime(2026, 6, 21, 23, tzinfo=datetime.UTC)
    bright = schedule_night(Observatory("Tromsø", 18.9, 69.6), summer, ra, dec, [1, 1, 1])
    assert set(bright.left.values()) == {"the night is never dark"}
    assert bright.slots == []
