"""Differences between versions of catalogues and of rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker_assets.context.changes import changed_searches, changed_sources, order_for, rules_of, rules_text
from broker_assets.context.rules import Rules, Search, read_rules
from broker_assets.context.store import Catalogue, CatalogueStore


def version(folder: Path, rows: pa.Table) -> Catalogue:
    pq.write_table(rows, folder / "rows.parquet")
    store = CatalogueStore(folder / "catalogues")
    store.add("some", folder / "rows.parquet")
    return store.open("some")


def rows(count: int = 3_000) -> pa.Table:
    generator = np.random.default_rng(4)
    return pa.table(
        {
            "identifier": [f"S{number}" for number in range(count)],
            "ra": generator.uniform(0, 360, count),
            "dec": np.degrees(np.arcsin(generator.uniform(-1, 1, count))),
            "redshift": pa.array(generator.uniform(0, 1, count), mask=generator.random(count) < 0.5),
        }
    )


def test_only_what_is_not_in_both_is_given(tmp_path: Path) -> None:
    table = rows()
    old = version(tmp_path, table)
    redshifts = table["redshift"].to_pylist()
    redshifts[7] = 0.5 if redshifts[7] is None else None
    changed = table.set_column(3, "redshift", pa.array(redshifts, pa.float64()))
    new_row = table.slice(0, 1).set_column(0, "identifier", [["new"]])
    changed = pa.concat_tables([changed.slice(0, 10), changed.slice(11), new_row])
    new = version(tmp_path, changed.take(np.random.default_rng(1).permutation(len(changed))))
    found = [name for part in changed_sources(old, new) for name in part.identifier.to_pylist()]
    assert sorted(found) == ["S10", "S7", "S7", "new"]
    assert list(changed_sources(new, new)) == []
    for one, other in ((None, new), (new, None)):
        assert sum(map(len, changed_sources(one, other))) == len(changed)
    assert list(changed_sources(None, None)) == []


SEARCHES = (
    Search("a", "star", 2.0, synonym="VS", stop_on_synonym=True),
    Search("b", "galaxy", 30.0, association="SN", where={"redshift": (0.0, 1.0)}),
    Search("c", "agn", 3.0, association="AGN"),
)


def test_searches_that_changed_are_named_before_and_after() -> None:
    old = Rules(SEARCHES)
    wider = replace(SEARCHES[1], radius=40.0)
    assert changed_searches(old, old) == []
    assert changed_searches(old, Rules((SEARCHES[0], wider, SEARCHES[2]))) == [SEARCHES[1], wider]
    assert changed_searches(old, Rules(SEARCHES[:2])) == [SEARCHES[2]]
    assert changed_searches(Rules(SEARCHES[1:]), old) == [SEARCHES[0]]


def test_what_concerns_everything_is_not_given_as_searches() -> None:
    old = Rules(SEARCHES)
    assert changed_searches(old, Rules(SEARCHES[::-1])) is None
    assert changed_searches(old, Rules(SEARCHES, ("b",))) is None


@pytest.mark.parametrize("rules", [Rules(SEARCHES, ("a",)), read_rules()])
def test_rules_are_read_as_they_were_written(rules: Rules) -> None:
    assert rules_of(rules_text(rules)) == rules
    assert rules_of(rules_text(rules)).version == rules.version


def test_cells_are_wide_enough() -> None:
    assert [order_for(radius) for radius in (1.0, 240.0, 36_000.0)] == [9, 8, 1]
