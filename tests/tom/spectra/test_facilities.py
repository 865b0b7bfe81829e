"""Who speaks for a facility."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from broker_assets.access import groups as all_groups
from broker_assets.database import engine
from broker_assets.tom.spectra.facilities import NotOfFacilityError, require_member, speaks_for
from broker_assets.tom.spectra.plans import plan_spectrum, remove_plan
from broker_assets.tom.spectra.reports import Selection, report_spectrum, reported_spectra

pytestmark = pytest.mark.database


def test_the_group_of_its_name_speaks_for_a_facility(desk: Any) -> None:
    require_member(desk.connection, desk.users["otto"], "Keck", register=True)
    for name, facilities in {"mia": {"Gemini", "gemini"}, "otto": {"Keck"}, "root": {"Gemini", "Keck"}}.items():
        for facility in ("Gemini", "gemini", "Keck", "VLT"):
            spoken = facility in facilities or name == "root"
            assert speaks_for(desk.connection, desk.users[name], facility) == spoken, (name, facility)


def test_a_facility_that_has_a_group_is_nobody_elses(desk: Any) -> None:
    with pytest.raises(NotOfFacilityError, match="otto is not a member of the facility 'gemini'"):
        require_member(desk.connection, desk.users["otto"], "gemini", register=True)
    assert desk.rows("SELECT count(*) FROM spectrum_facilities") == [(0,)]


def test_a_group_takes_over_the_name_that_an_account_used_first(desk: Any) -> None:
    require_member(desk.connection, desk.users["otto"], "Keck", register=True)
    all_groups.add(desk.connection, "keck")
    all_groups.set_groups(desk.connection, "mia", ["Gemini", "keck"])
    with pytest.raises(NotOfFacilityError):
        require_member(desk.connection, desk.users["otto"], "Keck", register=True)
    assert require_member(desk.connection, desk.users["mia"], "KECK", register=True) == "Keck"


def test_case_and_blanks_make_no_other_facility(desk: Any) -> None:
    otto, mia = desk.users["otto"], desk.users["mia"]
    for spelling in ("Big  Eye", " big eye", "BIG EYE\t"):
        assert require_member(desk.connection, otto, spelling, register=True) == "Big Eye"
        with pytest.raises(NotOfFacilityError):
            require_member(desk.connection, mia, spelling, register=True)
    plan_spectrum(desk.connection, otto, 1, "big eye")
    plan_spectrum(desk.connection, otto, 1, "BIG EYE ", comment="again")
    assert desk.rows("SELECT facility, comment FROM elasticc2_plannedspectra") == [("Big Eye", "again")]
    # As a dump may have it.
    desk.connection.execute(
        "INSERT INTO elasticc2_plannedspectra (facility, diaobject_id, created_at, comment)"
        " VALUES ('big eye', 1, now(), '')"
    )
    with pytest.raises(NotOfFacilityError):
        remove_plan(desk.connection, mia, 1, "big eye")
    assert remove_plan(desk.connection, otto, 1, "Big eye") == 2
    report_spectrum(desk.connection, otto, 1, "big EYE", 61000.5, None, None)
    (one,) = reported_spectra(desk.connection, Selection(facility=" bIG  eye"))
    assert one.facility == "Big Eye"
    assert desk.rows("SELECT facility, userid FROM spectrum_facilities") == [("Big Eye", otto.userid)]


def test_two_accounts_that_use_a_new_name_at_once(desk: Any) -> None:
    def use(name: str, facility: str) -> bool:
        with engine.connect(desk.url) as connection:
            try:
                require_member(connection, desk.users[name], facility, register=True)
            except NotOfFacilityError:
                return False
            connection.commit()
            return True

    with ThreadPoolExecutor(4) as pool:
        for number in range(5):
            given = [("otto", f"F{number}"), ("mia", f"f{number} "), ("max", f" F{number}")]
            assert sum(pool.map(use, *zip(*given, strict=True))) == 1


def test_the_first_account_keeps_a_name(desk: Any) -> None:
    require_member(desk.connection, desk.users["otto"], "Keck", register=True)
    with pytest.raises(NotOfFacilityError):
        require_member(desk.connection, desk.users["mia"], "Keck", register=True)
    require_member(desk.connection, desk.users["otto"], "Keck", register=True)
