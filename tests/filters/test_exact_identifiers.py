"""Identifiers of 64 bits compare with numbers as these are written, whatever their form, in both engines."""

from __future__ import annotations

import operator
from decimal import Decimal
from typing import Any

import pytest

from broker_assets.filters.query import FilterError, check

pytestmark = pytest.mark.database

IDENTIFIERS = (313888648236204051, 313888648236204032, 2**53 + 1, 2**63 - 1, 3)
COMPARISONS = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
WRITTEN = (
    "313888648236204051", "313888648236204051.0", "313888648236204050.000", "3.13888648236204051e17",
    "313888648236204032.", "9007199254740993.0", "9007199254740992e0", "9223372036854775807.0",
    "9223372036854775808.0", "1e19", "-1e19", "-9223372036854775809.0", "2.5", "3.0", "4503599627370497.5",
)  # fmt: skip


@pytest.fixture(scope="module")
def filled(empty_engines: Any) -> Any:
    objects = [{"diaobjectid": number, "ra": 1.0, "decl": 1.0, "ndiasources": 4} for number in IDENTIFIERS]
    empty_engines.refill({"objects": objects})
    return empty_engines


def found(engines: Any, condition: str) -> set[int]:
    return {row[0] for row in engines.run(f"SELECT diaObjectId FROM objects WHERE {condition}")}


@pytest.mark.parametrize("quote", ["", "'"])
def test_comparisons_are_exact(filled: Any, quote: str) -> None:
    asked = [(sign, written) for written in WRITTEN for sign in COMPARISONS]
    columns = [f"(diaObjectId {sign} {quote}{written}{quote}) AS l{at}" for at, (sign, written) in enumerate(asked)]
    columns += [f"({quote}{written}{quote} {sign} diaObjectId) AS r{at}" for at, (sign, written) in enumerate(asked)]
    for identifier, *values in filled.run(f"SELECT {', '.join(columns)} FROM objects"):
        left = [COMPARISONS[sign](Decimal(identifier), Decimal(written)) for sign, written in asked]
        right = [COMPARISONS[sign](Decimal(written), Decimal(identifier)) for sign, written in asked]
        for column, value, expected in zip(columns, values, left + right, strict=True):
            assert value is expected, (identifier, column)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("diaObjectId IN (313888648236204050.0, 1.5, 3)", {3}),
        ("diaObjectId IN (313888648236204051.0, 2.5)", {313888648236204051}),
        ("diaObjectId IN ('313888648236204051', '9223372036854775807')", {313888648236204051, 2**63 - 1}),
        ("diaObjectId NOT IN (313888648236204051.0, 2.5, 3)", {313888648236204032, 2**53 + 1, 2**63 - 1}),
        ("diaObjectId BETWEEN 313888648236204033.0 AND 313888648236204051.0", {313888648236204051}),
        ("diaObjectId = -(-313888648236204051.0)", {313888648236204051}),
        ("nullif(diaObjectId, 313888648236204051.0) IS NULL", {313888648236204051}),
        ("CASE diaObjectId WHEN 313888648236204051.0 THEN 1 ELSE 0 END = 1", {313888648236204051}),
        ("ndiasources IN (4.0, 4.5) AND diaObjectId < 4.5", {3}),
    ],
)
def test_other_forms_are_exact(filled: Any, condition: str, expected: set[int]) -> None:
    assert found(filled, condition) == expected


@pytest.mark.parametrize("written", ["313888648236204051.5", "9007199254740993.25", "'313888648236204051.5'"])
def test_what_a_number_cannot_hold_is_refused(written: str) -> None:
    with pytest.raises(FilterError, match="Write a whole number"):
        check(f"SELECT diaObjectId FROM objects WHERE diaObjectId = {written}")
