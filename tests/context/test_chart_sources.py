"""What a finding chart shows of catalogues."""

from __future__ import annotations

from pathlib import Path

from broker_assets.context.chart_sources import sources_around
from broker_assets.context.store import CatalogueStore


def test_sources_around_a_position(tmp_path: Path) -> None:
    assert sources_around(tmp_path / "none", 10.0, -5.0, 60.0) == []
    stars = tmp_path / "stars.csv"
    stars.write_text(
        "identifier,ra,dec,magnitude\nfar,10.05,-5,14\nnear,10.001,-5,15.5\nedge,359.9999,89.999,\nnext,10,-5.002,\n"
    )
    CatalogueStore(tmp_path / "catalogues").add("stars", stars)
    found = sources_around(tmp_path / "catalogues", 10.0, -5.0, 60.0)
    assert [(one.identifier, one.magnitude, round(one.arcsec, 1)) for one in found] == [
        ("near", 15.5, 3.6), ("next", None, 7.2),
    ]  # fmt: skip
    assert [one.identifier for one in sources_around(tmp_path / "catalogues", 180.0, 89.9999, 10.0)] == ["edge"]
    assert len(sources_around(tmp_path / "catalogues", 10.0, -5.0, 60.0, most=1)) == 1
