"""What is wanted: the newest magnitudes, and only what nobody has claimed or taken."""

from __future__ import annotations

import datetime
import random
from dataclasses import replace
from typing import Any

import pytest

from broker_assets.database import engine
from broker_assets.tom.spectra.plans import plan_spectrum
from broker_assets.tom.spectra.reports import report_spectrum
from broker_assets.tom.spectra.requests import request_spectra
from broker_assets.tom.spectra.wanted import Choice, wanted_spectra

pytestmark = pytest.mark.database

ALL = Choice(None, None, None, None)
LONG_AGO = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)


def numbers(desk: Any, choice: Choice) -> list[int]:
    return [one.number for one in wanted_spectra(desk.connection, choice)]


@pytest.fixture
def asked(desk: Any) -> Any:
    """Objects 1 to 4 are wanted; 4 was never bright."""
    for number in (1, 2, 3):
        desk.measure(number, 60300.25, 1000.0)
        desk.measure(number, 60310.25 + number, 2000.0 * number)
    desk.measure(3, 60300.25, 5000.0, "Y")
    desk.measure(3, 60320.25, 299.0)
    desk.measure(4, 60300.25, 299.0)
    request_spectra(desk.connection, 1, "first", [1, 2, 3, 4], [2, 4, 4, 5])
    request_spectra(desk.connection, 2, "second", [1], [5])
    return desk


def test_each_object_once_by_priority_with_its_newest_magnitudes(asked: Any) -> None:
    found = wanted_spectra(asked.connection, ALL)
    assert [(one.number, one.requester, one.priority) for one in found] == [
        (1, "second", 5), (2, "first", 4), (3, "first", 4),
    ]  # fmt: skip
    assert {band: newest.mjd for band, newest in found[2].latest.items()} == {"r": 60313.25, "Y": 60300.25}
    assert found[2].latest["Y"].magnitude == pytest.approx(31.4 - 2.5 * 3.69897, abs=1e-5)
    old = wanted_spectra(asked.connection, ALL, zero_point=27.0)
    assert old[2].latest["Y"].magnitude == pytest.approx(found[2].latest["Y"].magnitude - 4.4)


def test_what_is_claimed_taken_or_old_is_left_out(asked: Any) -> None:
    connection, root = asked.connection, asked.users["root"]
    plan_spectrum(connection, root, 2, "F")
    assert numbers(asked, replace(ALL, claimed=LONG_AGO)) == [1, 3]
    assert numbers(asked, ALL) == [1, 2, 3]
    report_spectrum(connection, root, 3, "F", 60400.0, None, None)
    request_spectra(connection, 1, "first", [3], [1])
    assert numbers(asked, replace(ALL, taken=60400.5)) == [1, 2, 3]
    assert numbers(asked, replace(ALL, taken=60400.0)) == [1, 2]
    assert numbers(asked, replace(ALL, detected=60312.0)) == [2, 3]
    assert numbers(asked, replace(ALL, since=datetime.datetime.now(datetime.UTC) + datetime.timedelta(1))) == []


def test_limits_of_magnitude(asked: Any) -> None:
    # r: 23.15, 22.39, 21.95; Y of object 3: 22.15
    assert numbers(asked, replace(ALL, magnitude=22.5, band="r")) == [2, 3]
    assert numbers(asked, replace(ALL, magnitude=22.5, band="Y")) == [3]
    assert numbers(asked, replace(ALL, magnitude=22.0)) == [3]


@pytest.mark.shared
def test_the_cycle_of_the_original(tom_snapshot_url: str) -> None:
    with engine.connect(tom_snapshot_url, autocommit=True) as connection:
        objects = [
            row[0] for row in connection.execute("SELECT diaobject_id FROM elasticc2_diaobject ORDER BY 1 LIMIT 25")
        ]
        numbers = random.Random(42)
        request_spectra(connection, 1, "tests", objects, [numbers.randint(1, 5) for _ in objects])
        found = wanted_spectra(connection, replace(ALL, detected=0.0), zero_point=27.0)
        assert len(found) == 25
        first = found[0]
        assert (first.number, first.ra, first.dec, first.priority) == (114982, 93.721805, -65.509372, 5)
        # The original picks any point; this is the newest one (contract 6.5).
        assert first.latest["i"].mjd == 60295.258
        assert first.latest["i"].magnitude == pytest.approx(19.200, abs=5e-4)
        assert {one.number for one in wanted_spectra(connection, replace(ALL, detected=60660.0))} == {416626, 15232}
