"""`broker-assets context`, as a user calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from broker_assets.commands.context import app
from broker_assets.context.store import CatalogueStore
from broker_assets.settings import load_settings

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("BROKER_HOME", str(tmp_path / "home"))
    load_settings.cache_clear()
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_a_position(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "galaxies.csv"
    path.write_text("identifier,ra,dec,redshift\nNGC 1,10.0,20.0,0.1\nNGC 2,10.005,20.0,0.1\n")
    CatalogueStore(load_settings().catalogue_folder).add("sdss_spec", path)
    for position in (("10.0", "20.0014"), ("00:40:00", "+20:00:05.04")):
        found = run(*position)
        assert found.exit_code == 0, found.output
        answer = json.loads(found.output)
        assert answer["classification"] == "SN"
        (row,) = answer["crossmatches"]
        assert row["catalogue_object_id"] == "NGC 1"
        assert answer["description"] == row["description"]
        assert list(answer["catalogues"]) == ["sdss_spec"]
    assert [row["rank"] for row in json.loads(run("--all", "10.0", "20.0014").output)["crossmatches"]] == [1, 2]
    for south in (("200", "-20"), ("200", "--", "-20"), ("--all", "13:20:00", "-20:00:00", "--epoch", "2016")):
        orphan = json.loads(run(*south).output)
        assert (orphan["dec"], orphan["classification"], orphan["crossmatches"]) == (-20.0, "ORPHAN", [])


def test_a_star_is_looked_for_where_it_has_moved(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "stars.csv"
    path.write_text("identifier,ra,dec,epoch,pmra,pmdec\nfast,10.0,20.0,2016.0,0,10000\n")
    CatalogueStore(load_settings().catalogue_folder).add("gaia_high_proper_motion", path)
    moved = f"{20 + 100 / 3600:.6f}"
    assert json.loads(run("10.0", moved, "--epoch", "2026").output)["classification"] == "HPMS"
    assert json.loads(run("10.0", moved, "--epoch", "2016").output)["classification"] == "ORPHAN"


def test_catalogues_that_no_rule_searches_say_nothing(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("identifier,ra,dec\na,10.0,20.0\n")
    CatalogueStore(load_settings().catalogue_folder).add("mine", path)
    found = run("10.0", "20.0")
    assert found.exit_code == 2
    assert "no rule searches mine" in found.output


@pytest.mark.parametrize(
    ("position", "says"),
    [
        (("10", "95"), "is outside [-90, 90]"),
        (("1000", "5"), "is outside [-360, 360]"),
        (("10", "5", "--epoch", "57000"), "--epoch"),
        (("ten", "5"), "ten"),
        (("10", "5"), "no catalogue is loaded"),
        (("10", "-5", "--al"), "--al"),
    ],
)
def test_what_is_wrong_is_said(run: Run, position: tuple[str, str], says: str) -> None:
    found = run(*position)
    assert found.exit_code == 2
    assert says in found.output
