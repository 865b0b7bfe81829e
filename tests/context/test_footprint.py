"""What is read near positions gives the same associations as whole catalogues."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker_assets.context.association import Index
from broker_assets.context.catalogue import Sources
from broker_assets.context.description import published
from broker_assets.context.footprint import sources_near
from broker_assets.context.merging import merged
from broker_assets.context.rules import Rules, RulesError, Search, read_rules
from broker_assets.context.store import CatalogueStore

RULES = read_rules()


def test_near_sources_give_what_whole_catalogues_give(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    store = CatalogueStore(tmp_path / "catalogues")
    whole = {}
    for name in ("ned_d", "galaxies", "vsx"):
        count = 3_000
        table = pa.table(
            {
                "identifier": [f"{name}{number}" for number in range(count)],
                "ra": generator.uniform(0, 5, count),
                "dec": generator.uniform(-2, 2, count),
                "redshift": generator.uniform(0.001, 0.05, count),
                "distance": np.where(generator.random(count) < 0.3, generator.uniform(1, 30, count), np.nan),
                "major_axis": generator.uniform(5, 3_000, count),
            }
        )
        pq.write_table(table, tmp_path / f"{name}.parquet")
        store.add(name, tmp_path / f"{name}.parquet")
        whole[name] = Sources.of(table)
    ra, dec = generator.uniform(0, 5, 400), generator.uniform(-2, 2, 400)
    opened = {name: store.open(name) for name in whole}
    near = sources_near(RULES, opened, ra, dec, epoch=2026.0)
    assert len(near["vsx"]) < 3_000
    rows = [
        published(merged(Index(RULES, given).matches(ra, dec), RULES)).sort_by(
            [("position", "ascending"), ("rank", "ascending"), ("catalogue_object_id", "ascending")]
        )
        for given in (near, whole)
    ]
    assert rows[0].num_rows > 400
    assert rows[0].equals(rows[1])


def test_a_search_that_goes_too_far_is_refused(tmp_path: Path) -> None:
    store = CatalogueStore(tmp_path)
    pq.write_table(pa.table({"identifier": ["a"], "ra": [1.0], "dec": [2.0]}), tmp_path / "a.parquet")
    store.add("a", tmp_path / "a.parquet")
    rules = Rules((Search("a", "galaxy", 500.0, association="SN"),))
    with pytest.raises(RulesError, match="goes 500 arcseconds far"):
        sources_near(rules, {"a": store.open("a")}, np.array([1.0]), np.array([2.0]), epoch=2026.0)
