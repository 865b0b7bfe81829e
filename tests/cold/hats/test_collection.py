"""A catalogue that nights bring up to date is that of all nights at once, and readers of HATS take it."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import cdshealpix
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from broker_assets.cold.hats.collection import MARGIN, NAME, Version, latest, update
from broker_assets.cold.hats.rows import CELL, SCHEMA
from broker_assets.cold.hats.tiles import MARGIN_ARCSEC

OBJECTS = 120
MOST = 30


def night(random: np.random.Generator, number: int, day: int) -> pa.Table:
    """Objects of a night: in a strip over several tiles, each with a light curve that grows with the days."""
    identifiers = np.sort(random.choice(OBJECTS, number, replace=False)).astype(np.int64)
    # Where an object is follows from its number; it moves by less than an arcsecond.
    ra = np.mod(359.7 + identifiers * 0.005 + random.normal(0, 1e-4, number), 360.0)
    decl = np.sin(identifiers * 0.7) * 0.5 + random.normal(0, 1e-4, number)
    cells = cdshealpix.lonlat_to_healpix(*_angles(ra, decl), 29).astype(np.int64)
    mjd = [list(60000.0 + np.arange(day + 1)) for _ in identifiers]
    points = {"midpointmjdtai": mjd, "band": [["g"] * len(one) for one in mjd]}
    columns: dict[str, Any] = {
        CELL: cells, "diaobjectid": identifiers, "ra": ra, "decl": decl,
        "lastdiasourcemjdtai": np.full(number, 60000.0 + day),
        "lightcurve": [
            {"midpointmjdtai": one, "band": band, "psfflux": one, "psffluxerr": one,
             "diasourceid": [int(value) for value in one], "reliability": one}
            for one, band in zip(points["midpointmjdtai"], points["band"], strict=True)
        ],
        "forced": [{"midpointmjdtai": one, "band": ["r"] * len(one), "psfflux": one, "psffluxerr": one} for one in mjd],
    }  # fmt: skip
    return pa.table({item.name: pa.array(columns.get(item.name, [None] * number), item.type) for item in SCHEMA})


def _angles(ra: Any, decl: Any) -> tuple[Any, Any]:
    import astropy.units as u
    from astropy.coordinates import Latitude, Longitude

    return Longitude(ra, u.deg), Latitude(decl, u.deg)


def file_of(folder: UPath, version: Version, name: str, tile: tuple[int, int]) -> str:
    """The file of a tile."""
    order, pixel = tile
    parts = (name, "dataset", f"Norder={order}", f"Dir={pixel // 10000 * 10000}", f"Npix={pixel}.parquet")
    return str((folder / version.name).joinpath(*parts).path)


def content(folder: UPath, version: Version, name: str) -> dict[tuple[int, int], list[int]]:
    """Objects of each tile."""
    tiles = version.rows if name == NAME else version.margins
    found = {}
    for order, pixel in tiles:
        table = pq.read_table(file_of(folder, version, name, (order, pixel)))
        assert table[CELL].to_numpy().tolist() == sorted(table[CELL].to_numpy())
        assert table.num_rows == tiles[order, pixel]
        found[order, pixel] = sorted(table["diaobjectid"].to_pylist())
    return found


def separation(one: pa.Table, other: pa.Table) -> np.ndarray[Any, Any]:
    """Arcseconds between the positions of both, near the equator."""
    ra = np.mod(one["ra"].to_numpy()[:, None] - other["ra"].to_numpy()[None] + 180.0, 360.0) - 180.0
    return np.asarray(np.hypot(ra, one["decl"].to_numpy()[:, None] - other["decl"].to_numpy()[None]) * 3600.0)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> tuple[UPath, Version, pa.Table]:
    """A catalogue of five nights, and the rows that it should have."""
    folder = UPath(tmp_path_factory.mktemp("hats"))
    random = np.random.default_rng(4)
    newest: dict[int, Any] = {}
    for place, day in enumerate((1, 0, 2, 4, 3)):
        rows = night(random, 40 + 15 * place, day)
        version = update(folder, rows, f"night-{day}", most_rows=MOST)
        for row in rows.to_pylist():
            before = newest.get(row["diaobjectid"])
            if before is not None and before["lastdiasourcemjdtai"] > row["lastdiasourcemjdtai"]:
                # The row stays; its points are read again.
                row = before | {name: row[name] for name in ("lightcurve", "forced")}
            newest[row["diaobjectid"]] = row
    return folder, version, pa.Table.from_pylist([newest[key] for key in sorted(newest)], SCHEMA)


def test_nights_give_what_one_writing_gives(catalogue: tuple[UPath, Version, pa.Table], tmp_path: Path) -> None:
    folder, version, rows = catalogue
    assert latest(folder) == version
    whole = update(UPath(tmp_path), rows, "whole", most_rows=MOST)
    assert version.total == whole.total == rows.num_rows
    assert max(version.rows.values()) <= MOST
    tables = [pq.read_table(file_of(folder, version, NAME, tile)) for tile in version.rows]
    found = pa.concat_tables([table.select(SCHEMA.names).cast(SCHEMA) for table in tables]).sort_by("diaobjectid")
    assert found.to_pylist() == rows.to_pylist()


def test_a_part_of_a_dense_field_gets_its_first_object_later(tmp_path: Path) -> None:
    """Its tile is as small as those next to it: one that overlaps them would lose their objects, or its own."""
    folder, field = UPath(tmp_path), 300_000  # a cell of order 8, of which three quarters are full

    def objects(first: int, cells: list[int]) -> pa.Table:
        rows = night(np.random.default_rng(1), len(cells), first)
        names = pa.array(np.arange(first, first + len(cells)))
        found = rows.set_column(rows.column_names.index("diaobjectid"), "diaobjectid", names)
        return found.set_column(rows.column_names.index(CELL), CELL, pa.array(cells, pa.int64()))

    full = [((field << 2) + quarter << 40) + (number << 34) for quarter in range(3) for number in range(12)]
    last = (field << 2) + 3 << 40
    expected = list(range(36))
    version = update(folder, objects(0, full), "night-0", most_rows=MOST)
    assert {order for order, _ in version.rows} == {9}
    for place, more in enumerate(([last], [last + (1 << 36)], [last + (9 << 34)], [full[0] + 1])):
        version = update(folder, objects(36 + place, more), f"night-{place + 1}", most_rows=MOST)
        expected.append(36 + place)
        found = content(folder, version, NAME)
        assert sorted(one for members in found.values() for one in members) == expected
        ends = [(pixel << 2 * (29 - order), (pixel + 1) << 2 * (29 - order)) for order, pixel in version.rows]
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(sorted(ends))), version.rows


def test_margins_have_all_that_is_near(catalogue: tuple[UPath, Version, pa.Table]) -> None:
    """Brute force: every row within the margin of a row of a tile that is on the other side of the edge."""
    folder, version, rows = catalogue
    own, margins = content(folder, version, NAME), content(folder, version, MARGIN)
    tile_of = {identifier: tile for tile, members in own.items() for identifier in members}
    near = np.argwhere(separation(rows, rows) <= MARGIN_ARCSEC)
    identifiers = rows["diaobjectid"].to_pylist()
    crossing = 0
    for one, other in near.tolist():
        here, there = tile_of[identifiers[one]], tile_of[identifiers[other]]
        if here != there:
            crossing += 1
            assert identifiers[other] in margins[here]
    assert all(not set(members) & set(own[tile]) for tile, members in margins.items() if tile in own)
    assert all(len(members) == len(set(members)) for members in margins.values())
    assert set(margins) <= set(own)


def test_readers_of_hats_take_it(catalogue: tuple[UPath, Version, pa.Table]) -> None:
    """LSDB validates it, finds a cone of it, and matches it with itself across tiles; light curves are nested."""
    lsdb, dask = pytest.importorskip("lsdb"), pytest.importorskip("dask")
    from hats.io.validation import is_valid_catalog

    folder, version, rows = catalogue
    place = (folder / version.name).path
    assert is_valid_catalog(place, strict=True)
    dask.config.set(scheduler="synchronous")
    opened = lsdb.open_catalog(place)
    assert opened.margin is not None
    cone = opened.cone_search(ra=0.0, dec=0.0, radius_arcsec=1300.0).compute()
    here = pa.Table.from_pydict({"ra": [0.0], "decl": [0.0]})
    expected = np.array(rows["diaobjectid"].to_pylist())[separation(rows, here)[:, 0] <= 1300.0]
    assert sorted(cone["diaobjectid"]) == sorted(expected.tolist())
    assert len(expected) > 3
    curve = cone["lightcurve"].iloc[0]
    assert curve["midpointmjdtai"].iloc[0] == 60000.0
    pairs = opened.crossmatch(opened, radius_arcsec=1.0, suffixes=("_a", "_b")).compute()
    assert sorted(pairs["diaobjectid_a"]) == sorted(rows["diaobjectid"].to_pylist())
    assert (pairs["diaobjectid_a"] == pairs["diaobjectid_b"]).all()


def test_topcat_reads_the_files(catalogue: tuple[UPath, Version, pa.Table], tmp_path: Path) -> None:
    stilts = shutil.which("stilts")
    if stilts is None:
        pytest.skip("stilts is not installed: apt-get install stilts")
    folder, version, _ = catalogue
    tile, number = next(iter(version.rows.items()))
    path = file_of(folder, version, NAME, tile)
    target = tmp_path / "out.csv"
    command = [
        stilts,
        "tpipe",
        f"in={path}",
        "ifmt=parquet",
        "cmd=keepcols 'diaobjectid ra decl'",
        f"out={target}",
    ]
    done = subprocess.run(command, capture_output=True, timeout=120, text=True)
    if "No table handler available for parquet" in done.stderr:
        pytest.skip("this stilts has no reader of Parquet; that of the Starlink project has")
    assert done.returncode == 0, done.stderr
    assert len(target.read_text().splitlines()) == number + 1
