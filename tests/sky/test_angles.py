"""Angles: against astropy where both understand a text, and never a wrong value."""

from __future__ import annotations

import string

import pytest
from astropy.coordinates import Angle
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.sky.angles import decimal_number, parse_angle


@pytest.mark.parametrize(
    ("text", "hours", "degrees"),
    [
        ("12.5", True, 12.5),
        (" -12.5 ", False, -12.5),
        ("\N{MINUS SIGN}12.5", False, -12.5),
        ("+.5", False, 0.5),
        ("1.5e1", True, 15.0),
        ("12.5d", True, 12.5),
        ("12.5°", True, 12.5),
        ("12.5 deg", True, 12.5),
        ("2.5h", True, 37.5),
        ("00:50:00", True, 12.5),
        ("00 50 00.0", True, 12.5),
        ("00h50m00s", True, 12.5),
        ("0h 50m 00.0", True, 12.5),
        ("0h50m", True, 12.5),
        ("0h50.5m", True, 12.625),
        ("00:50:00", False, 50 / 60),
        ("10d41m04.95s", True, 10 + 41 / 60 + 4.95 / 3600),
        ("10°41'04.95\"", True, 10 + 41 / 60 + 4.95 / 3600),
        ("-10°41′04.95″", False, -(10 + 41 / 60 + 4.95 / 3600)),
        ("10°41’04.95”", False, 10 + 41 / 60 + 4.95 / 3600),
        ("10d41'04.95''", False, 10 + 41 / 60 + 4.95 / 3600),
        ("10D41M", False, 10 + 41 / 60),
        ("-0:0:36", False, -0.01),
        ("-00 00 36", False, -0.01),
    ],
)
def test_forms(text: str, hours: bool, degrees: float) -> None:
    assert parse_angle(text, hours=hours) == pytest.approx(degrees, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "hours", "reason"),
    [
        ("02h45m04.5s", False, "hours, which only"),
        ("2.5h", False, "hours, which only"),
        ("24:00:00", True, "hours of 24"),
        ("10:60:00", True, "60 or more"),
        ("10:00:60", True, "60 or more"),
        ("10:41", True, "neither"),
        ("10h41'04\"", True, "neither"),
        ("10d41m04h", True, "neither"),
        ("10:41m04", True, "neither"),
        ("10:41 04", True, "neither"),
        ("1_0.5", True, "neither"),
        ("0x10", True, "neither"),
        ("١٢", True, "neither"),
        ("1२", True, "neither"),
        ("nan", True, "neither"),
        ("inf", True, "neither"),
        ("infinity", True, "neither"),
        ("1e999", True, "not a decimal number"),
        ("1,5", True, "neither"),
        ("--5", False, "neither"),
        ("-+5", False, "neither"),
        ("5-", False, "neither"),
        ("–5", False, "neither"),
        ("", False, "neither"),
        ("°", False, "neither"),
        ("1" * 1000, False, "too long"),
        ("10d" + " " * 190 + "x", False, "neither"),
    ],
)
def test_refused(text: str, hours: bool, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_angle(text, hours=hours)


def test_decimal_hours_are_those_of_a_column() -> None:
    assert parse_angle("2.5", hours=True, decimal_hours=True) == 37.5
    assert parse_angle("2.5d", hours=True, decimal_hours=True) == 2.5


LETTERS = st.text(st.sampled_from(string.digits + ":. hdms°'\"+-_١∞\N{MINUS SIGN}′"), max_size=16)
MARKS = st.sampled_from([":", " ", "h", "d", "m", "s", "°", "'", '"', "′", "", "h ", "m "])
NUMBERS = st.sampled_from(["0", "7", "07", "23", "24", "41", "59.5", "59.99", "60", "100", "359", "0.5", "5."])
ASSEMBLED = st.builds("".join, st.tuples(st.sampled_from(["", "-", "+"]), *(NUMBERS, MARKS) * 3))


@given(st.one_of(LETTERS, ASSEMBLED), st.booleans())
def test_what_is_taken_is_what_astropy_reads(text: str, hours: bool) -> None:
    try:
        value = parse_angle(text, hours=hours)
    except ValueError:
        return
    plain = text.strip().replace("\N{MINUS SIGN}", "-").replace("''", '"')
    marked = "h" in plain.lower()
    sexagesimal = any(sign in plain.strip("+-") for sign in ": ") and not any(mark in plain for mark in "dD°hH")
    unit = "hourangle" if marked or (sexagesimal and hours) else "deg"
    assert value == pytest.approx(Angle(plain.replace("′", "'"), unit).deg, abs=1e-9)


@given(st.floats(-360, 360), st.sampled_from([":", " ", "hms", "dms", "°′″"]), st.integers(0, 9))
def test_written_angles_are_read_back(value: float, marks: str, precision: int) -> None:
    hours = marks == "hms"
    total = round(abs(value) / (15 if hours else 1) * 3600, precision)
    whole, rest = divmod(total, 3600)
    minutes, seconds = divmod(rest, 60)
    shown = f"{seconds:0{3 + precision if precision else 2}.{precision}f}"
    if float(shown) >= 60:
        return
    signs = (marks * 2 + " ")[:2] + "" if len(marks) == 1 else marks
    text = f"{'-' if value < 0 else ''}{int(whole):02d}{signs[0]}{int(minutes):02d}{signs[1]}{shown}{marks[2:]}"
    if hours and whole >= 24:
        return
    assert parse_angle(text, hours=hours) == pytest.approx(
        value, abs=(15 if hours else 1) * 0.51 * 10.0**-precision / 3600 + 1e-9
    )


@pytest.mark.parametrize("text", ["1_0", "nan", "inf", "", "1e999", "0x1", "١", "1 0", "1d"])
def test_numbers_of_other_kinds(text: str) -> None:
    with pytest.raises(ValueError, match="not a decimal number"):
        decimal_number(text)
