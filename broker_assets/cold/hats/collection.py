"""Writes a catalogue and its margins as a collection of HATS; a night changes the tiles that have its objects.

A version is a folder of its own, complete before the pointer names it. Files of tiles that a night does not change are
taken over from the previous version: as hard links in a local folder, or as copies that the store itself makes.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from upath import UPath

from broker_assets.cold.hats.rows import CELL, SCHEMA
from broker_assets.cold.hats.tiles import COARSEST, DEEPEST, FINEST, MARGIN_ARCSEC, Tiles, divide
from broker_assets.storage.objects import local_path, store

CODE_VERSION: Final = "1"
NAME: Final = "objects"
MARGIN: Final = f"{NAME}_{MARGIN_ARCSEC:.0f}arcs"
POINTER: Final = "latest.json"
MOST_ROWS: Final = 100_000
"""Objects of a tile, at most; with their light curves some 100 MB."""
GROUP_ROWS: Final = 10_000
_TIME: Final = "lastdiasourcemjdtai"

Tile = tuple[int, int]


@dataclass(frozen=True)
class Version:
    """A version of the catalogue."""

    name: str
    rows: dict[Tile, int]
    """Rows of each tile."""
    margins: dict[Tile, int] = field(default_factory=dict)
    """Rows in the margin of each tile that has some."""

    @property
    def total(self) -> int:
        """Rows of the catalogue."""
        return sum(self.rows.values())


def latest(folder: UPath) -> Version | None:
    """The newest version in a folder; None if there is none."""
    try:
        said = json.loads((folder / POINTER).read_bytes())
    except FileNotFoundError:
        return None
    rows, margins = ({(o, p): n for o, p, n in said[name]} for name in ("rows", "margins"))
    return Version(said["version"], rows, margins)


def update(folder: UPath, rows: pa.Table, name: str, *, most_rows: int = MOST_ROWS) -> Version:
    """Update the catalogue with the objects of a night.

    Parameters
    ----------
    folder : UPath
        Folder of the versions.
    rows : Table
        `rows.SCHEMA`; an object for which the catalogue has a newer alert keeps that row, with the new light curve.
    name : str
        Name of the new version; an existing one is written again.
    most_rows : int
        Objects of a tile, at most.

    Returns
    -------
    Version
        The new version, which readers find from now on.
    """
    old = latest(folder) or Version("", {})
    writer = _Writer(folder, old, name)
    new = writer.write(rows, most_rows)
    store(folder / POINTER, json.dumps(_said(new)))
    return new


def remove_old(folder: UPath, newest: Version, *, keep: int = 1) -> list[str]:
    """Remove versions except the newest and some before it, which readers may still have open; return their names."""
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name != newest.name)
    by_time = sorted(names, key=lambda name: name.rpartition("-")[2])
    gone = by_time[: max(len(by_time) - keep, 0)]
    for name in gone:
        folder.fs.rm((folder / name).path, recursive=True)
    return gone


class _Writer:
    """A version that is being written."""

    def __init__(self, folder: UPath, old: Version, name: str) -> None:
        self._old = old
        self._from, self._to = folder / old.name, folder / name
        self._name = name

    def write(self, rows: pa.Table, most_rows: int) -> Version:
        tiles = Tiles.of(set(self._old.rows))
        changed = self._changed(tiles, rows[CELL].to_numpy())
        content = self._merged(changed, rows)
        kept = {tile: number for tile, number in self._old.rows.items() if tile not in changed}
        written: dict[Tile, pa.Table] = {}
        for tile, table in content.items():
            table = table.take(pc.sort_indices(table, [(CELL, "ascending"), ("diaobjectid", "ascending")]))
            for part, chosen in divide(table[CELL].to_numpy(), tile, most_rows):
                written[part] = table.slice(chosen.start, chosen.stop - chosen.start)
        for tile in kept:
            self._take_over(f"{NAME}/{_path(tile)}")
        for tile, table in written.items():
            self._put(f"{NAME}/{_path(tile)}", table)
        numbers = kept | {tile: table.num_rows for tile, table in written.items()}
        margins = self._margins(Tiles.of(set(numbers)), changed, written)
        new = Version(self._name, numbers, margins)
        self._describe(new)
        return new

    def _changed(self, tiles: Tiles, cells: np.ndarray[Any, np.dtype[np.int64]]) -> set[Tile]:
        """Tiles of the rows and their neighbours, since an object may have been on the other side of an edge before."""
        own = tiles.find(cells)
        found = {tiles.pair(number) for number in np.unique(own[own >= 0]).tolist()}
        found |= {tiles.pair(number) for number in np.unique(tiles.near(cells)[1]).tolist()}
        # The margin of a new tile has rows of all tiles around it.
        fresh = _new_tiles(tiles, cells[own < 0])
        return found | {tile for one in fresh for tile in tiles.around(one)}

    def _merged(self, changed: set[Tile], rows: pa.Table) -> dict[Tile, pa.Table]:
        """Rows of the changed tiles, and of new tiles where there were none."""
        parts = [rows, *(self._read(f"{NAME}/{_path(tile)}") for tile in sorted(changed))]
        whole = _newest(pa.concat_tables(parts), rows.num_rows)
        cells = whole[CELL].to_numpy()
        tiles = Tiles.of(set(changed))
        place = tiles.find(cells)
        found: dict[Tile, pa.Table] = {}
        for number in np.unique(place[place >= 0]).tolist():
            found[tiles.pair(number)] = whole.filter(pa.array(place == number))
        fresh = whole.filter(pa.array(place < 0))
        every = Tiles.of(set(self._old.rows))
        for tile in _new_tiles(every, fresh[CELL].to_numpy()):
            inside = (fresh[CELL].to_numpy() >> (2 * (FINEST - tile[0]))) == tile[1]
            found[tile] = fresh.filter(pa.array(inside))
        return found

    def _margins(self, tiles: Tiles, changed: set[Tile], written: Mapping[Tile, pa.Table]) -> dict[Tile, int]:
        """Margins of all tiles: rows of changed tiles that are near others, and the earlier rows of unchanged tiles."""
        gone = Tiles.of(changed)
        parts: dict[Tile, list[pa.Table]] = {}
        touched = set(written)
        for table in written.values():
            rows, near = tiles.near(table[CELL].to_numpy())
            for number in np.unique(near).tolist():
                parts.setdefault(tiles.pair(number), []).append(table.take(pa.array(rows[near == number])))
                touched.add(tiles.pair(number))
        identifiers = pa.concat_arrays([c for table in written.values() for c in table["diaobjectid"].chunks])
        for tile in self._old.margins:
            stays = tile not in changed and tile not in touched
            before = None if stays else self._read(f"{MARGIN}/{_path(tile)}")
            if before is None:
                before = self._read(f"{MARGIN}/{_path(tile)}", columns=[CELL, "diaobjectid"])
                outdated = _of(before, gone, identifiers)
                if not outdated.any():
                    self._take_over(f"{MARGIN}/{_path(tile)}")
                    parts.setdefault(tile, [])
                    continue
                before = self._read(f"{MARGIN}/{_path(tile)}")
            rest = before.filter(pa.array(~_of(before, gone, identifiers)))
            # If a tile was divided, its margin goes to its parts.
            rows, near = tiles.near(rest[CELL].to_numpy())
            for number in np.unique(near).tolist():
                pair = tiles.pair(number)
                if pair == tile or _inside(pair, tile):
                    parts.setdefault(pair, []).append(rest.take(pa.array(rows[near == number])))
        counts = {}
        for tile, tables in parts.items():
            if not tables:
                counts[tile] = self._old.margins[tile]
                continue
            table = pa.concat_tables(tables)
            if table.num_rows:
                order = pc.sort_indices(table, [(CELL, "ascending"), ("diaobjectid", "ascending")])
                self._put(f"{MARGIN}/{_path(tile)}", table.take(order))
                counts[tile] = table.num_rows
        return counts

    def _describe(self, new: Version) -> None:
        """Properties and lists of tiles of the collection and its two catalogues."""
        orders = [order for order, _ in new.rows] or [0]
        common = {
            "hats_col_ra": "ra", "hats_col_dec": "decl", "hats_col_healpix": CELL, "hats_col_healpix_order": FINEST,
            "hats_npix_suffix": ".parquet", "hats_order": max(orders), "hats_version": "v1.0",
            "hats_builder": "broker_assets", "hats_release_date": new.name,
        }  # fmt: skip
        own = {"obs_collection": NAME, "dataproduct_type": "object", "hats_nrows": new.total}
        margin = {
            "obs_collection": MARGIN, "dataproduct_type": "margin", "hats_nrows": sum(new.margins.values()),
            "hats_primary_table_url": NAME, "hats_margin_threshold": MARGIN_ARCSEC,
        }  # fmt: skip
        for name, said, tiles in ((NAME, own, new.rows), (MARGIN, margin, new.margins)):
            text = "".join(f"{key}={value}\n" for key, value in {**said, **common}.items())
            for file in ("hats.properties", "properties"):
                store(self._to / name / file, text)
            listed = "".join(f"{order},{pixel}\n" for order, pixel in sorted(tiles))
            store(self._to / name / "partition_info.csv", f"Norder,Npix\n{listed}")
            schema = io.BytesIO()
            pq.write_metadata(SCHEMA, schema)
            store(self._to / name / "dataset" / "_common_metadata", schema.getvalue())
        collection = {
            "obs_collection": NAME, "hats_primary_table_url": NAME, "all_margins": MARGIN, "default_margin": MARGIN,
        }  # fmt: skip
        store(self._to / "collection.properties", "".join(f"{key}={value}\n" for key, value in collection.items()))

    def _read(self, name: str, columns: list[str] | None = None) -> pa.Table:
        path = self._from / name
        return pq.read_table(io.BytesIO(path.read_bytes()), columns=columns)

    def _put(self, name: str, table: pa.Table) -> None:
        content = io.BytesIO()
        pq.write_table(table.cast(SCHEMA), content, row_group_size=GROUP_ROWS, compression="zstd")
        store(self._to / name, content.getvalue())

    def _take_over(self, name: str) -> None:
        """Take over a file of the previous version, without reading it."""
        here, there = local_path(self._from / name), local_path(self._to / name)
        if here is not None and there is not None:
            there.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.link(here, there)
            return
        files = self._to.fs
        files.cp_file((self._from / name).path, (self._to / name).path)


def _newest(rows: pa.Table, given: int) -> pa.Table:
    """One row per object, the one with the newest alert; light curves are from the given rows, which come first."""
    identifiers = rows["diaobjectid"].to_numpy()
    times = np.nan_to_num(rows[_TIME].to_numpy().astype(np.float64), nan=-np.inf)
    order = np.lexsort((np.arange(len(times)), -times, identifiers))
    ordered = identifiers[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, bool)
    newest = rows.take(pa.array(order[first]))
    # If an older night is written after a newer one, the row stays, but with the points that were read now.
    fresh = np.full(newest.num_rows, -1, np.int64)
    known = identifiers[:given]
    by = np.argsort(known)
    wanted = newest["diaobjectid"].to_numpy()
    if given:
        at = np.minimum(np.searchsorted(known[by], wanted), given - 1)
        fresh = np.where(known[by][at] == wanted, by[at], order[first])
        for name in ("lightcurve", "forced"):
            place = newest.schema.get_field_index(name)
            newest = newest.set_column(place, newest.schema.field(place), rows[name].take(pa.array(fresh)))
    return newest


def _new_tiles(tiles: Tiles, cells: np.ndarray[Any, np.dtype[np.int64]]) -> list[Tile]:
    """Tiles for cells that are in no tile, as large as the other tiles allow, which may be as small as there are."""
    found: list[Tile] = []
    left = np.unique(cells >> (2 * (FINEST - DEEPEST)))
    begins = np.sort(tiles.pixels << (2 * (FINEST - tiles.orders)))
    for order in range(COARSEST, DEEPEST + 1):
        pixels, own = np.unique(left >> (2 * (DEEPEST - order)), return_inverse=True)
        low, high = (begin << (2 * (FINEST - order)) for begin in (pixels, pixels + 1))
        occupied = np.searchsorted(begins, low) < np.searchsorted(begins, high)
        found += [(order, int(pixel)) for pixel in pixels[~occupied]]
        left = left[occupied[own]]
    return sorted(found)


def _of(rows: pa.Table, gone: Tiles, identifiers: pa.Array) -> Any:
    """Which rows belong to tiles that are written again, or to objects that are now in them."""
    return (gone.find(rows[CELL].to_numpy()) >= 0) | np.asarray(pc.is_in(rows["diaobjectid"], value_set=identifiers))


def _inside(tile: Tile, other: Tile) -> bool:
    """Whether a tile is a part of another."""
    return tile[0] > other[0] and tile[1] >> (2 * (tile[0] - other[0])) == other[1]


def _path(tile: Tile) -> str:
    order, pixel = tile
    return f"dataset/Norder={order}/Dir={pixel // 10000 * 10000}/Npix={pixel}.parquet"


def _said(version: Version) -> dict[str, Any]:
    return {
        "version": version.name,
        "rows": [[*tile, number] for tile, number in sorted(version.rows.items())],
        "margins": [[*tile, number] for tile, number in sorted(version.margins.items())],
    }
