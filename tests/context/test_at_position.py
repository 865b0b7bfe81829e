"""What a single position is near to."""

from __future__ import annotations

from pathlib import Path

from broker_assets.context.at_position import context_at
from broker_assets.context.rules import DEFAULT, read_rules
from broker_assets.context.store import CatalogueStore


def test_all_associations_by_rank_and_the_class_of_the_best(tmp_path: Path) -> None:
    path = tmp_path / "galaxies.csv"
    path.write_text("identifier,ra,dec,redshift\nNGC 2,10.005,20.0,0.1\nNGC 1,10.0,20.0,0.1\n")
    store = CatalogueStore(tmp_path / "catalogues")
    store.add("sdss_spec", path)
    rules, opened = read_rules(DEFAULT), {"sdss_spec": store.open("sdss_spec")}
    found = context_at(rules, opened, 10.0, 20.0014, epoch=2026.0)
    assert found.classification == "SN"
    assert [(row["rank"], row["catalogue_object_id"]) for row in found.crossmatches] == [(1, "NGC 1"), (2, "NGC 2")]
    assert found.description == found.crossmatches[0]["description"]
    nothing = context_at(rules, opened, 200.0, -20.0, epoch=2026.0)
    assert (nothing.classification, nothing.crossmatches) == ("ORPHAN", [])
    assert nothing.description
