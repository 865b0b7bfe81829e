"""Reads catalogues in common formats (CSV, FITS, VOTable, Parquet, HATS) into the standard columns.

A mapping, a small YAML file, gives the column and the unit of each. Where it gives no unit, that of the file counts
(FITS, VOTable); without any, numbers are in the standard units:

    columns:
      identifier: PGC                                # a column of the file
      ra: {column: RAJ2000, unit: hourangle}         # in this unit; texts are read as angles
      dec: {column: DEJ2000, unit: deg}
      major_axis: {column: logd25, unit: dex(0.1 arcmin)}
      magnitude: {column: Bmag, unknown: [-99, 99]}  # values that mean nothing
      band: {value: B}
      distance: {value: 780, unit: kpc}              # the same for all sources, in this unit
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
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
from broker_assets.storage.yaml_files import read_yaml

LOADING_VERSION: Final = "2"
"""Version of the code that reads catalogues: with another one, the same file is another version of its catalogue."""

ROWS: Final = 500_000
"""Number of rows read at a time."""
_LONGEST_LINE: Final = 1 << 20
"""Bytes of the first line of a CSV file, at most."""

_WITHOUT_VALUE: Final = ("", "null", "NULL", "NaN", "nan", "NA", "N/A", "n/a", "#N/A", "--")
"""Texts that stand for a missing number."""
_DECIMAL: Final = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?$"
"""A decimal number, as a regular expression for pyarrow."""
_UNIT: Final = b"unit"
"""Key of a unit in the metadata of a column."""
_SPELLINGS: Final = {"degree": "deg", "degrees": "deg", "year": "yr", "years": "yr", "mag(ab)": "mag", "abmag": "mag"}
"""Spellings of units in files, in lower case, and the names by which astropy knows them."""
_EPOCHS: Final = (1800.0, 2200.0)
"""Limits of an epoch, Julian years; numbers outside them are days, or years from another zero."""

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
            content = read_yaml(text)
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
        """The mapping for a file whose columns have the standard names and units.

        Raises
        ------
        CatalogueError
            If a required column is missing.
        """
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
        # A right ascension beyond one turn is not in degrees.
        good = (np.abs(np.nan_to_num(ra, nan=999.0)) <= 360.0) & (np.abs(np.nan_to_num(dec, nan=99.0)) <= 90.0)
        rows = pa.table(columns).filter(pa.array(good))
        wrapped = pa.array(np.mod(rows["ra"].to_numpy(), 360.0))
        return Sources.of(rows.set_column(rows.column_names.index("ra"), "ra", wrapped)), int((~good).sum())

    def _values(self, name: str, column: Column, table: pa.Table) -> pa.Array:
        kind = SCHEMA.field(name).type
        if column.column is None:
            return pa.array([column.value] * table.num_rows, kind)
        if table.column_names.count(column.column) > 1:
            raise CatalogueError(
                f"{name}: the file has {table.column_names.count(column.column)} columns {column.column!r}"
            )
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
            if pa.types.is_binary(values.type):
                values = pc.cast(values, pa.string())
            if column.unit is None and not pa.types.is_string(values.type):
                metadata = table.schema.field(column.column).metadata or {}
                column = replace(column, unit=_unit_of_file(name, column.column, metadata.get(_UNIT, b"").decode()))
            return _checked(name, _numbers(name, column, values))
        except CatalogueError:
            raise
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
    if "column" in entry and not isinstance(entry["column"], str):
        raise CatalogueError(f"{where}: {name}: {entry['column']!r} is not the name of a column; put it in quotes")
    unit = None
    if "unit" in entry:
        try:
            unit = u.Unit(entry["unit"])
        except (ValueError, TypeError) as error:
            raise CatalogueError(f"{where}: {name}: {entry['unit']!r} is not a unit: {error}") from error
        if not _fits(name, unit):
            raise CatalogueError(f"{where}: {name} cannot be in {entry['unit']}; it is in {UNITS.get(name, 'no unit')}")
    unknown = entry.get("unknown", ())
    values = unknown if isinstance(unknown, list | tuple) else [unknown]
    wrong = [value for value in values if not _is_number(value)]
    if wrong:
        raise CatalogueError(f"{where}: {name}: unknown has {wrong[0]!r}, which is not a number")
    return Column(
        entry.get("column"), _constant(where, name, entry["value"], unit) if "value" in entry else None,
        unit, tuple(map(float, values)),
    )  # fmt: skip


def _constant(where: str, name: str, value: Any, unit: u.UnitBase | None) -> str | float:
    """A value for all sources, in the standard unit."""
    if name in TEXTS:
        if not isinstance(value, str):
            raise CatalogueError(f"{where}: {name} is a text; put {value!r} in quotes")
        return value
    if not _is_number(value):
        raise CatalogueError(f"{where}: {name} is a number, which {value!r} is not")
    target = UNITS.get(name)
    values = np.array([float(value)])
    converted = _converted(values, unit, target) if unit is not None and target is not None else values
    return float(_checked(name, pa.array(converted))[0].as_py())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fits(name: str, unit: u.UnitBase) -> bool:
    """Whether values of a standard column can be in a unit."""
    physical = getattr(unit, "physical_unit", unit)
    return bool(physical.is_equivalent(UNITS.get(name, u.dimensionless_unscaled)))


def _unit_of_file(name: str, column: str, written: str) -> u.UnitBase | None:
    """The unit that a file gives for a column of numbers; None if it gives none.

    Raises
    ------
    CatalogueError
        If it is not understood or does not fit the standard column: the numbers would be misread.
    """
    if not written:
        return None
    unit = u.Unit(_SPELLINGS.get(written.lower(), written), parse_strict="silent")
    if isinstance(unit, u.UnrecognizedUnit) or not _fits(name, unit):
        raise CatalogueError(
            f"{name}: the file says that column {column!r} is in {written!r}, and {name} is in"
            f" {UNITS.get(name, 'no unit')}; write the unit into the mapping,"
            f" as {name}: {{column: {column}, unit: {UNITS.get(name, '1')}}}"
        )
    return unit


def _checked(name: str, values: pa.Array) -> pa.Array:
    """The values of a standard column, after a check that they are possible for it."""
    if name == "epoch":
        years = values.to_numpy(zero_copy_only=False)
        wrong = (years < _EPOCHS[0]) | (years > _EPOCHS[1])
        if wrong.any():
            raise CatalogueError(
                f"epoch: {years[wrong][0]:g} is not a Julian year such as 2000 or 2015.5; remove epoch if it is unknown"
            )
    return values


def _numbers(name: str, column: Column, values: pa.Array) -> pa.Array:
    target = UNITS.get(name)
    found, angles = _parsed(values, angles=target == u.deg and column.unit is not None)
    # A 99.99 that was read from a 32-bit column differs from 99.99 in 64 bits.
    is_narrow = pa.types.is_float32(values.type)
    narrow = np.array(column.unknown, np.float32).astype(np.float64) if is_narrow else column.unknown
    found[~np.isfinite(found) | np.isin(found, narrow)] = np.nan
    if column.unit is not None and target is not None:
        found = _converted(found, column.unit, target)
    rows = np.flatnonzero(angles != "")
    if len(rows):
        found[rows] = Angle(angles[rows].tolist(), unit=column.unit).deg
    return pa.array(found)


def _parsed(values: pa.Array, *, angles: bool) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    """Numbers of a column, NaN where there is none; with `angles`, also its texts that are not numbers, else none.

    Texts are converted as a whole if all are numbers, which takes a tenth of the time.
    """
    is_text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    try:
        numbers = pc.cast(values, pa.float64(), safe=False)
    except pa.ArrowInvalid:
        if not is_text:
            raise
        trimmed = pc.utf8_trim_whitespace(values)
        texts = pc.if_else(pc.is_in(trimmed, pa.array(_WITHOUT_VALUE, trimmed.type)), None, trimmed)
        if not angles:
            numbers = pc.cast(texts, pa.float64())
        else:
            decimal = pc.fill_null(pc.match_substring_regex(texts, _DECIMAL), False)
            numbers = pc.cast(pc.if_else(decimal, texts, None), pa.float64())
            return _plain(numbers), np.asarray(pc.fill_null(pc.if_else(decimal, None, texts), ""), object)
    return _plain(numbers), np.empty(0, object)


def _plain(numbers: pa.Array) -> NDArray[np.float64]:
    return np.array(pc.fill_null(numbers, np.nan).to_numpy(zero_copy_only=False))


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
    refuse_odd(path)
    name = path.name.lower().removesuffix(".gz")
    try:
        if path.is_dir():
            folder = path / "dataset" if (path / "dataset").is_dir() else path
            yield from _arrow(sorted(folder.rglob("*.parquet")), folder)
        elif name.endswith(".parquet"):
            yield from _arrow([path], path)
        elif name.endswith((".csv", ".txt")):
            _refuse_wide(path)
            yield from _csv(path)
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


def refuse_odd(path: Path) -> None:
    """Refuse what is neither a file nor a folder.

    Raises
    ------
    CatalogueError
        If there is nothing, or a pipe or device: it is read several times, and a pipe could be waited for without end.
    """
    if not path.exists():
        raise CatalogueError(f"there is no {path}")
    if not path.is_file() and not path.is_dir():
        raise CatalogueError(f"{path} is neither a file nor a folder; write its content to a file first")


def _csv(path: Path) -> Iterator[pa.Table]:
    """Parts of a CSV file, as bytes: pyarrow would take 00:42:44 for a time of day, and 0012 for a number."""
    reading = pyarrow.csv.ReadOptions(block_size=1 << 26)
    with pyarrow.csv.open_csv(path, read_options=pyarrow.csv.ReadOptions(block_size=4 * _LONGEST_LINE)) as first:
        names = first.schema.names
    as_bytes = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.binary()))
    with pyarrow.csv.open_csv(path, read_options=reading, convert_options=as_bytes) as batches:
        for batch in batches:
            yield pa.Table.from_batches([batch])


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
    columns, schema = {}, []
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
        unit = getattr(column, "unit", None)
        schema.append(pa.field(name, columns[name].type, metadata={_UNIT: str(unit)} if unit is not None else None))
    return pa.table(columns, schema=pa.schema(schema))


def checksum(path: Path) -> str:
    """SHA-256 over the files of a catalogue and their names."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*.parquet")) if path.is_dir() else [path]:
        digest.update(file.name.encode())
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()
