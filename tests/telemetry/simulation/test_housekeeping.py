"""Reports of the instrument about itself."""

from __future__ import annotations

from collections import Counter

import numpy as np
from decoded_drafts import decoded, within

from broker_assets.telemetry import InstrumentDatabase
from broker_assets.telemetry.simulation import housekeeping
from broker_assets.telemetry.simulation.sun import SECONDS_PER_DAY, Sun

DAY = 8900


def test_reports_come_at_their_rate_and_never_at_midnight(open_database: InstrumentDatabase) -> None:
    sun = Sun.of_days(1, [DAY])
    drafts = list(housekeeping.of_day(sun, DAY))
    counts = Counter(draft.key for draft in drafts)
    assert counts[3, 25, 2] == SECONDS_PER_DAY // housekeeping.MAXI_SECONDS
    assert counts[3, 25, 1] == SECONDS_PER_DAY // housekeeping.MINI_SECONDS
    assert counts[1, 1, None] == counts[1, 7, None], "every command that is accepted is executed"
    assert within(drafts, DAY)
    assert all(draft.coarse % SECONDS_PER_DAY for draft in drafts)
    assert len(decoded(drafts, open_database).structures) == len(counts)


def test_temperatures_become_those_that_were_meant(open_database: InstrumentDatabase) -> None:
    sun = Sun.of_days(1, [DAY])
    reports = (draft for draft in housekeeping.of_day(sun, DAY) if draft.key == (3, 25, 2))
    (structure,) = decoded(reports, open_database).structures
    kelvin = structure.columns["NIXD0025"].final
    # The curve of the database is not the straight line between its points that we invert.
    assert abs(float(np.mean(kelvin)) - 273.15 - 21.0) < 3.0
    assert 2.0 < float(np.ptp(kelvin)) / 2 < 4.0


def test_the_converter_falls_with_temperature_and_ends_at_its_limits() -> None:
    steps = housekeeping.raw_temperature(np.linspace(-100.0, 200.0, 400))
    assert (np.diff(steps) <= 0).all()
    assert (steps.max(), steps.min()) == (4095, 387)


def test_a_mode_is_left_and_taken_again() -> None:
    changes = [draft.values for draft in housekeeping.of_day(Sun.of_days(1, [DAY]), DAY) if draft.key == (5, 1, 33)]
    assert [(change["NIX00304"], change["NIX00305"]) for change in changes] == [
        (housekeeping.NOMINAL, housekeeping.CONFIGURING),
        (housekeeping.CONFIGURING, housekeeping.NOMINAL),
    ]
