"""Regular expressions: a subset, written so that both engines read it alike."""

from __future__ import annotations

import time

import pytest

from broker_assets.filters.errors import Refused
from broker_assets.filters.patterns import like, regular


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        ("abc", "abc"),
        ("^ZTF[0-9]{2}[a-z]+$", "^ZTF[0-9]{2}[a-z]+$"),
        (r"a\.b", r"a\.b"),
        ("a.b", r"a[^\n]b"),
        ("(a|b)?c", "(?:a|b)?c"),
        ("(?:a)+", "(?:a)+"),
        (r"[\w.]*", r"[A-Za-z0-9_\.]*"),
        ("x/y-z", r"x\/y\-z"),
        ("[^]]", r"[^\]]"),
    ],
)
def test_what_is_accepted_is_written_out(pattern: str, written: str) -> None:
    assert regular(pattern) == written


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$", "(a|aa)+*", "(a*)*", "((a{1,50}){1,50}){1,50}", "a{1,51}", "(?=a)", "(?i)a", "(?<n>a)", r"(a)\1",
        r"\bx", r"\x41", "a**", "a+?", "a++", "*", "", "a||b", "(", ")", "[a", "[[:alpha:]]", "a{,3}", "a{2,1}",
        "a{1000}", "[a-", "[z-a]", "(((((((((((((a)))))))))))))", "a" * 201, "[" + "a-z" * 100 + "]",
    ],
)  # fmt: skip
def test_bombs_and_what_engines_read_differently_are_refused(pattern: str) -> None:
    started = time.process_time()
    with pytest.raises(Refused):
        regular(pattern)
    assert time.process_time() - started < 0.1


def test_a_backslash_in_like_escapes_a_sign() -> None:
    assert like(r"50\%") == r"50\%"
    for pattern in ("a\\", r"a\b"):
        with pytest.raises(Refused):
            like(pattern)
