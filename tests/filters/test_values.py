"""Types of the language: what a literal is, and what goes together."""

from __future__ import annotations

import pytest

from broker_assets.filters import values
from broker_assets.filters.errors import Refused
from broker_assets.filters.schema import Kind


def test_literals_are_quoted_for_both_engines() -> None:
    value = values.text("it's \\ %")
    assert value.duckdb == "'it''s \\ %'"
    assert value.postgres == "'it''s \\ %'::text"
    assert values.name('a"b') == '"a""b"'


def test_whole_numbers_have_64_bits() -> None:
    assert values.integer(2**63 - 1).high == 2**63 - 1
    with pytest.raises(Refused, match="64 bits"):
        values.integer(2**63)
    with pytest.raises(Refused, match="too large"):
        values.real(float("inf"))


def test_a_text_that_is_a_number_is_one() -> None:
    assert values.as_real(values.text("313888")).kind is Kind.INTEGER
    assert values.as_real(values.text("1.5e3")).constant == 1500.0
    with pytest.raises(Refused, match="a number is needed"):
        values.as_real(values.text("1_000"))


def test_branches_are_brought_to_one_type() -> None:
    kinds = [value.kind for value in values.unified([values.integer(1), values.real(1.5)], "it")]
    assert kinds == [Kind.REAL, Kind.REAL]
    with pytest.raises(Refused, match="of one type"):
        values.unified([values.integer(1), values.text("a")], "it")


def test_a_translation_does_not_grow_without_end() -> None:
    value = values.Value(Kind.REAL, "x", "x", unguarded=True)
    with pytest.raises(Refused, match="too complex"):
        _doubled_without_end(value)


def _doubled_without_end(value: values.Value) -> None:
    for _ in range(40):
        value = values.both(Kind.REAL, values.guarded(value).duckdb, "x", value, unguarded=True)
