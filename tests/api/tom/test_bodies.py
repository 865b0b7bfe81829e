"""What a body may have."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.api.tom.answers import TomError
from broker_assets.api.tom.bodies import choice, integer, numbers, parsed, real


def test_good_values() -> None:
    assert parsed(b'{"a": 1}', "") == {"a": 1}
    assert numbers([1, "2", 3.0, 2.0**53 - 1, None], "", "x").tolist() == [1, 2, 3, 2**53 - 1]
    assert numbers(None, "", "x").tolist() == []
    assert (real("5.5", "", "x"), real(None, "", "x"), real(5, "", "x")) == (5.5, None, 5.0)
    assert (choice({}, "x", ("a", "b"), "a", ""), choice({"x": "b"}, "x", ("a", "b"), "a", "")) == ("a", "b")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a": ["\\uD800"]}', b'{"\\udfff": 1}'])
def test_what_is_not_json(body: bytes) -> None:
    with pytest.raises(TomError, match=r"^Here: "):
        parsed(body, "Here: ")


@pytest.mark.parametrize("value", [True, 1.5, [], {}, "x", 2**63, 3.13888e17, -(2.0**53), float("inf"), -(2**63) - 1])
def test_what_is_no_identifier(value: Any) -> None:
    with pytest.raises(TomError):
        integer(value, "", "x")


@pytest.mark.parametrize("value", [True, "x", [], float("nan"), 10**400])
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises(TomError):
        real(value, "", "x")


@pytest.mark.parametrize("value", ["c", None, [], {}])
def test_what_is_no_choice(value: Any) -> None:
    with pytest.raises(TomError, match="x must be one of a, b"):
        choice({"x": value}, "x", ("a", "b"), "a", "")
