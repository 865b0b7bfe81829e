"""Catalogues that stay open: the same associations whether in memory or read, and the version that is in force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker_assets.context import in_force as module
from broker_assets.context.in_force import CatalogueDamagedError, CataloguesInForce
from broker_assets.context.rules import RulesError
from broker_assets.context.store import CatalogueStore

RULES = """
searches:
  - {catalogue: stars, kind: star, radius: 7, synonym_radius: 3, synonym: VS, association: BS, accuracy: 1}
  - {catalogue: galaxies, kind: galaxy, radius: 60, synonym: NT, association: SN, kiloparsecs: 50, accuracy: 2}
  - {catalogue: galaxies, kind: galaxy, radius: 1800, synonym: NT, association: SN, within_axis: true,
     where: {major_axis: [120, 1.0e+6]}, accuracy: 2}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two catalogues in a small field; some stars move."""
    generator = np.random.default_rng(5)
    store = CatalogueStore(tmp_path / "catalogues")
    count = 4_000
    for name in ("stars", "galaxies"):
        moves = generator.random(count) < 0.1
        table = pa.table(
            {
                "identifier": [f"{name}{number}" for number in range(count)],
                "ra": generator.uniform(0, 2, count) % 360.0,
                "dec": generator.uniform(-1, 1, count),
                "epoch": np.full(count, 2016.0),
                "pmra": np.where(moves, 900.0, np.nan) if name == "stars" else np.full(count, np.nan),
                "pmdec": np.where(moves, -900.0, np.nan) if name == "stars" else np.full(count, np.nan),
                "redshift": np.full(count, 0.02),
                "major_axis": generator.uniform(5, 300, count),
            }
        )
        path = tmp_path / f"{name}.parquet"
        pq.write_table(table, path)
        store.add(name, path)
    (tmp_path / "rules.yaml").write_text(RULES)
    return tmp_path


def opened(folder: Path) -> CataloguesInForce:
    return CataloguesInForce(folder / "catalogues", folder / "rules.yaml")


def positions(number: int = 500) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(6)
    epoch = generator.choice([2025.9, 2026.0, 2026.11], number)
    return generator.uniform(0, 2, number), generator.uniform(-1, 1, number), epoch


def test_in_memory_or_read_is_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = positions()
    memory = opened(folder).opened().associate(*where)
    monkeypatch.setattr(module, "RESIDENT_ROWS", 0)
    read = opened(folder).opened().associate(*where)
    assert memory.num_rows == 500
    assert {"SN", "VS", "BS"} <= set(memory["classification"].to_pylist())
    assert memory.equals(read)


def test_the_result_of_a_position_does_not_depend_on_the_others(folder: Path) -> None:
    where = positions()
    found = opened(folder).opened()
    whole = found.associate(*where)
    for rows in (np.arange(0, 500, 7), np.arange(499, 0, -11), np.zeros(0, np.int64)):
        assert found.associate(*(values[rows] for values in where)).equals(whole.take(pa.array(rows)))


def test_orphans_have_a_class_and_a_sentence(folder: Path) -> None:
    found = opened(folder).opened().associate(np.array([200.0]), np.array([50.0]), np.array([2026.0]))
    (row,) = found.to_pylist()
    assert {name for name, value in row.items() if value is not None} == {"classification", "description"}
    assert row["classification"] == "ORPHAN"


def test_a_small_footprint_is_read_and_a_large_one_taken_into_memory(folder: Path) -> None:
    found = opened(folder).opened()
    found.associate(np.array([200.0]), np.array([50.0]), np.array([2026.0]))
    assert found._resident == {}
    found.associate(*positions())
    assert set(found._resident) == {"stars", "galaxies"}


def test_a_new_version_is_in_force_at_once_and_the_others_stay_open(folder: Path) -> None:
    catalogues = opened(folder)
    before = catalogues.opened()
    assert catalogues.opened() is before
    before.associate(*positions())
    path = folder / "new.csv"
    path.write_text("identifier,ra,dec\nnew,200.0,50.0\n")
    CatalogueStore(folder / "catalogues").add("stars", path)
    after = catalogues.opened()
    assert after.versions["stars"] != before.versions["stars"]
    assert after.catalogues["galaxies"] is before.catalogues["galaxies"]
    assert set(after._resident) == {"galaxies"}
    found = after.associate(np.array([200.0]), np.array([50.0]), np.array([2026.0]))
    assert found["catalogue_object_id"].to_pylist() == ["new"]
    CatalogueStore(folder / "catalogues").remove("stars")
    assert set(catalogues.opened().versions) == set(catalogues.versions()) == {"galaxies"}


def test_rules_are_read_again_and_damaged_ones_are_not_taken_over(folder: Path) -> None:
    catalogues = opened(folder)
    first = catalogues.rules
    (folder / "rules.yaml").write_text(RULES.replace("radius: 60", "radius: 61.5"))
    second = catalogues.rules
    assert second.version != first.version
    assert catalogues.opened().rules == second
    (folder / "rules.yaml").write_text("searches: 5")
    assert catalogues.rules == second
    with pytest.raises(RulesError, match=r"rules\.yaml"):
        _ = opened(folder).rules


def test_a_damaged_catalogue_is_named_as_a_fault_of_the_machine(folder: Path) -> None:
    catalogues = opened(folder)
    for path in (folder / "catalogues" / "stars").rglob("Npix=*.parquet"):
        path.write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(CatalogueDamagedError, match="cannot be read"):
        catalogues.opened()
