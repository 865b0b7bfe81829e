"""Catalogues on disk: Parquet files by HEALPix cell in HATS layout, of which only the parts near positions are read.

HATS (Hierarchical Adaptive Tiling Scheme, IVOA Note 2025) has a file for each cell, with the order chosen to limit
the number of rows, sorted by cell of order 29. Each catalogue also has a file of its largest sources, which are few
and are searched from larger distances.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cdshealpix
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from broker_assets.context.catalogue import SCHEMA, Sources
from broker_assets.context.loading import LOADING_VERSION, CatalogueError, Mapped, checksum, read_parts, refuse_odd
from broker_assets.sky.cells import cells_at
from broker_assets.storage.versioned import VersionedFolder

CELL: Final = "_healpix_29"
MOST_ROWS: Final = 500_000
"""Rows in a file, at most."""
GROUP_ROWS: Final = 8_192
"""Rows in a row group, the smallest unit that is read."""
DEEPEST_FILE: Final = 10
SCATTER_ORDER: Final = 3
"""Order of the cells into which rows are divided before they are sorted."""
LARGE: Final = 120.0
"""Major axis, arcseconds, at and above which a source is also in the file of large ones."""
NEAR_ORDER: Final = 9
"""Order of the cells (6.9 arcminutes) that decide which sources are read as near."""
FARTHEST: Final = 240.0
"""Arcseconds around positions that are read: less than the size of a cell of `NEAR_ORDER`."""

DENSITY: Final = "density.npy"
POINTER: Final = "catalogue.json"
ABOUT: Final = "about.json"
"""File with the fields of `Stored` for a version."""


@dataclass(frozen=True)
class Stored:
    """A catalogue in the store."""

    name: str
    version: str
    rows: int
    left_out: int
    """Rows of the file without a valid position."""
    bytes: int
    source: str
    """Name of the file from which it was made."""
    folder: Path


class CatalogueStore:
    """The catalogues of a folder.

    Parameters
    ----------
    folder : Path
        Has a subfolder for each catalogue, with its versions.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, path: Path, mapping: Mapped | None = None) -> Stored:
        """Load a catalogue, or a new version of it.

        Parameters
        ----------
        name : str
            Letters, digits and underscores.
        path : Path
            See `loading.read_parts`.
        mapping : Mapped, optional
            Mapping of the columns; by default they have the standard names.

        Raises
        ------
        CatalogueError
            If it cannot be read, or contains no source; the version in force stays.
        """
        if not name.isidentifier() or not name.isascii():
            raise CatalogueError(f"{name!r} is not a name: letters, digits and underscores, a letter first")
        refuse_odd(path)
        content = LOADING_VERSION + repr(mapping) + checksum(path)
        version = hashlib.sha256(content.encode()).hexdigest()[:16]
        versions = self._folder(name)
        versions.build(version, lambda folder: _write(folder, name, path, mapping))
        versions.remove_old(keep=1)
        return self.get(name)

    def list(self) -> list[Stored]:
        """All catalogues, by name."""
        names = sorted(path.parent.name for path in self.folder.glob(f"*/{POINTER}"))
        return [self.get(name) for name in names]

    def get(self, name: str) -> Stored:
        """A catalogue.

        Raises
        ------
        CatalogueError
            If there is none of this name.
        """
        pointer = self._folder(name).pointer()
        if pointer is None:
            present = ", ".join(path.parent.name for path in sorted(self.folder.glob(f"*/{POINTER}"))) or "none"
            raise CatalogueError(f"there is no catalogue {name!r}; there are: {present}")
        folder = self.folder / name / str(pointer["version"])
        return Stored(name=name, version=folder.name, folder=folder, **json.loads((folder / ABOUT).read_bytes()))

    def versions(self, names: Iterable[str]) -> dict[str, str]:
        """Versions in force of some catalogues, by name; those that are not loaded are left out."""
        pointers = ((name, self._folder(name).pointer()) for name in names)
        return {name: str(pointer["version"]) for name, pointer in pointers if pointer is not None}

    def remove(self, name: str, *, keep: bool = False) -> None:
        """Remove a catalogue with all its versions.

        Parameters
        ----------
        name : str
            Its name.
        keep : bool
            Keep its files, so that objects near its sources can still be found; see `forget`.

        Raises
        ------
        CatalogueError
            If there is none of this name.
        """
        self.get(name)
        if keep:
            self._folder(name).withdraw()
        else:
            self._folder(name).remove()

    def forget(self, name: str) -> None:
        """Delete the files of a catalogue that was removed with `keep`."""
        folder = self._folder(name)
        if folder.pointer() is None:
            folder.remove()

    def version(self, name: str, version: str) -> Catalogue | None:
        """Open a version of a catalogue, in force or not; None if its files are not here."""
        folder = self.folder / name / version
        return Catalogue(name, version, folder) if (folder / ABOUT).is_file() else None

    def open(self, name: str) -> Catalogue:
        """Open a catalogue to read from it.

        Raises
        ------
        CatalogueError
            If there is none of this name.
        """
        self.get(name)
        return self._folder(name).read(lambda folder, pointer: Catalogue(name, str(pointer["version"]), folder))

    def _folder(self, name: str) -> VersionedFolder:
        return VersionedFolder(self.folder / name, POINTER)


class Catalogue:
    """One version of a catalogue, opened. Only the index of its rows is in memory."""

    def __init__(self, name: str, version: str, folder: Path) -> None:
        self.name, self.version, self.folder = name, version, folder
        self.rows = 0
        self._large: Sources | None = None
        self._known = dict.fromkeys(SCHEMA.names, 0)
        files, groups, begin, end = [], [], [], []
        for number, path in enumerate(sorted((folder / "dataset").rglob("*.parquet"))):
            metadata = pq.read_metadata(path)
            place = {column: at for at, column in enumerate(metadata.schema.names)}
            files.append(path)
            self.rows += metadata.num_rows
            for group in range(metadata.num_row_groups):
                columns = metadata.row_group(group)
                limits = columns.column(place[CELL]).statistics
                groups.append((number, group))
                begin.append(limits.min)
                end.append(limits.max)
                for column in self._known:
                    self._known[column] += columns.num_rows - columns.column(place[column]).statistics.null_count
        self._columns = [column for column, count in self._known.items() if count]
        """Columns in which any source has a value: the others are not read."""
        self._files = files
        self._groups = np.array(groups, np.int64).reshape(-1, 2)
        self._begin, self._end = np.array(begin, np.int64), np.array(end, np.int64)

    def within(self, first: int, last: int) -> Sources:
        """The sources in a half-open interval of cells of order 29."""
        chosen = self._touched(np.array([first]), np.array([last]))
        return self._read(chosen, np.array([first]), np.array([last]))

    def share_near(self, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> float:
        """Share of the catalogue that `near` would read; between 0 and 1.

        Parameters
        ----------
        ra, dec : (n,) float64 array
            ICRS, degrees.
        """
        return self._touched(*intervals(ra, dec)).size / len(self._groups)

    def _touched(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.int64]:
        """Row groups that overlap any of some intervals of cells."""
        behind = np.searchsorted(low, self._end, side="right")
        return np.flatnonzero(behind > np.searchsorted(high, self._begin, "right"))

    def large(self) -> Sources:
        """The sources with a major axis of at least `LARGE`; read once."""
        if self._large is None:
            self._large = Sources.of(pq.read_table(self.folder / "large.parquet"))
        return self._large

    def all(self) -> Sources:
        """Every source."""
        columns = {}
        for name in self._columns:  # one column after the other, so that only one is in memory twice
            parts = [pq.read_table(path, columns=[name], partitioning=None) for path in self._files]
            columns[name] = pa.concat_tables(parts)[name].combine_chunks()
            del parts
        found = Sources.of(pa.table(columns))
        del columns
        # Arrow keeps freed memory for later use: hundreds of megabytes here.
        pa.default_memory_pool().release_unused()
        return found

    def density(self) -> NDArray[np.int64]:
        """Number of sources in each HEALPix cell (nested) of the order `SCATTER_ORDER`."""
        return np.asarray(np.load(self.folder / DENSITY), np.int64)

    def known(self) -> dict[str, int]:
        """Number of sources with a value, by column."""
        return dict(self._known)

    def near(self, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> Sources:
        """All sources within `FARTHEST` of any position, and some beyond.

        Parameters
        ----------
        ra, dec : (n,) float64 arrays
            ICRS, degrees.

        Returns
        -------
        Sources
            Each once.
        """
        low, high = intervals(ra, dec)
        return self._read(self._touched(low, high), low, high)

    def _read(self, chosen: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64]) -> Sources:
        """Those sources of some row groups that lie in intervals of cells."""
        tables = []
        for number in np.unique(self._groups[chosen, 0]).tolist():
            wanted = self._groups[chosen][self._groups[chosen, 0] == number, 1].tolist()
            with pq.ParquetFile(self._files[number], memory_map=True) as file:
                part = file.read_row_groups(wanted, columns=[*self._columns, CELL], use_threads=False)
            cell = part[CELL].to_numpy()
            at = np.searchsorted(low, cell, side="right") - 1
            tables.append(part.filter(pa.array((at >= 0) & (cell < high[np.maximum(at, 0)]))))
        if not tables:
            return Sources.of(SCHEMA.empty_table())
        return Sources.of(pa.concat_tables(tables).drop_columns([CELL]))


def intervals(
    ra: NDArray[np.float64], dec: NDArray[np.float64], order: int = NEAR_ORDER
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Half-open intervals of cells of order 29 around positions, ascending and disjoint.

    They cover the cells of an order that contain the positions, and the neighbours of these cells.

    Parameters
    ----------
    ra, dec : (n,) float64 arrays
        ICRS, degrees.
    order : int
        Order of the cells.

    Returns
    -------
    first, end : (m,) int64 arrays
        First cell of each interval, and the one after its last.
    """
    own = np.unique(cells_at(ra, dec, order))
    around = np.asarray(cdshealpix.neighbours(own.astype(np.uint64), order), np.int64)
    cells = np.unique(around[around >= 0])
    first = np.flatnonzero(np.concatenate([[True], np.diff(cells) != 1])) if cells.size else np.zeros(0, np.int64)
    last = np.append(first[1:], cells.size) - 1 if cells.size else first
    shift = 2 * (29 - order)
    return cells[first] << shift, (cells[last] + 1) << shift


def _write(folder: Path, name: str, path: Path, mapping: Mapped | None) -> None:
    """Write the files of a version into an empty folder."""
    scattered = folder / ".scattered"
    left_out, density = _scatter(scattered, path, mapping)
    files, large = [], []
    rows = int(density.sum())
    for coarse, first, last in gathered(density):
        table = pa.concat_tables(_read_scattered(scattered / str(cell)) for cell in range(first, last) if density[cell])
        table = table.take(pc.sort_indices(table, [(CELL, "ascending"), ("identifier", "ascending")]))
        large.append(table.filter(pc.fill_null(pc.greater_equal(table["major_axis"], LARGE), False)))
        for order, pixel, part in _tiles(table, coarse, first >> (2 * (SCATTER_ORDER - coarse))):
            target = folder / "dataset" / f"Norder={order}" / f"Dir={pixel // 10000 * 10000}" / f"Npix={pixel}.parquet"
            target.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(part, target, row_group_size=GROUP_ROWS, compression="zstd")
            files.append((order, pixel))
    shutil.rmtree(scattered)
    if not rows:
        raise CatalogueError(f"{path.name} has no source with a position on the sky ({left_out} rows without)")
    pq.write_metadata(large[0].schema, folder / "dataset" / "_common_metadata")
    np.save(folder / DENSITY, density)
    pq.write_table(pa.concat_tables(large).drop_columns([CELL]), folder / "large.parquet", compression="zstd")
    (folder / "partition_info.csv").write_text(
        "Norder,Npix\n" + "".join(f"{order},{pixel}\n" for order, pixel in sorted(files))
    )
    properties = {
        "obs_collection": name, "dataproduct_type": "object", "hats_nrows": rows, "hats_col_ra": "ra",
        "hats_col_dec": "dec", "hats_col_healpix": CELL, "hats_col_healpix_order": 29,
        "hats_npix_suffix": ".parquet", "hats_order": max(order for order, _ in files), "hats_version": "v1.0",
        "hats_builder": "broker_assets",
    }  # fmt: skip
    text = "".join(f"{key}={value}\n" for key, value in properties.items())
    for file in ("hats.properties", "properties"):
        (folder / file).write_text(text)
    size = sum(file.stat().st_size for file in folder.rglob("*.parquet"))
    about = {"rows": rows, "left_out": left_out, "bytes": size, "source": path.name}
    (folder / ABOUT).write_text(json.dumps(about))


def gathered(density: NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    """The largest cells that `MOST_ROWS` allows: order, and half-open interval of cells of `SCATTER_ORDER`.

    Parameters
    ----------
    density : (12 · 4**SCATTER_ORDER,) int64 array
        Number of rows of each cell of `SCATTER_ORDER`; cells without rows are left out.
    """

    def divided(order: int, pixel: int) -> Iterator[tuple[int, int, int]]:
        shift = 2 * (SCATTER_ORDER - order)
        first, last = pixel << shift, (pixel + 1) << shift
        number = int(density[first:last].sum())
        if number and (number <= MOST_ROWS or order == SCATTER_ORDER):
            yield order, first, last
        elif number:
            for child in range(4 * pixel, 4 * pixel + 4):
                yield from divided(order + 1, child)

    for pixel in range(12):
        yield from divided(0, pixel)


def _scatter(folder: Path, path: Path, mapping: Mapped | None) -> tuple[int, NDArray[np.int64]]:
    """Divide the rows by cells of the sky, so that each part fits into memory.

    Returns
    -------
    left_out : int
        Rows without a position.
    density : (12 · 4**SCATTER_ORDER,) int64 array
        Number of rows of each cell. The rows of a cell are in an Arrow stream named by its number; unlike a Parquet
        file with many small row groups, it takes no memory while it is written.
    """
    folder.mkdir()
    writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    density = np.zeros(12 * 4**SCATTER_ORDER, np.int64)
    left_out = 0
    try:
        for part in read_parts(path):
            if mapping is None:
                mapping = Mapped.same(part.column_names)
            sources, without = mapping.sources(part)
            left_out += without
            if not len(sources):
                continue
            table = sources.table()
            cell = cells_at(np.mod(sources.ra, 360.0), sources.dec, 29)
            table = table.append_column(pa.field(CELL, pa.int64()), pa.array(cell))
            pixel = cell >> (2 * (29 - SCATTER_ORDER))
            order = np.argsort(pixel, kind="stable")
            bounds = np.flatnonzero(np.concatenate([[True], np.diff(pixel[order]) != 0]))
            table, pixel = table.take(pa.array(order)), pixel[order]
            for start, stop in zip(bounds, np.append(bounds[1:], len(order)), strict=True):
                number = int(pixel[start])
                if number not in writers:
                    writers[number] = pa.ipc.new_stream(str(folder / str(number)), table.schema, options=options)
                writers[number].write_table(table.slice(start, stop - start))
                density[number] += stop - start
    finally:
        for writer in writers.values():
            writer.close()
    return left_out, density


def _read_scattered(path: Path) -> pa.Table:
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
        return stream.read_all()


def _tiles(table: pa.Table, order: int, pixel: int) -> Iterator[tuple[int, int, pa.Table]]:
    """Divide sorted rows of a cell into files of at most `MOST_ROWS` rows."""
    if table.num_rows <= MOST_ROWS or order == DEEPEST_FILE:
        if table.num_rows:
            yield order, pixel, table
        return
    cells = table[CELL].to_numpy()
    shift = 2 * (29 - order - 1)
    bounds = np.searchsorted(cells, (np.arange(5) + 4 * pixel) << shift)
    for child in range(4):
        yield from _tiles(table.slice(bounds[child], bounds[child + 1] - bounds[child]), order + 1, 4 * pixel + child)
