"""Layouts become operations over runs of fields; what cannot be compiled says why."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from broker_assets.telemetry import InstrumentDatabase
from broker_assets.telemetry.decoding import plan as plans
from broker_assets.telemetry.decoding.plan import LEAF, PAIRS, REPEAT, SEGMENT, STOP, plan_of
from broker_assets.telemetry.idb.layouts import UnsupportedLayout
from broker_assets.telemetry.idb.open_database import write_open_database


def test_every_kind_of_the_open_database_has_a_plan(open_database: InstrumentDatabase) -> None:
    for structure in open_database.structures.values():
        plan = plan_of(open_database, structure, open_database.version)
        assert plan is plan_of(open_database, structure, open_database.version), "compiled once"
        assert plan.operations[-1, 0] == STOP
        assert len(plan.fields) == len(plan.field_groups) == len(plan.field_kinds)
        widths = plan.fields[:, 1]
        assert ((widths > 0) & (widths <= plans.WORD_BITS)).all()
        assert (widths <= 8 << plan.fields[:, 3]).all(), "each fits its type"
        assert [column.field.index for column in plan.columns] == list(range(len(plan.columns)))
        named = [row for column in plan.columns for row in column.pieces]
        assert sorted(named) == list(range(len(plan.fields))), "each row belongs to one column"
        assert (plan.advances[1:] > 0).all(), "a record without length would repeat for ever"


def test_runs_between_counters_are_one_operation(open_database: InstrumentDatabase) -> None:
    fixed = [
        s for s in open_database.structures.values() if plan_of(open_database, s, open_database.version).layout.fixed
    ]
    for structure in fixed:
        assert plan_of(open_database, structure, open_database.version).operations[:, 0].tolist() == [SEGMENT, STOP]
    found = {
        int(code)
        for structure in open_database.structures.values()
        for code in plan_of(open_database, structure, open_database.version).operations[:, 0]
    }
    assert {LEAF, PAIRS, REPEAT} <= found


def opened(folder: Path, change: str) -> InstrumentDatabase:
    path = write_open_database(folder / "idb.sqlite")
    with sqlite3.connect(path) as connection:
        assert connection.execute(change).rowcount, "the row is there"
    return InstrumentDatabase.open(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE PCF SET PCF_WIDTH = 40, PCF_PFC = 40 WHERE PCF_NAME = 'NIX00294'", "NIX00294 cannot be a counter"),
        ("UPDATE PCF SET PCF_PTC = 4 WHERE PCF_NAME = 'NIX00294'", "NIX00294 cannot be a counter: signed"),
        ("UPDATE VPD SET VPD_OFFSET = -9999 WHERE VPD_NAME = 'NIX00293'", "move backwards"),
    ],
)
def test_what_cannot_be_compiled_says_why_each_time(tmp_path: Path, change: str, reason: str) -> None:
    database = opened(tmp_path, change)
    structure = next(kind for kind in database.structures.values() if kind.key == (21, 6, 43))
    for _ in range(2):
        with pytest.raises(UnsupportedLayout, match=reason):
            plan_of(database, structure, database.version)
    other = next(kind for kind in database.structures.values() if kind.key == (21, 6, 34))
    assert isinstance(plan_of(database, other, database.version).operations, np.ndarray)
