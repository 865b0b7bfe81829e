"""Columns of names of solar-system objects."""

from __future__ import annotations

import pyarrow as pa
import pytest

from broker_assets.packets.designations import designation
from broker_assets.packets.named_objects import NO_NAME, named_objects


@pytest.mark.parametrize("chunked", [False, True])
def test_names_of_the_rows_that_have_one(chunked: bool) -> None:
    names = pa.array(["2015DC156", "433", "null", None, "C/2019L3", "2015DC156", "what", "what"])
    found = named_objects(pa.chunked_array([names.slice(0, 3), names.slice(3)]) if chunked else names)
    assert found.row.tolist() == [0, 1, 4, 5]
    assert found.unpacked.to_pylist() == ["2015 DC156", "433", "C/2019 L3", "2015 DC156"]
    assert found.identifier.to_pylist() == [designation(text).identifier for text in found.unpacked.to_pylist()]
    assert found.not_understood == 2


@pytest.mark.parametrize("names", [[], [None, None], sorted(NO_NAME)])
def test_no_names(names: list[str | None]) -> None:
    found = named_objects(pa.array(names, pa.string()))
    assert (len(found.row), len(found.identifier), found.not_understood) == (0, 0, 0)
