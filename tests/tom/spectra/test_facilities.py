"""Who speaks for a facility."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.tom.spectra.facilities import NotOfFacilityError, require_member, speaks_for

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


def test_the_first_account_keeps_a_name(desk: Any) -> None:
    require_member(desk.connection, desk.users["otto"], "Keck", register=True)
    with pytest.raises(NotOfFacilityError):
        require_member(desk.connection, desk.users["mia"], "Keck", register=True)
    require_member(desk.connection, desk.users["otto"], "Keck", register=True)
