"""Fields of notices: what is an instant, a name, a number, and what is said of what is none."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from broker_assets.sky.notice_fields import Instant, Name, Number, first_problem, mjd_tai


class Fields(BaseModel):
    time: Instant
    name: Name = "GRB 261130A"
    number: Number = 1.0


@pytest.mark.parametrize("text", ["2026-11-30T12:00:00Z", "2026-11-30 12:00:00", "2026-11-30T13:00:00+01:00"])
def test_instants_are_utc_unless_they_say_otherwise(text: str) -> None:
    assert Fields(time=text).time == datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.UTC)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "the notice has no field 'time'"),
        ({"time": "2026-11-30"}, "time"),
        ({"time": "1066-10-14T12:00:00"}, "1066"),
        ({"time": "2026-11-30T12:00:00", "name": "a\x00b"}, "control characters"),
        ({"time": "2026-11-30T12:00:00", "name": "a" * 201}, "name"),
        ({"time": "2026-11-30T12:00:00", "number": float("nan")}, "number"),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Fields.model_validate(values)
    assert told in first_problem(caught.value)


def test_mjd_is_tai() -> None:
    # 37 leap seconds since 2017
    moment = datetime.datetime(2026, 11, 30, tzinfo=datetime.UTC)
    assert mjd_tai(moment) == pytest.approx(61374 + 37 / 86400, abs=1e-9)
