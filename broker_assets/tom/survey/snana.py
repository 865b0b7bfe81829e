"""A simulation of SNANA as rows of the survey's tables: objects, detections, forced photometry, alerts, truth.

A simulation is a folder of pairs of files (`…HEAD.FITS`, `…PHOT.FITS`, compressed or not; spectra in `…SPEC.FITS` are
not part of the survey) and one text file `<folder>.DUMP` with the truth. Sentinels (−9, −99, 999, …) are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.tom.survey.fields import (
    FORCED_COLUMNS,
    HEADER_COLUMNS,
    OBJECT_COLUMNS,
    SOURCE_COLUMNS,
    TRUTH_COLUMNS,
    TRUTH_INTEGERS,
)
from broker_assets.tom.survey.fits_tables import DamagedFile, FitsTable

POINTS_OF_OBJECT: Final = 100_000
"""The number of a point is that of its object times this, plus the index of the point within its object."""
DEEP_POINTS: Final = 1000
"""An object with more points than this is in a deep drilling field."""
SEPARATOR_MJD: Final = -777.0
"""Time of the rows between objects."""
_HEAD: Final = re.compile(r"(.*)HEAD(\.FITS(?:\.gz)?)", re.IGNORECASE)
_DOUBLES: Final = frozenset({"ra", "decl", "dec", "peakmjd", "mjd_detect_first", "mjd_detect_last"})
_SMALL: Final = frozenset({"libid", "sim_searcheff_mask", "gentype", "sim_template_index", "nobs", "nobs_saturate"})


@dataclass(frozen=True)
class Reading:
    """Options for reading files."""

    simversion: str = "2023-04-01"
    """Version of the simulation, stored with each object."""
    most_points: int = POINTS_OF_OBJECT
    """Most points of an object."""
    detected: int = 4096
    """Bits of `PHOTFLAG` that mark a detection."""
    snana_zeropoint: float = 27.5
    """AB magnitude of a `FLUXCAL` of 1."""
    alert_zeropoint: float = 31.4
    """AB magnitude of a stored flux of 1; 31.4 for nJy."""

    def __post_init__(self) -> None:
        if not 1 <= self.most_points <= POINTS_OF_OBJECT:
            raise ValueError(f"an object has 1 to {POINTS_OF_OBJECT} points, not {self.most_points}")

    @property
    def factor(self) -> float:
        """Factor from `FLUXCAL` to stored fluxes."""
        return float(10 ** ((self.alert_zeropoint - self.snana_zeropoint) / 2.5))


@dataclass(frozen=True)
class SurveyRows:
    """Rows of the survey's tables; see `fields` for their columns."""

    objects: pa.Table
    sources: pa.Table
    forced: pa.Table

    @property
    def alerts(self) -> pa.Table:
        """One for each detection, under the same number."""
        ids = self.sources.column("diasource_id")
        return pa.table({"alert_id": ids, "diaobject_id": self.sources.column("diaobject_id"), "diasource_id": ids})


def head_files(folder: Path, names: list[str] | None = None) -> list[Path]:
    """The header files of a folder.

    Parameters
    ----------
    folder : Path
        The simulation.
    names : list of str, optional
        Names of files in it; default: all header files.

    Raises
    ------
    FileNotFoundError
        If there is no such folder or file.
    DamagedFile
        If the folder has no header file, or a name is not that of a header file.
    """
    if not folder.is_dir():
        raise FileNotFoundError(2, "No such folder", str(folder))
    if names:
        chosen = [folder / name for name in names]
        for path in chosen:
            if not path.is_file():
                raise FileNotFoundError(2, "No such file", str(path))
    else:
        chosen = sorted(path for path in folder.iterdir() if _HEAD.fullmatch(path.name))
        if not chosen:
            raise DamagedFile(f"{folder} has no file *HEAD.FITS or *HEAD.FITS.gz")
    return chosen


def photometry_file(head: Path) -> Path:
    """The file with the photometry of a header file's objects, compressed or not.

    Raises
    ------
    DamagedFile
        If the name is not that of a header file, or there is no such file.
    """
    found = _HEAD.fullmatch(head.name)
    if found is None:
        raise DamagedFile(f"{head} is not named …HEAD.FITS or …HEAD.FITS.gz")
    same = head.with_name(f"{found[1]}PHOT{found[2]}")
    plain = head.with_name(f"{found[1]}PHOT.FITS")
    for path in (same, plain, plain.with_name(f"{plain.name}.gz")):
        if path.is_file():
            return path
    raise DamagedFile(f"{head} has no photometry next to it: {same.name} is missing")


def read_pair(head: Path, reading: Reading = Reading()) -> SurveyRows:
    """Read a pair of files.

    Parameters
    ----------
    head : Path
        Its header file.
    reading : Reading
        How it is read.

    Raises
    ------
    DamagedFile
        If the files cannot be used; the message says which one, and why.
    OSError
        If a file cannot be read.
    """
    table = FitsTable(head)
    # Models of Galactic objects have no redshift quantiles.
    stored = [name for name in HEADER_COLUMNS if "_ZPHOT_Q" not in name or name in table]
    header = table.columns([*stored, "PTROBS_MIN", "PTROBS_MAX"])
    try:
        ids = header["SNID"].astype(np.int64)
    except ValueError:
        raise DamagedFile(f"{head}: an SNID is not a number") from None
    if len(np.unique(ids)) != len(ids):
        raise DamagedFile(f"{head}: an SNID occurs twice")
    if len(ids) and not 0 < ids.min() <= ids.max() < 2**63 // POINTS_OF_OBJECT:
        raise DamagedFile(f"{head}: an SNID is not between 1 and {2**63 // POINTS_OF_OBJECT}")
    path = photometry_file(head)
    points = FitsTable(path)
    first, count = _ranges(head, header, ids, len(points), reading)
    objects: dict[str, Any] = {HEADER_COLUMNS[name]: header[name] for name in stored}
    objects |= {column: [None] * len(ids) for name, column in HEADER_COLUMNS.items() if name not in header}
    objects |= {"diaobject_id": ids, "simversion": [reading.simversion] * len(ids), "isddf": count > DEEP_POINTS}
    forced, detected = _points(path, points, ids, first, count, reading)
    place = np.searchsorted(ids[np.argsort(ids)], forced["diaobject_id"][detected])
    owner = np.argsort(ids)[place]
    sources = {name: forced[name][detected] for name in ("midpointtai", "filtername", "psflux", "psfluxerr")}
    sources |= {
        "diasource_id": forced["diaforcedsource_id"][detected],
        "diaobject_id": forced["diaobject_id"][detected],
        "ra": header["RA"][owner],
        "decl": header["DEC"][owner],
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        sources["snr"] = sources["psflux"] / sources["psfluxerr"]
    return SurveyRows(_table(objects, OBJECT_COLUMNS), _table(sources, SOURCE_COLUMNS), _table(forced, FORCED_COLUMNS))


def _ranges(
    head: Path, header: dict[str, NDArray[Any]], ids: NDArray[np.int64], rows: int, reading: Reading
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row of the points of each object, and their number; the file counts from 1 and includes the last."""
    first = header["PTROBS_MIN"].astype(np.int64) - 1
    end = header["PTROBS_MAX"].astype(np.int64)
    wrong = (first < 0) | (end < first) | (end > rows)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DamagedFile(
            f"{head}: the points of object {ids[row]} are rows {first[row] + 1} to {end[row]}, the photometry has"
            f" {rows} rows"
        )
    count = end - first
    if len(count) and count.max() > reading.most_points:
        row = int(count.argmax())
        raise DamagedFile(
            f"{head}: object {ids[row]} has {count[row]} points, more than {reading.most_points}; see --max-sources-per"
            "-object"
        )
    return first, count


def _points(
    path: Path,
    points: FitsTable,
    ids: NDArray[np.int64],
    first: NDArray[np.int64],
    count: NDArray[np.int64],
    reading: Reading,
) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    """Forced photometry by column, and which points are detections."""
    values = points.columns(["MJD", "BAND", "PHOTFLAG", "FLUXCAL", "FLUXCALERR"])
    within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    rows = np.repeat(first, count) + within
    objects = np.repeat(ids, count)
    mjd = values["MJD"][rows]
    kept = mjd != SEPARATOR_MJD
    if not np.isfinite(mjd[kept]).all():
        raise DamagedFile(f"{path}: a time of object {objects[kept][~np.isfinite(mjd[kept])][0]} is not finite")
    rows, objects, within = rows[kept], objects[kept], within[kept]
    try:
        bands = np.char.decode(np.char.strip(values["BAND"][rows]), "ascii")
    except UnicodeDecodeError:
        raise DamagedFile(f"{path}: a band is not a text") from None
    forced = {
        "diaforcedsource_id": objects * POINTS_OF_OBJECT + within,
        "midpointtai": mjd[kept],
        "filtername": bands,
        "psflux": (values["FLUXCAL"][rows] * reading.factor).astype(np.float32),
        "psfluxerr": (values["FLUXCALERR"][rows] * reading.factor).astype(np.float32),
        "diaobject_id": objects,
    }
    return forced, (values["PHOTFLAG"][rows] & reading.detected) != 0


def dump_file(folder: Path) -> Path:
    """The file with the truth of a simulation.

    Raises
    ------
    DamagedFile
        If there is none.
    """
    path = folder / f"{folder.resolve().name}.DUMP"
    if not path.is_file():
        raise DamagedFile(f"{folder} has no truth: {path.name} is missing")
    return path


def read_truth(path: Path) -> pa.Table:
    """Read the truth of a simulation; the rows have the columns of the tables of truth.

    Raises
    ------
    DamagedFile
        If the file cannot be used; the message says where and why.
    """
    names: list[str] = []
    rows: list[list[str]] = []
    for number, words in _lines(path):
        if words[0] == "VARNAMES:":
            if names:
                raise DamagedFile(f"{path}: line {number} names the variables again")
            names = words[1:]
        elif words[0] == "SN:":
            if len(words) != len(names) + 1:
                raise DamagedFile(f"{path}: line {number} has {len(words) - 1} values of {len(names)} variables")
            rows.append(words[1:])
    missing = [name for name in TRUTH_COLUMNS if name not in names]
    if missing:
        raise DamagedFile(f"{path} has no variable {', '.join(missing)}")
    columns = dict(zip(names, np.array(rows, dtype=np.str_).reshape(len(rows), len(names)).T, strict=True))
    made: dict[str, pa.Array] = {}
    for name, column in TRUTH_COLUMNS.items():
        try:
            values = columns[name].astype(np.int64 if name in TRUTH_INTEGERS else np.float64)
        except ValueError as error:
            raise DamagedFile(f"{path}: {name}: {error}") from None
        kind = pa.float64() if column in _DOUBLES else pa.float32()
        if name in TRUTH_INTEGERS:
            kind = pa.int32() if column in _SMALL else pa.int64()
        made[column] = pa.array(values).cast(kind)
    return pa.table(made)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8", errors="replace") as stream:
        for number, line in enumerate(stream, 1):
            words = line.split()
            if words and not words[0].startswith("#"):
                yield number, words


def _table(columns: dict[str, Any], names: tuple[str, ...]) -> pa.Table:
    kinds: dict[str, pa.DataType] = {
        "filtername": pa.string(), "simversion": pa.string(), "isddf": pa.bool_(), "midpointtai": pa.float64(),
    }  # fmt: skip
    made: list[pa.Array] = []
    for name in names:
        kind = kinds.get(name)
        if kind is None:
            kind = pa.int64() if name.endswith("_id") else pa.float64() if name in ("ra", "decl") else pa.float32()
        values = columns[name]
        made.append(pa.array(values, kind) if isinstance(values, list) else pa.array(values).cast(kind))
    return pa.Table.from_arrays(made, names=list(names))
