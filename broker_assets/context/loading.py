"""Reads catalogues in common formats (CSV, FITS, VOTable, Parquet, HATS) into the standard columns.

A mapping, a small YAML file, gives the column and the unit of each:

    columns:
      identifier: PGC                                # a column of the file
      ra: {column: RAJ2000, unit: hourangle}         # in this unit; texts are read as angles
      dec: {column: DEJ2000, unit: deg}
      major_axis: {column: logd25, unit: dex(0.1 arcmin)}
      magnitude: {column: Bmag, unknown: [-99, 99]}  # values that mean nothing
      band: {value: B}                               # the same for all sources
      epoch: {value: 2000}
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import astropy.units as u
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset
import yaml
from astropy.coordinates import Angle
from astropy.table import Table
from numpy.typing import NDArray

from broker_assets.context.catalogue import REQUIRED, SCHEMA, TEXTS, Sources
from broker_assets.context.votables import MOST_COLUMNS, refuse_hostile
from broker_assets.storage.fits_headers import refuse_impossible, refuse_impossible_in

ROWS: Final = 500_000
"""Number of rows read at a time."""
_LONGEST_LINE: Final = 1 << 20
"""Bytes of the first line of a CSV file, at most."""

UNITS: Final = {
    field.name: u.Unit(field.metadata[b"unit"].decode()) for field in SCHEMA if b"unit" in (field.metadata or {})
}


class CatalogueError(ValueError):
    """A catalogue that cannot be read, or a mapping that does not fit; the message says where and why."""


@dataclass(frozen=True)
class Column:
    """Where the values of a standard column come from."""

    column: str | None = None
    value: str | float | None = None
    unit: u.UnitBase | None = None
    unknown: tuple[float, ...] = ()


@dataclass(frozen=True)
class Mapped:
    """Standard columns by name."""

    columns: dict[str, Column]

    @classmethod
    def parse(cls, text: str, *, where: str = "the mapping") -> Mapped:
        """Read a mapping from YAML.

        Raises
        ------
        CatalogueError
            If a column or a unit is unknown.
        """
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise CatalogueError(f"{where} is not YAML: {error}") from error
        entries = content.get("columns") if isinstance(content, dict) else None
        if not isinstance(entries, dict):
            raise CatalogueError(f"{where} has no `columns`")
        columns = {str(name): _column(where, str(name), entry) for name, entry in entries.items()}
        missing = [name for name in REQUIRED if name not in columns]
        if missing:
            raise CatalogueError(f"{where} does not say where {', '.join(missing)} come from")
        return cls(columns)

    @classmethod
    def same(cls, names: list[str]) -> Mapped:
        """The mapping for a file whose columns have the standard names and units."""
        known = [name for name in SCHEMA.names if name in names]
        missing = [name for name in REQUIRED if name not in known]
        if missing:
            raise CatalogueError(
                f"the file has no column {', '.join(missing)}: use a mapping to say which columns these are"
                f" (it has {', '.join(names[:20])})"
            )
        return cls({name: Column(name) for name in known})

    def sources(self, table: pa.Table) -> tuple[Sources, int]:
        """The sources of a part of the file, and the number of rows left out because they have no valid position.

        Raises
        ------
        CatalogueError
            If a column is absent or has values of another type.
        """
        columns = {name: self._values(name, column, table) for name, column in self.columns.items()}
        ra, dec = (columns[name].to_numpy(zero_copy_only=False) for name in ("ra", "dec"))
        good = np.isfinite(ra) & (np.abs(np.nan_to_num(dec, nan=99.0)) <= 90.0)
        rows = pa.table(columns).filter(pa.array(good))
        wrapped = pa.array(np.mod(rows["ra"].to_numpy(), 360.0))
        return Sources.of(rows.set_column(rows.column_names.index("ra"), "ra", wrapped)), int((~good).sum())

    def _values(self, name: str, column: Column, table: pa.Table) -> pa.Array:
        kind = SCHEMA.field(name).type
        if column.column is None:
            return pa.array([column.value] * table.num_rows, kind)
        if column.column not in table.column_names:
            raise CatalogueError(
                f"{name}: the file has no column {column.column!r}; it has {', '.join(table.column_names[:40])}"
            )
        values = table[column.column].combine_chunks()
        if isinstance(values, pa.ChunkedArray):
            values = pa.array([], values.type)
        try:
            if name in TEXTS:
                return pc.utf8_trim_whitespace(pc.cast(values, pa.string()))
            return _numbers(name, column, values)
        except (pa.ArrowException, u.UnitsError, ValueError, TypeError) as error:
            raise CatalogueError(f"{name}: column {column.column!r} cannot be read: {error}") from error


def _column(where: str, name: str, entry: Any) -> Column:
    if name not in SCHEMA.names:
        raise CatalogueError(f"{where}: there is no standard column {name!r}; there are {', '.join(SCHEMA.names)}")
    if isinstance(entry, str):
        return Column(entry)
    if not isinstance(entry, dict) or set(entry) - {"column", "value", "unit", "unknown"}:
        raise CatalogueError(f"{where}: {name} is a column, or has some of column, value, unit, unknown")
    if ("column" in entry) == ("value" in entry):
        raise CatalogueError(f"{where}: {name} needs either a column or a value")
    unit = None
    if "unit" in entry:
        try:
            unit = u.Unit(entry["unit"])
        except ValueError as error:
            raise CatalogueError(f"{where}: {name}: {entry['unit']!r} is not a unit: {error}") from error
        physical = getattr(unit, "physical_unit", unit)
        if not physical.is_equivalent(UNITS.get(name, u.dimensionless_unscaled)):
            raise CatalogueError(f"{where}: {name} cannot be in {entry['unit']}; it is in {UNITS.get(name, 'no unit')}")
    unknown = entry.get("unknown", ())
    return Column(
        entry.get("column"), entry.get("value"), unit, tuple(unknown) if isinstance(unknown, list) else (unknown,)
    )


def _numbers(name: str, column: Column, values: pa.Array) -> pa.Array:
    target = UNITS.get(name)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        trimmed = pc.utf8_trim_whitespace(values)
        present = pc.and_(pc.is_valid(trimmed), pc.not_equal(trimmed, ""))
        if target == u.deg and column.unit is not None:
            numbers = np.full(len(values), np.nan)
            rows = np.asarray(pc.fill_null(present, False))
            texts = trimmed.filter(pa.array(rows)).to_pylist()
            numbers[rows] = Angle(texts, unit=column.unit).deg if texts else []
            return pa.array(numbers)
        values = pc.if_else(present, trimmed, None)
    found = pc.fill_null(pc.cast(values, pa.float64(), safe=False), np.nan).to_numpy(zero_copy_only=False).copy()
    found[~np.isfinite(found) | np.isin(found, column.unknown)] = np.nan
    if column.unit is not None and target is not None:
        found = _converted(found, column.unit, target)
    return pa.array(found)


def _converted(values: NDArray[np.float64], unit: u.UnitBase, target: u.UnitBase) -> NDArray[np.float64]:
    quantity = u.Dex(values, unit).physical if hasattr(unit, "physical_unit") else values * unit
    return np.asarray(quantity.to_value(target))


def read_parts(path: Path) -> Iterator[pa.Table]:
    """Read a catalogue in parts.

    Parameters
    ----------
    path : Path
        A file (`.csv`, `.fits`, `.vot`, `.xml`, `.parquet`, the first three also with `.gz`), or the folder of a
        catalogue in HATS layout.

    Raises
    ------
    CatalogueError
        If its format is unknown, or it cannot be read.
    """
    if not path.exists():
        raise CatalogueError(f"there is no {path}")
    name = path.name.lower().removesuffix(".gz")
    try:
        if path.is_dir():
            folder = path / "dataset" if (path / "dataset").is_dir() else path
            yield from _arrow(sorted(folder.rglob("*.parquet")), folder)
        elif name.endswith(".parquet"):
            yield from _arrow([path], path)
        elif name.endswith((".csv", ".txt")):
            _refuse_wide(path)
            for batch in pyarrow.csv.open_csv(path, read_options=pyarrow.csv.ReadOptions(block_size=1 << 26)):
                yield pa.Table.from_batches([batch])
        elif name.endswith((".fits", ".fit", ".vot", ".votable", ".xml")):
            form = "fits" if name.endswith((".fits", ".fit")) else "votable"
            if form == "votable":
                refuse_hostile(path)
            elif path.name.lower().endswith(".gz"):
                with gzip.open(path) as packed:
                    # Pieces of whole FITS blocks, so that no card is split.
                    while piece := packed.read(2880 * 1024):
                        refuse_impossible(piece)
            else:
                with path.open("rb") as stream:
                    refuse_impossible_in(stream)
            table = Table.read(path, format=form)
            for start in range(0, len(table), ROWS):
                yield _as_arrow(table[start : start + ROWS])
        else:
            raise CatalogueError(
                f"{path.name}: its name does not have the extension of a CSV, FITS, VOTable or Parquet file"
            )
    except (
        pa.ArrowException,
        OSError,
        EOFError,
        zlib.error,
        ValueError,
        IndexError,
        MemoryError,
        RecursionError,
    ) as error:
        if isinstance(error, CatalogueError):
            raise
        raise CatalogueError(f"{path.name} cannot be read: {error}") from error


def _refuse_wide(path: Path) -> None:
    """Refuse a CSV file whose first line alone would take all memory: each column costs thousands of bytes."""
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as stream:
        first = stream.readline(_LONGEST_LINE + 1)
    if len(first) > _LONGEST_LINE:
        raise CatalogueError(f"{path.name}: its first line has more than {_LONGEST_LINE:,} bytes")
    columns = first.count(b",") + 1
    if columns > MOST_COLUMNS:
        raise CatalogueError(f"{path.name} has {columns:,} columns; at most {MOST_COLUMNS:,} are read")


def _arrow(files: list[Path], path: Path) -> Iterator[pa.Table]:
    if not files:
        raise CatalogueError(f"{path} has no Parquet file")
    for batch in pyarrow.dataset.dataset(files, format="parquet").to_batches(batch_size=ROWS):
        yield pa.Table.from_batches([batch])


def _as_arrow(table: Table) -> pa.Table:
    """Rows of an astropy table; columns of several values per row are left out."""
    columns = {}
    for name in table.colnames:
        column = table[name]
        if column.ndim != 1:
            continue
        values = np.asarray(column)
        mask = np.broadcast_to(np.asarray(getattr(column, "mask", False)), values.shape)
        if values.dtype.kind == "S":
            values = np.char.decode(values, "utf-8", "replace")
        if values.dtype.kind in "OU":
            values = np.array([str(value) for value in values.tolist()], object)
        elif values.dtype.byteorder == ">":
            values = values.astype(values.dtype.newbyteorder("="))
        columns[name] = pa.array(values, mask=mask)
    return pa.table(columns)


def checksum(path: Path) -> str:
    """SHA-256 over the files of a catalogue and their names."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*.parquet")) if path.is_dir() else [path]:
        digest.update(file.name.encode())
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()
