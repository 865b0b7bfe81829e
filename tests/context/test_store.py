"""Catalogues on disk: every source is found again, versions change with the content, files follow the HATS layout."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker_assets.context import store as module
from broker_assets.context.loading import CatalogueError, Mapped
from broker_assets.context.store import CELL, FARTHEST, LARGE, CatalogueStore
from broker_assets.sky.cells import cells_at
from broker_assets.sky.separation import separation


def write(path: Path, rows: int, seed: int = 1) -> Path:
    generator = np.random.default_rng(seed)
    table = pa.table(
        {
            "identifier": [f"S{number}" for number in range(rows)],
            "ra": np.concatenate([generator.uniform(0, 360, rows - rows // 2), generator.uniform(0, 0.2, rows // 2)]),
            "dec": np.degrees(np.arcsin(generator.uniform(-1, 1, rows))),
            "major_axis": generator.uniform(1, 150, rows),
        }
    )
    pyarrow.csv.write_csv(table, path)
    return path


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> CatalogueStore:
    folder = tmp_path_factory.mktemp("store")
    found = CatalogueStore(folder / "catalogues")
    found.add("many", write(folder / "many.csv", 40_000))
    return found


def test_what_is_said_of_a_catalogue(catalogue: CatalogueStore) -> None:
    (stored,) = catalogue.list()
    assert (stored.name, stored.rows, stored.left_out, stored.source) == ("many", 40_000, 0, "many.csv")
    known = catalogue.open("many").known()
    assert known["major_axis"] == 40_000
    assert known["redshift"] == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.floats(0, 359.999), st.floats(-90, 90)), min_size=1, max_size=5), st.booleans())
def test_everything_near_is_read(
    catalogue: CatalogueStore, positions: list[tuple[float, float]], at_source: bool
) -> None:
    opened = catalogue.open("many")
    ra, dec = (np.array(values) for values in zip(*positions, strict=True))
    every = pq.ParquetDataset(opened.folder / "dataset").read()
    all_ra, all_dec = every["ra"].to_numpy(), every["dec"].to_numpy()
    if at_source:
        ra[0], dec[0] = all_ra[int(ra[0] * 100)], all_dec[int(ra[0] * 100)]
    near = opened.near(ra, dec)
    names = near.identifier.to_pylist()
    assert len(names) == len(set(names))
    for one_ra, one_dec in zip(ra, dec, strict=True):
        inside = np.asarray(separation(one_ra, one_dec, all_ra, all_dec)) <= FARTHEST
        assert set(every["identifier"].filter(pa.array(inside)).to_pylist()) <= set(names)


def test_only_what_is_near_is_read(catalogue: CatalogueStore) -> None:
    opened = catalogue.open("many")
    every = pq.ParquetDataset(opened.folder / "dataset").read()
    # A source of the half of the sky that has few.
    place = every["identifier"].to_pylist().index("S7")
    near = opened.near(every["ra"].to_numpy()[[place]], every["dec"].to_numpy()[[place]]).identifier.to_pylist()
    assert "S7" in near
    assert len(near) < 100


def test_large_sources_are_all_there(catalogue: CatalogueStore) -> None:
    opened = catalogue.open("many")
    every = pq.ParquetDataset(opened.folder / "dataset").read()
    large = every["identifier"].filter(pa.array(every["major_axis"].to_numpy() >= LARGE)).to_pylist()
    assert large
    assert sorted(opened.large().identifier.to_pylist()) == sorted(large)


def test_the_layout_is_that_of_hats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 40)
    found = CatalogueStore(tmp_path / "catalogues")
    stored = found.add("many", write(tmp_path / "many.csv", 5_000))
    files = sorted((stored.folder / "dataset").rglob("*.parquet"))
    listed = (stored.folder / "partition_info.csv").read_text().split()
    assert len(listed) == len(files) + 1 > 2
    rows = 0
    for path in files:
        order, folder, pixel = map(int, re.findall(r"Norder=(\d+)/Dir=(\d+)/Npix=(\d+)\.parquet", str(path))[0])
        assert folder == pixel // 10_000 * 10_000
        assert f"{order},{pixel}" in listed
        part = pq.read_table(path, partitioning=None)
        cells = part[CELL].to_numpy()
        assert (np.diff(cells) >= 0).all()
        assert (cells >> (2 * (29 - order)) == pixel).all()
        assert (cells_at(part["ra"].to_numpy(), part["dec"].to_numpy(), order) == pixel).all()
        assert part.num_rows <= 40 or order == module.DEEPEST_FILE
        rows += part.num_rows
    assert rows == 5_000
    properties = dict(line.split("=", 1) for line in (stored.folder / "hats.properties").read_text().split())
    assert properties["hats_nrows"] == "5000"
    assert properties["hats_col_healpix"] == CELL
    # A catalogue in this layout can be added in turn.
    again = found.add("again", stored.folder)
    assert again.rows == 5_000


def test_a_version_is_its_content(tmp_path: Path) -> None:
    found = CatalogueStore(tmp_path / "catalogues")
    first = found.add("one", write(tmp_path / "one.csv", 100))
    assert found.add("one", tmp_path / "one.csv") == first
    opened = found.open("one")
    large = opened.large().identifier.to_pylist()
    assert large
    second = found.add("one", write(tmp_path / "one.csv", 101))
    assert second.version != first.version
    assert found.get("one") == second
    # Who has opened the version before still reads it.
    assert opened.version == first.version
    assert opened.large().identifier.to_pylist() == large
    position = pq.ParquetDataset(first.folder / "dataset").read().slice(0, 1).to_pylist()[0]
    near = opened.near(np.array([position["ra"]]), np.array([position["dec"]]))
    assert position["identifier"] in near.identifier.to_pylist()
    mapped = Mapped.parse("columns: {identifier: identifier, ra: ra, dec: dec}")
    assert found.add("one", tmp_path / "one.csv", mapped).version != second.version


def test_what_fails_changes_nothing(tmp_path: Path) -> None:
    found = CatalogueStore(tmp_path / "catalogues")
    first = found.add("one", write(tmp_path / "one.csv", 100))
    bad = tmp_path / "bad.csv"
    bad.write_text("identifier,ra,dec\na,1,100\n")
    with pytest.raises(CatalogueError, match="no source with a position"):
        found.add("one", bad)
    with pytest.raises(CatalogueError, match="there is no"):
        found.add("one", tmp_path / "absent.csv")
    with pytest.raises(CatalogueError, match="is not a name"):
        found.add("../one", bad)
    assert found.get("one") == first
    assert [path.name for path in (tmp_path / "catalogues" / "one").iterdir() if path.is_dir()] == [first.version]
    found.remove("one")
    assert found.list() == []
    with pytest.raises(CatalogueError, match="no catalogue 'one'; there are: none"):
        found.open("one")


def test_hats_itself_reads_the_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hats = pytest.importorskip("hats")
    from hats.io.validation import is_valid_catalog

    monkeypatch.setattr(module, "MOST_ROWS", 400)
    stored = CatalogueStore(tmp_path / "catalogues").add("many", write(tmp_path / "many.csv", 5_000))
    assert is_valid_catalog(stored.folder)
    read = hats.read_hats(stored.folder)
    assert (read.catalog_name, read.catalog_info.total_rows, read.catalog_info.ra_column) == ("many", 5_000, "ra")
    paths = "\n".join(map(str, stored.folder.rglob("Npix=*.parquet")))
    files = {(int(order), int(pixel)) for order, pixel in re.findall(r"Norder=(\d+)/Dir=\d+/Npix=(\d+)\.", paths)}
    assert {(pixel.order, pixel.pixel) for pixel in read.get_healpix_pixels()} == files
    assert read.schema.names[:3] == ["identifier", "ra", "dec"]
    near = read.filter_by_cone(0.1, 10.0, 600.0)
    assert 0 < len(near.get_healpix_pixels()) < len(files)
