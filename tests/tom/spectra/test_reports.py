"""Reports fulfil requests and plans, and are found again; also for two users at once."""

from __future__ import annotations

import datetime
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from broker_assets.database import engine
from broker_assets.tom.spectra.facilities import NotOfFacilityError
from broker_assets.tom.spectra.known_objects import UnknownObjectError
from broker_assets.tom.spectra.plans import plan_spectrum
from broker_assets.tom.spectra.reports import Selection, report_spectrum, reported_spectra
from broker_assets.tom.spectra.requests import request_spectra

pytestmark = pytest.mark.database


def test_a_report_fulfils_requests_and_the_plan_of_its_facility(desk: Any) -> None:
    connection, users = desk.connection, desk.users
    request_spectra(connection, 1, "a", [1, 2], [1, 1])
    request_spectra(connection, 2, "b", [1], [5])
    plan_spectrum(connection, users["mia"], 1, "Gemini")
    plan_spectrum(connection, users["otto"], 1, "Keck")
    report_spectrum(connection, users["mia"], 1, "Gemini", 60000.1, 0.1, 2222)
    assert desk.rows("SELECT wantspec_id FROM elasticc2_wantedspectra") == [("2 ; a",)]
    assert desk.rows("SELECT facility FROM elasticc2_plannedspectra") == [("Keck",)]
    (found,) = reported_spectra(connection, Selection())
    assert (found.number, found.facility, found.mjd, found.z, found.classid) == (1, "Gemini", 60000.1, 0.1, 2222)


def test_nothing_happens_for_others(desk: Any) -> None:
    request_spectra(desk.connection, 1, "a", [1], [1])
    with pytest.raises(NotOfFacilityError):
        report_spectrum(desk.connection, desk.users["otto"], 1, "Gemini", 60000.0, None, None)
    with pytest.raises(UnknownObjectError):
        report_spectrum(desk.connection, desk.users["otto"], 77, "Keck", 60000.0, None, None)
    assert reported_spectra(desk.connection, Selection()) == []
    assert len(desk.rows("SELECT FROM elasticc2_wantedspectra")) == 1


def test_reports_are_selected(desk: Any) -> None:
    root = desk.users["root"]
    for number, facility, mjd, z, classid in (
        (1, "A", 60002.0, 0.1, 2222), (2, "B", 60001.0, None, None), (3, "A", 60003.0, 0.5, 2223),
    ):  # fmt: skip
        report_spectrum(desk.connection, root, number, facility, mjd, z, classid)
    tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    for selection, expected in (
        (Selection(), [2, 1, 3]),
        (Selection(objects=[3, 2, 9]), [2, 3]),
        (Selection(objects=[]), []),
        (Selection(facility="A", mjd_min=60002.5), [3]),
        (Selection(mjd_max=60002.0), [2, 1]),
        (Selection(classid=2222), [1]),
        (Selection(z_min=0.1, z_max=0.1), [1]),
        (Selection(since=tomorrow), []),
    ):
        assert [one.number for one in reported_spectra(desk.connection, selection)] == expected, selection


def test_two_users_at_once_report_while_it_is_asked_for(desk: Any) -> None:
    def report(name: str) -> None:
        with engine.connect(desk.url, autocommit=True) as connection:
            for turn in range(15):
                request_spectra(connection, 1, f"{name} {turn % 3}", [1, 2], [1, 1])
                report_spectrum(connection, desk.users[name], 1 + turn % 2, "Gemini", 60000.0 + turn, None, None)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(report, ("mia", "max")))
    assert len(reported_spectra(desk.connection, Selection())) == 30
