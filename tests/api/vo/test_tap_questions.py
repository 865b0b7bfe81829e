"""What a client asks of TAP."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.api.vo.parameters import VoError
from broker_assets.api.vo.tap_questions import question, uploads


def test_a_question() -> None:
    found = question({"QUERY": " SELECT 1 ", "FORMAT": "text/csv", "MAXREC": "3"}, most=10)
    assert (found.query, found.form, found.rows) == ("SELECT 1", "csv", 3)


@pytest.mark.parametrize("given", [{}, {"QUERY": "a", "LANG": "x"}, {"QUERY": "a", "REQUEST": "x"},
                                   {"QUERY": "a", "MAXREC": "x"}])  # fmt: skip
def test_questions_that_are_none(given: dict[str, Any]) -> None:
    with pytest.raises(VoError):
        question(given, most=10)


def test_uploads() -> None:
    found = uploads(["a,param:x;tap_upload.B,https://b.example/t"], {"x": b"1"}, lambda address: address.encode())
    assert found == {"a": b"1", "b": b"https://b.example/t"}
    with pytest.raises(VoError, match="larger"):
        uploads(["a,param:x"], {"x": b"1" * 9_000_000}, lambda _: b"")
    with pytest.raises(VoError, match="at most"):
        uploads([";".join(f"a{number},param:x" for number in range(20))], {"x": b""}, lambda _: b"")
