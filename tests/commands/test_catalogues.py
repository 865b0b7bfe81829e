"""`broker-assets catalogues`, as a user calls it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from broker_assets.commands.catalogues import app
from broker_assets.settings import load_settings

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("BROKER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "300")
    load_settings.cache_clear()
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)))


def test_a_catalogue_from_its_file_to_its_end(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "stars.csv"
    path.write_text("name,a,d,V\nVega,279.2347,38.7837,0.03\nnowhere,,,5\n")
    mapping = tmp_path / "stars.yaml"
    mapping.write_text("columns: {identifier: name, ra: a, dec: d, magnitude: V, band: {value: V}}")
    added = run("add", "vsx", path, "--mapping", mapping)
    assert added.exit_code == 0, added.output
    assert "vsx: 1 sources, 1 rows without a position left out" in added.output
    assert "No rule searches" not in added.output
    listed = run("list").output
    assert "stars.csv" in listed
    absent = listed.split("Not loaded, so that their searches find nothing:")[1]
    assert "gaia" in absent
    assert "vsx," not in absent
    shown = run("show", "vsx").output
    assert "magnitude" in shown
    assert "redshift" not in shown
    assert run("remove", "vsx").exit_code == 0
    assert "there is no catalogue 'vsx'" in run("remove", "vsx").output


def test_what_is_wrong_is_said(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "stars.csv"
    path.write_text("name,a,d\nVega,279.2347,38.7837\n")
    refused = run("add", "mine", path)
    assert refused.exit_code == 2
    assert "identifier" in refused.output
    path.write_text("identifier,ra,dec\nVega,279.2347,38.7837\n")
    assert "No rule searches mine yet" in run("add", "mine", path).output


def test_the_standard_columns_are_listed(run: Run) -> None:
    assert "mas/yr" in run("columns").output


def test_default_catalogues_from_wheels_at_hand(run: Run, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    with zipfile.ZipFile(wheels / "fink_science-9.1-py3-none-any.whl", "w") as wheel:
        buffer = io.BytesIO()
        pq.write_table(pa.table({"ra": [1.0], "dec": [2.0], "VarType": ["M"]}), buffer)
        wheel.writestr("fink_science/data/catalogs/gcvs.parquet", buffer.getvalue())
    found = run("default", "gcvs", "ngc", "--wheels", wheels)
    assert found.exit_code == 1
    assert "gcvs: 1 sources, version" in found.output
    assert "General Catalogue of Variable Stars" in found.output
    assert "ngc is left out: " in found.output
    again = run("default", "gcvs", "--wheels", wheels)
    assert again.exit_code == 0
    assert "gcvs is loaded already" in again.output
    assert run("default", "hubble").exit_code == 2
