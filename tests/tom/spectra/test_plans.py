"""Plans: one of each facility and object, which only the facility removes; also for two users at once."""

from __future__ import annotations

import datetime
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from broker_assets.database import engine
from broker_assets.tom.spectra.facilities import NotOfFacilityError
from broker_assets.tom.spectra.known_objects import UnknownObjectError
from broker_assets.tom.spectra.plans import plan_spectrum, remove_plan

pytestmark = pytest.mark.database

STORED = "SELECT diaobject_id, facility, plantime, comment FROM elasticc2_plannedspectra ORDER BY 1, 2"


def test_a_plan_replaces_the_plan_of_its_facility(desk: Any) -> None:
    first = plan_spectrum(desk.connection, desk.users["mia"], 1, "Gemini", comment="x")
    at = datetime.datetime(2024, 1, 2, 3)
    second = plan_spectrum(desk.connection, desk.users["max"], 1, "Gemini", at)
    assert second > first
    plan_spectrum(desk.connection, desk.users["otto"], 1, "Keck")
    assert desk.rows(STORED) == [(1, "Gemini", at.replace(tzinfo=datetime.UTC), ""), (1, "Keck", None, "")]


def test_only_the_facility_plans_and_removes(desk: Any) -> None:
    connection, users = desk.connection, desk.users
    with pytest.raises(NotOfFacilityError):
        plan_spectrum(connection, users["otto"], 1, "Gemini")
    plan_spectrum(connection, users["mia"], 1, "Gemini")
    with pytest.raises(NotOfFacilityError):
        remove_plan(connection, users["otto"], 1, "Gemini")
    assert len(desk.rows(STORED)) == 1
    assert remove_plan(connection, users["max"], 1, "Gemini") == 1
    assert remove_plan(connection, users["otto"], 1, "Gemini") == 0
    plan_spectrum(connection, users["mia"], 1, "Gemini")
    assert remove_plan(connection, users["root"], 1, "Gemini") == 1


def test_an_unknown_object_is_not_planned(desk: Any) -> None:
    with pytest.raises(UnknownObjectError):
        plan_spectrum(desk.connection, desk.users["otto"], 77, "Keck")
    assert desk.rows("SELECT * FROM spectrum_facilities") == []


def test_two_users_at_once_plan_and_remove(desk: Any) -> None:
    def work(name: str) -> int:
        with engine.connect(desk.url, autocommit=True) as connection:
            removed = 0
            for turn in range(20):
                plan_spectrum(connection, desk.users[name], 1, "Gemini", comment=name)
                removed += remove_plan(connection, desk.users[name], 1, "Gemini") if turn % 4 == 0 else 0
            plan_spectrum(connection, desk.users[name], 1, "Gemini", comment=name)
            return removed

    with ThreadPoolExecutor(2) as pool:
        assert 5 <= sum(pool.map(work, ("mia", "max"))) <= 10
    assert [(number, facility) for number, facility, *_ in desk.rows(STORED)] == [(1, "Gemini")]


def test_two_users_at_once_name_a_facility(desk: Any) -> None:
    def plan(name: str) -> bool:
        with engine.connect(desk.url, autocommit=True) as connection:
            try:
                plan_spectrum(connection, desk.users[name], 1, "new one")
            except NotOfFacilityError:
                return False
            return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(plan, ("mia", "otto"))) == [False, True]
