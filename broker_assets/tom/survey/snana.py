"""A simulation of SNANA as rows of the survey's tables: objects, detections, forced photometry, alerts, truth.

A simulation is a folder of pairs of files (`…HEAD.FITS`, `…PHOT.FITS`, compressed or not; spectra in `…SPEC.FITS` are
not part of the survey) and one text file `<folder>.DUMP` with the truth. Sentinels (−9, −99, 999, …) are kept.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.numerals import WHOLE
from broker_assets.tom.survey.fields import (
    BANDS,
    FORCED_COLUMNS,
    HEADER_COLUMNS,
    OBJECT_COLUMNS,
    SOURCE_COLUMNS,
    TRUTH_COLUMNS,
    TRUTH_INTEGERS,
)
from broker_assets.tom.survey.fits_tables import NUMBER, DamagedFile, FitsTable, unpacked_stream

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
    table.columns([*stored, "PTROBS_MIN", "PTROBS_MAX"])  # all that are missing are named at once
    header = {name: table.floats(name) for name in stored if name != "SNID"}
    ids = table.integers("SNID")
    if len(np.unique(ids)) != len(ids):
        raise DamagedFile(f"{head}: an SNID occurs twice")
    if len(ids) and not 0 < ids.min() <= ids.max() < 2**63 // POINTS_OF_OBJECT:
        raise DamagedFile(f"{head}: an SNID is not between 1 and {2**63 // POINTS_OF_OBJECT}")
    nowhere = ~((np.abs(header["DEC"]) <= 90.0) & (header["RA"] >= -180.0) & (header["RA"] <= 360.0))
    if nowhere.any():
        row = int(np.flatnonzero(nowhere)[0])
        place = f"{header['RA'][row]}, {header['DEC'][row]}"
        raise DamagedFile(f"{head}: object {ids[row]} is at {place}: that is not a position in degrees")
    path = photometry_file(head)
    points = FitsTable(path)
    mjd = points.floats("MJD")
    first, count = _ranges(head, table, ids, mjd == SEPARATOR_MJD, reading)
    objects: dict[str, Any] = {HEADER_COLUMNS[name]: values for name, values in header.items()}
    objects |= {column: [None] * len(ids) for name, column in HEADER_COLUMNS.items() if name not in stored}
    objects |= {"diaobject_id": ids, "simversion": [reading.simversion] * len(ids), "isddf": count > DEEP_POINTS}
    forced, detected = _points(path, points, mjd, ids, first, count, reading)
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
    head: Path, header: FitsTable, ids: NDArray[np.int64], separator: NDArray[np.bool_], reading: Reading
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row of the points of each object, and their number; the file counts from 1 and includes the last."""
    first = header.integers("PTROBS_MIN") - 1
    end = header.integers("PTROBS_MAX")
    rows = len(separator)
    wrong = (first < 0) | (end < first) | (end > rows)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DamagedFile(
            f"{head}: the points of object {ids[row]} are rows {first[row] + 1} to {end[row]}, the photometry has"
            f" {rows} rows"
        )
    # A file may count the row that ends an object among its points; it does so for all.
    some = end > first
    if some.any() and separator[end[some] - 1].all():
        end = end - some
    _refuse_other_photometry(head, ids, first, end, separator)
    count = end - first
    if len(count) and count.max() > reading.most_points:
        row = int(count.argmax())
        raise DamagedFile(
            f"{head}: object {ids[row]} has {count[row]} points, more than {reading.most_points}; see --max-sources-per"
            "-object"
        )
    return first, count


def _refuse_other_photometry(
    head: Path,
    ids: NDArray[np.int64],
    first: NDArray[np.int64],
    end: NDArray[np.int64],
    separator: NDArray[np.bool_],
) -> None:
    """Refuse ranges of rows that begin or end within a light curve: the photometry is that of another header, or in
    another order, and would give points to the wrong objects."""
    some = np.flatnonzero(end > first)
    some = some[np.argsort(first[some], kind="stable")]
    begins, ends = first[some], end[some]
    if (begins[1:] < ends[:-1]).any():
        row = some[1:][begins[1:] < ends[:-1]][0]
        raise DamagedFile(f"{head}: rows of object {ids[row]} are those of another object too")
    if not separator.any():
        return
    marks = np.concatenate([[0], np.cumsum(separator)])
    bounded = np.concatenate([separator, [True]])  # the file ends an object too
    reasons = (
        (marks[ends] > marks[begins], "have the end of another object among them"),
        (~bounded[ends], "are followed by a row of no object, not by the end of the object"),
        ((begins > 0) & ~bounded[begins - 1], "follow a row of no object, not the end of another one"),
    )
    for wrong, reason in reasons:
        if wrong.any():
            place = int(np.flatnonzero(wrong)[0])
            raise DamagedFile(
                f"{head}: the points of object {ids[some[place]]}, rows {begins[place] + 1} to {ends[place]}, {reason}:"
                " the photometry does not belong to this header"
            )


def _points(
    path: Path,
    points: FitsTable,
    times: NDArray[np.floating[Any]],
    ids: NDArray[np.int64],
    first: NDArray[np.int64],
    count: NDArray[np.int64],
    reading: Reading,
) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    """Forced photometry by column, and which points are detections."""
    points.columns(["MJD", "BAND", "PHOTFLAG", "FLUXCAL", "FLUXCALERR"])  # all that are missing are named at once
    within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    rows = np.repeat(first, count) + within
    objects = np.repeat(ids, count)
    mjd = times[rows].astype(np.float64)
    if not np.isfinite(mjd).all():
        raise DamagedFile(f"{path}: a time of object {objects[~np.isfinite(mjd)][0]} is not finite")
    bands = points.texts("BAND")[rows]
    strange = ~np.isin(bands, [*BANDS, "y"])
    if strange.any():
        raise DamagedFile(
            f"{path}: a point of object {objects[strange][0]} is in the band {str(bands[strange][0])!r}; bands are"
            f" {', '.join(BANDS)}"
        )
    forced = {
        "diaforcedsource_id": objects * POINTS_OF_OBJECT + within,
        "midpointtai": mjd,
        "filtername": bands,
        "psflux": _single(path, points, "FLUXCAL", rows, reading.factor),
        "psfluxerr": _single(path, points, "FLUXCALERR", rows, reading.factor),
        "diaobject_id": objects,
    }
    return forced, (points.integers("PHOTFLAG")[rows] & reading.detected) != 0


def _single(path: Path, points: FitsTable, name: str, rows: NDArray[np.int64], factor: float) -> NDArray[np.float32]:
    """Fluxes in single precision, in which they are stored; what is finite stays finite."""
    given = points.floats(name)[rows]
    with np.errstate(over="ignore"):
        found = (given * factor).astype(np.float32)
    if (np.isfinite(given) & ~np.isfinite(found)).any():
        raise DamagedFile(f"{path}: a {name} is too large for a flux of 32 bits")
    return found


def dump_file(folder: Path) -> Path:
    """The file with the truth of a simulation, compressed or not.

    Raises
    ------
    DamagedFile
        If there is none.
    """
    plain = folder / f"{folder.resolve().name}.DUMP"
    for path in (plain, plain.with_name(f"{plain.name}.gz")):
        if path.is_file():
            return path
    raise DamagedFile(f"{folder} has no truth: {plain.name} is missing")


def read_truth(path: Path) -> pa.Table:
    """Read the truth of a simulation; the rows have the columns of the tables of truth.

    Raises
    ------
    DamagedFile
        If the file cannot be used; the message says where and why.
    """
    names: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    for number, words in _lines(path):
        if words[0] == "VARNAMES:":
            if names:
                raise DamagedFile(f"{path}: line {number} names the variables again")
            names = words[1:]
        elif words[0] == "SN:":
            if len(words) != len(names) + 1:
                raise DamagedFile(f"{path}: line {number} has {len(words) - 1} values of {len(names)} variables")
            rows.append(words[1:])
            lines.append(number)
    missing = [name for name in TRUTH_COLUMNS if name not in names]
    if missing:
        raise DamagedFile(f"{path} has no variable {', '.join(missing)}")
    twice = [name for name in TRUTH_COLUMNS if names.count(name) > 1]
    if twice:
        raise DamagedFile(f"{path} has two variables {', '.join(twice)}")
    place = {name: names.index(name) for name in TRUTH_COLUMNS}
    made = {
        column: _truth(path, lines, name, column, [row[place[name]] for row in rows])
        for name, column in TRUTH_COLUMNS.items()
    }
    found = pa.table(made)
    ids = found["diaobject_id"].to_numpy()
    known, first = np.unique(ids, return_index=True)
    if len(known) < len(ids):
        again = int(np.setdiff1d(np.arange(len(ids)), first)[0])
        raise DamagedFile(f"{path}: line {lines[again]} has the object {ids[again]} again")
    return found


def _truth(path: Path, lines: list[int], name: str, column: str, words: list[str]) -> pa.Array:
    """Values of a variable; those that are not numbers, or too large for the width of the column, are refused."""
    whole = name in TRUTH_INTEGERS
    form = WHOLE if whole else NUMBER
    for line, word in zip(lines, words, strict=True):
        if form.fullmatch(word) is None:
            raise DamagedFile(
                f"{path}: line {line}: {name} is {word!r}, not {'a whole number' if whole else 'a number'}"
            )
    if not whole:
        values = np.array(words, np.str_).astype(np.float64)
        kind: type[np.floating[Any]] = np.float64 if column in _DOUBLES else np.float32
        with np.errstate(over="ignore"):
            narrow = values.astype(kind)
        written = np.array(["inf" in word.lower() for word in words], bool)
        wrong = np.isinf(narrow) & ~written
    else:
        bits = 32 if column in _SMALL else 64
        integers = [int(word) for word in words]
        wrong = np.array([not -(2 ** (bits - 1)) <= one < 2 ** (bits - 1) for one in integers], bool)
        narrow = np.array([0 if bad else one for one, bad in zip(integers, wrong, strict=True)], f"i{bits // 8}")
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        raise DamagedFile(f"{path}: line {lines[place]}: {name} is {words[place]}, which does not fit its column")
    return pa.array(narrow)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open("rb") as raw, io.TextIOWrapper(unpacked_stream(raw), "utf-8-sig", errors="replace") as stream:
        try:
            for number, line in enumerate(stream, 1):
                words = line.split()
                if words and not words[0].startswith("#"):
                    yield number, words
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DamagedFile(f"{path} cannot be unpacked: {error}") from None


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
