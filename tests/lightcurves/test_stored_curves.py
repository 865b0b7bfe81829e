"""Stored light curves, as they were at the end of a night."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from stored_points import FIRST, NOON, alert, connect, forced, limit

from broker_assets.lightcurves.stored_curves import night_end, stored_curves
from broker_assets.packets.nights import NOON_UTC_HOURS, night_of

pytestmark = pytest.mark.database


def test_points_of_objects_in_order(database_url: str) -> None:
    alert(database_url, 5, 51, 0.3, psfflux=3.0)
    alert(database_url, 3, 31, 0.3, band="r")
    alert(database_url, 3, 30, 0.2, band="w", psffluxerr=None)
    alert(database_url, 3, 32, 0.4, psfflux=None)
    alert(database_url, 9, 90, 0.2)
    forced(database_url, 3, 300, 0.3, band="r")
    forced(database_url, 3, 301, 0.1)
    limit(database_url, 5, 500, 0.05, band="i")
    with connect(database_url) as connection:
        found = stored_curves(connection, np.array([3, 4, 5]))
    assert found.offsets.tolist() == [0, 3, 3, 4]
    assert found.mjd - NOON == pytest.approx([0.1, 0.2, 0.3, 0.3])
    assert found.band.tolist() == [1, -1, 2, 1]
    assert found.detected.tolist() == [False, True, True, True]
    assert np.isnan(found.error).tolist() == [False, True, False, False]
    assert (found.limit_offsets.tolist(), found.limit_flux.tolist()) == ([0, 0, 0, 1], [50.0])


def test_as_it_was_at_the_end_of_a_night(database_url: str) -> None:
    """Later points do not count, nor earlier ones that a later packet brought; withdrawn ones do until then."""
    second = FIRST + datetime.timedelta(days=1)
    alert(database_url, 3, 30, 0.2)
    alert(database_url, 3, 31, 0.3, timewithdrawnmjdtai=NOON + 0.5)
    alert(database_url, 3, 32, 0.4, timewithdrawnmjdtai=NOON + 1.9)
    alert(database_url, 3, 33, 1.2)
    alert(database_url, 3, 34, 0.1, night=second, archivefileid=None)
    forced(database_url, 3, 300, 0.25, night=second)
    with connect(database_url) as connection:
        for night, expected in ((FIRST, [0.2, 0.4]), (second, [0.1, 0.2, 0.25, 1.2]), (None, [0.1, 0.2, 0.25, 1.2])):
            found = stored_curves(connection, np.array([3]), night=night)
            assert found.mjd - NOON == pytest.approx(expected)


@pytest.mark.parametrize("survey", sorted(NOON_UTC_HOURS))
def test_no_night_ends_later(survey: str) -> None:
    end = night_end(FIRST)
    assert night_of([end], survey)[0] > np.datetime64(FIRST)
    assert night_of([end - 0.2], survey)[0] <= np.datetime64(FIRST) + 1
