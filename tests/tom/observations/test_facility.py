"""Fields of facilities, and facilities by the path of their class."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.settings.tom import FacilitySettings
from broker_assets.tom.observations.by_mail import ByMail
from broker_assets.tom.observations.facility import BadRequest, Field, checked_fields, made
from broker_assets.tom.observations.lco import Lco

FIELDS = (
    Field("n", "Exposures", "number", least=1, most=5),
    Field("t", "Begin", "time", required=False),
    Field("w", "Frames", "whole", least=1, most=9, required=False),
    Field("c", "Kind", "choice", choices=("a", "b"), required=False),
)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "n: Exposures is missing"),
        ({"n": "x"}, "n: 'x' is not a number"),
        ({"n": "nan"}, "n: 'nan' is not a number"),
        ({"n": "1_0"}, "n: '1_0' is not a number"),
        ({"n": 1, "w": 1.5}, "w: '1.5' is not a whole number"),
        ({"n": 1, "t": "0001-01-01T00:00+10:00"}, "t: '0001-01-01T00:00+10:00' is not a time"),
        ({"n": 1, "t": "soon"}, "t: 'soon' is not a time"),
        ({"n": 1, "c": "z"}, "c: 'z' is none of a, b"),
        ({"n": 1, "x": 1}, "x: there is no such field; there are n, t, w, c"),
    ],
)
def test_wrong_fields_are_named(given: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRequest) as raised:
        checked_fields(FIELDS, given)
    assert str(raised.value).startswith(why)


def test_times_are_stored_in_utc_and_counts_as_whole_numbers() -> None:
    for count in ("3", 3, 3.0, " +3"):
        found = checked_fields(FIELDS, {"n": 1, "t": "2026-12-02T03:00-10:00", "w": count})
        assert found == {"n": 1.0, "t": "2026-12-02T13:00:00+00:00", "w": 3}
        assert isinstance(found["w"], int)


def test_facilities_are_made_by_the_path_of_their_class() -> None:
    assert isinstance(made(FacilitySettings(name="LCO", options={"proposal": "P1"})), Lco)
    assert made(FacilitySettings(name="LCO", options={"proposal": "P1"})).form()[0].default == "P1"
    mail = FacilitySettings(name="x", kind="broker_assets.tom.observations.by_mail:ByMail")
    assert isinstance(made(mail), ByMail)
    for kind in ("nowhere:X", "broker_assets.tom.observations.lco:Y", "builtins:int", "x", ":"):
        with pytest.raises(ValueError, match="facility x: "):
            made(FacilitySettings(name="x", kind=kind))
