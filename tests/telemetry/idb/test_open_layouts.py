"""Layouts of the open database are whole: what they name exists, and no kind is there twice."""

from __future__ import annotations

import re

import pytest

from broker_assets.telemetry.idb.open_database import fixed_rows, variable_rows
from broker_assets.telemetry.idb.open_layouts import CHECKED, DESCRIPTIONS, FIXED, VARIABLE, OpenStructure

KINDS = [*VARIABLE, *FIXED]
TOKENS = re.compile(r"[A-Z]{3,4}\d+")


def test_kinds_are_distinct() -> None:
    assert len({kind.spid for kind in KINDS}) == len(KINDS)
    assert len({(kind.service, kind.subservice, kind.structure_id) for kind in KINDS}) == len(KINDS)
    assert {kind.spid for kind in KINDS} >= set(CHECKED)


@pytest.mark.parametrize("kind", VARIABLE, ids=lambda kind: str(kind.spid))
def test_a_variable_layout_is_read_to_its_end(kind: OpenStructure) -> None:
    rows = list(variable_rows(kind.layout))
    named = {name for name in TOKENS.findall(re.sub(r"\*\w+", "", kind.layout)) if ".." not in name}
    assert named <= {row[0] for row in rows}, "nothing of the notation was left out"
    assert kind.layout.count("{") == kind.layout.count("}")
    assert sum(1 for row in rows if row[1]) == kind.layout.count("{"), "each group has its counter"
    for place, (name, size, offset, width, _, _) in enumerate(rows):
        assert 0 < width <= 65535, name
        assert place + size < len(rows), name
        assert abs(offset) <= 64, name


@pytest.mark.parametrize("kind", FIXED, ids=lambda kind: str(kind.spid))
def test_a_fixed_layout_has_one_place_for_each_parameter(kind: OpenStructure) -> None:
    rows = list(fixed_rows(kind.layout))
    assert len(rows) == kind.layout.count(":"), "nothing of the notation was left out"
    assert len({row[0] for row in rows}) == len(rows)
    assert all(byte >= 16 and 0 <= bit < 8 and width > 0 for _, byte, bit, width, *_ in rows)


def test_descriptions_are_of_parameters_that_exist() -> None:
    known = {row[0] for kind in VARIABLE for row in variable_rows(kind.layout)}
    assert set(DESCRIPTIONS) <= known
