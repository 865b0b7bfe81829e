"""Numbers are read from decimal digits of ASCII only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.numerals import real, whole

NEITHER = [
    "1_0",
    "１２",
    "٣",
    "²",
    "½",
    "nan",
    "inf",
    "-Infinity",
    "0x10",
    "1 0",
    "1,5",
    "--5",
    "5-",
    "",
    " ",
    "1e",
    "\0",
    "1\xa0",
]


@given(st.integers())
def test_whole_numbers(number: int) -> None:
    assert whole(str(number)) == whole(f" {number:+}\n") == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_real_numbers(number: float) -> None:
    assert real(repr(number)) == real(f" {number!r} ") == real(f"{number:+.17e}") == number


@pytest.mark.parametrize("text", [*NEITHER, "1e2", "1.0", "9" * 5000])
def test_what_is_no_whole_number(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a whole number|Exceeds the limit"):
        whole(text)


@pytest.mark.parametrize("text", [*NEITHER, "1e400", "1_0.5", "1e1_0", "."])
def test_what_is_no_real_number(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        real(text)
