"""Tables of products: parts put together, rows taken, and parts that do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from broker_assets.telemetry.products.files.tables import Column, Table, rows, stack, take


def table(first: int, count: int) -> Table:
    numbers = np.arange(first, first + count)
    return {
        "counts": Column(np.stack([numbers, 10 * numbers], axis=1), "count", parameter="NIX00260"),
        "temperature": Column(
            numbers, calibration="CIXP0024TM", engineering=numbers / 2, engineering_unit="degC"
        ),
    }  # fmt: skip


def bare(column: Column) -> tuple[object, ...]:
    """What a column is besides its values."""
    return column.unit, column.description, column.parameter, column.calibration, column.engineering_unit


def test_parts_follow_one_another() -> None:
    whole = stack([table(0, 3), table(3, 0), table(3, 2)])
    expected = table(0, 5)
    assert rows(whole) == 5
    for name, column in whole.items():
        assert column.values.tolist() == expected[name].values.tolist()
        assert bare(column) == bare(expected[name])
    assert whole["temperature"].engineering is not None
    assert whole["temperature"].engineering.tolist() == [0, 0.5, 1, 1.5, 2]
    assert rows({}) == 0


def test_rows_are_taken_of_raw_and_engineering_values() -> None:
    some = take(table(0, 5), np.array([4, 1]))
    assert some["counts"].values.tolist() == [[4, 40], [1, 10]]
    assert some["temperature"].engineering is not None
    assert some["temperature"].engineering.tolist() == [2, 0.5]


def test_level1_has_engineering_values_with_their_unit() -> None:
    found = table(0, 2)
    calibrated = found["temperature"].calibrated()
    assert (calibrated.values.tolist(), calibrated.unit, calibrated.calibration) == ([0, 0.5], "degC", None)
    assert found["counts"].calibrated() is found["counts"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counts": None}, "column counts is missing"),
        ({"counts": Column(np.zeros((2, 3)), "count")}, r"column counts has shape \(3,\)"),
        ({"counts": Column(np.zeros((2, 2)), "V")}, "column counts has shape .* V in a part"),
        ({"temperature": Column(np.zeros(2))}, "column temperature is calibrated differently"),
        (
            {"temperature": Column(np.zeros(2), engineering=np.zeros(2), engineering_unit="K")},
            "column temperature is calibrated differently",
        ),
    ],
)
def test_parts_that_do_not_fit_are_named(change: dict[str, Column | None], message: str) -> None:
    other = {name: column for name, column in (table(3, 2) | change).items() if column is not None}
    with pytest.raises(ValueError, match=message):
        stack([table(0, 3), other])
