"""Watchlist files: the format of a line, and messages about bad lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import astropy.units as u
import numpy as np
import pyarrow as pa
from astropy.coordinates import Latitude, Longitude
from mocpy import MOC
from numpy.typing import NDArray

from broker_assets.settings.limits import LIMITS, InputLimits
from broker_assets.sky.angles import decimal_number, parse_angle
from broker_assets.sky.cones import ConeIndex, build_cone_index
from broker_assets.sky.separation import check_positions
from broker_assets.sky.watchlist_columns import WITHOUT_NAMES, Columns, UnknownColumns, UnknownUnit, columns_of

LARGEST_RADIUS = 360.0
"""arcsec; as on Lasair's web site."""
LONGEST_NAME = 32
"""Maximum number of characters in the name of a cone, as in Lasair's column."""

_LARGEST_CELL = float(np.degrees(np.sqrt(np.pi / 3.0)) * 3600.0)
"""arcsec; side of a square with the area of a cell of order 0."""
_WIDE: Final = 32.0
"""Radius of a cone, in cells, from which its MOC is made alone: mocpy unites many small cones in one call fast, but its
time for one in such a call grows faster than its cells (order 24: 36 s instead of 0.9 s for a radius of 6 arcmin)."""
_RULE: Final = frozenset("-+=|: \t")
"""Characters of a line that a program draws between the lines of a table."""
_SHOWN = 1000
"""Characters of a bad line that are kept."""
_LONGEST_LINE = 100_000
"""Characters; a longer line is not split, since each of its columns would cost a hundred times its bytes."""
_OTHER_FILES = {
    b"\x1f\x8b": "compressed with gzip; expand it first, with gunzip",
    b"PK\x03\x04": "a zip archive or a workbook; save the list as CSV",
    b"SIMPLE  =": "a FITS file; save its columns ra, dec, name and radius as CSV",
    b"<": "XML or HTML; save the list as CSV",
    b"%PDF": "a PDF; save the list as CSV",
    b"PAR1": "a Parquet file; save its columns ra, dec, name and radius as CSV",
}
"""First bytes of other kinds of files, with what the file is and what to do."""


@dataclass(frozen=True)
class BadLine:
    """A line of a watchlist file that was not accepted."""

    line: int
    """Number of the line in the file, from 1."""
    text: str
    """The line as written."""
    reason: str
    """What is wrong with it, and what is expected."""


@dataclass(frozen=True)
class Cones:
    """Cones of a watchlist file."""

    ra: NDArray[np.float64]
    """(n,) ICRS, degrees, in [0, 360)."""
    dec: NDArray[np.float64]
    """(n,) ICRS, degrees."""
    radius: NDArray[np.float64]
    """(n,) arcsec; NaN if the line specifies none and the default of the list applies."""
    name: pa.StringArray
    """(n,) name, or null."""
    line: NDArray[np.int64]
    """(n,) number of the line in the file, from 1."""
    bad: tuple[BadLine, ...]
    """Lines that were not accepted."""

    def __len__(self) -> int:
        return len(self.ra)

    def index(self, default_radius: float) -> ConeIndex:
        """The cones as an index; those without a radius get the default (arcsec)."""
        radius = np.where(np.isnan(self.radius), default_radius, self.radius)
        return build_cone_index(self.ra, self.dec, radius, name=self.name)


class BadWatchlist(ValueError):
    """The file as a whole is rejected."""

    def __init__(self, bad: tuple[BadLine, ...]) -> None:
        first = bad[0]
        lines = f"{len(bad)} bad line(s); the first is line {first.line}: " if first.line else ""
        super().__init__(lines + first.reason)
        self.bad = bad


def read_watchlist(
    content: bytes, *, refuse: bool = False, largest_radius: float = LARGEST_RADIUS, limits: InputLimits = LIMITS
) -> Cones:
    """Read a watchlist file; see `parse_watchlist` for its lines.

    Parameters
    ----------
    content : bytes
        UTF-8 text. Only LF, CR LF and CR end a line.
    refuse, largest_radius, limits : bool, float, InputLimits
        See `parse_watchlist`.

    Raises
    ------
    BadWatchlist
        If it is not UTF-8 text or is too large, and in the cases of `parse_watchlist`.

    Examples
    --------
    >>> len(read_watchlist(b"10.5, -3.25\\r\\n11.5, -3.25\\r\\n"))
    2
    """
    if len(content) > limits.watchlist_bytes:
        reason = f"{len(content):,} bytes, more than {limits.watchlist_bytes:,} (BROKER_LIMITS__WATCHLIST_BYTES)"
        raise BadWatchlist((BadLine(0, "", reason),))
    beginning = content[:100].removeprefix(b"\xef\xbb\xbf").lstrip()
    other = next((what for first, what in _OTHER_FILES.items() if beginning.startswith(first)), None)
    if other is not None:
        raise BadWatchlist((BadLine(0, "", f"this is {other}"),))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadWatchlist((BadLine(0, "", f"not UTF-8 text at byte {error.start}; save the list as UTF-8"),)) from None
    lines = (line[:-1] for line in io.StringIO(text + "\n", newline=None))
    return parse_watchlist(lines, refuse=refuse, largest_radius=largest_radius, limits=limits)


def parse_watchlist(
    lines: Iterable[str],
    *,
    refuse: bool = False,
    largest_radius: float = LARGEST_RADIUS,
    limits: InputLimits = LIMITS,
) -> Cones:
    """Read the lines of a watchlist file.

    Parameters
    ----------
    lines : iterable of str
        ``RA, Dec[, name[, radius]]``, separated by commas, semicolons, tabs or vertical bars, which may also enclose
        each line; positions in decimal degrees or sexagesimal (RA in hours, unless its marks are those of degrees),
        radius in arcsec; quotes around fields as in CSV, closed in the same line. Empty lines, those that begin with
        ``#``, and the rules of drawn tables are ignored. The first line may name the columns, see `columns_of`.
    refuse : bool
        Reject the whole file if a line is bad, instead of omitting that line.
    largest_radius : float
        arcsec.
    limits : InputLimits
        `watchlist_rows` limits the lines, `watchlist_bad_lines` those that are bad.

    Returns
    -------
    Cones

    Raises
    ------
    BadWatchlist
        If `refuse` is true and a line is bad, if no line is good, if there are too many lines or bad lines, or if the
        first line names columns that are not understood.

    Examples
    --------
    >>> cones = parse_watchlist(["# mine", "10.5, -3.25, NGC 1, 20", "oh, no", "00:42:44.3 | +41:16:09 | M 31"])
    >>> cones.ra.round(4), cones.bad[0].reason
    (array([10.5   , 10.6846]), "right ascension 'oh' is neither decimal degrees nor sexagesimal")
    """
    rows: list[tuple[float, float, str | None, float, int]] = []
    bad: list[BadLine] = []
    columns: Columns | None = None
    commented: Columns | None = None
    separator: str | None = None
    is_drawn = False
    for number, text in enumerate(lines, start=1):
        if number > limits.watchlist_rows:
            reason = f"more than {limits.watchlist_rows:,} lines (BROKER_LIMITS__WATCHLIST_ROWS)"
            raise BadWatchlist((BadLine(0, "", reason),))
        stripped = (text.removeprefix("\ufeff") if number == 1 else text).strip()
        try:
            if stripped.startswith("#") and columns is None:
                commented = commented or _commented_columns(stripped.lstrip("# "))
            if not stripped or stripped.startswith("#") or _RULE.issuperset(stripped):
                continue
            if columns is None:
                is_drawn = _is_framed(stripped)
            elif is_drawn and not _is_framed(stripped):
                raise ValueError("it does not begin and end with |, as the first line does")
            tokens = _fields(stripped[1:-1] if is_drawn else stripped, separator)
            if columns is None:
                named = columns_of(tokens)
                columns = named or commented or WITHOUT_NAMES
                if named is not None:
                    separator = _separator(stripped)
                    continue
            rows.append((*_cone(tokens, columns, largest_radius), number))
        except UnknownColumns as error:
            raise BadWatchlist((BadLine(number, stripped[:_SHOWN], str(error)),)) from None
        except ValueError as error:
            bad.append(BadLine(number, stripped[:_SHOWN], str(error)))
            if len(bad) > limits.watchlist_bad_lines:
                first = f"the first is line {bad[0].line}: {bad[0].reason}"
                reason = f"more than {limits.watchlist_bad_lines:,} bad lines; {first}"
                raise BadWatchlist((BadLine(0, "", f"{reason} (BROKER_LIMITS__WATCHLIST_BAD_LINES)"),)) from None
    if bad and (refuse or not rows):
        raise BadWatchlist(tuple(bad))
    if not rows:
        raise BadWatchlist((BadLine(0, "", "the file contains no cone"),))
    ra, dec, name, radius, line = zip(*rows, strict=True)
    return Cones(
        *check_positions(ra, dec), np.array(radius, np.float64),
        pa.array(name, pa.string()), np.array(line, np.int64), tuple(bad),
    )  # fmt: skip


def _commented_columns(comment: str) -> Columns | None:
    """The columns that a comment before the first line names, if they are not those of files without names.

    Raises
    ------
    UnknownColumns
        If it names right ascension and declination in units that are not understood: numbers would be taken for
        degrees.
    """
    try:
        columns = columns_of(_fields(comment))
    except UnknownUnit:
        raise
    except ValueError:  # a sentence, or names of other columns
        return None
    if columns is None:
        return None
    usual = WITHOUT_NAMES
    same = (columns.ra, columns.dec) == (usual.ra, usual.dec) and columns.ra_unit != "hours"
    # "# ra, dec" is short for the columns of files without names.
    if same and columns.number > 2:
        same = (columns.name, columns.radius) in ((usual.name, usual.radius), (usual.name, None))
        same = same and columns.radius_unit == usual.radius_unit
    return None if same else columns


def _fields(line: str, separator: str | None = None) -> list[str]:
    """The fields of a line; `ValueError` if a quote is open at its end, or something follows a closed one.

    A line with a vertical bar is split at bars, any other at the separator of the line that names the columns, or at
    its own.
    """
    if len(line) > _LONGEST_LINE:
        raise ValueError(f"a line of {len(line):,} characters; at most {_LONGEST_LINE:,}")
    delimiter = "|" if "|" in line else separator or _separator(line)
    try:
        [fields] = csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True)
    except csv.Error as error:
        raise ValueError(f"not a line of CSV: {error}; close quotes on their line, before the next comma") from None
    except ValueError:
        raise ValueError("it contains a line break") from None
    return [field.strip() for field in fields]


def _is_framed(line: str) -> bool:
    """Whether a line is one of a table that a program has drawn, `| 10.5 | -3.25 |`."""
    return len(line) > 1 and line.startswith("|") and line.endswith("|")


def _separator(line: str) -> str:
    """The first of comma, semicolon and tab in a line; a tab before one of the others is white space.

    Examples
    --------
    >>> [_separator(line) for line in ("1; 2; a, b", "1\\t2", "1\\t, 2", "1,\\t2", "1")]
    [';', '\\t', ',', ',', ',']
    """
    first = min((at for at in map(line.find, ",;\t") if at >= 0), default=None)
    if first is None:
        return ","
    beyond = line[first:].lstrip()[0]
    return beyond if beyond in ",;" else "\t"


def watchlist_lines(cones: Cones) -> Iterator[str]:
    """Lines of a watchlist file, without line ends, that `parse_watchlist` reads as the same cones.

    Parameters
    ----------
    cones : Cones
        Cones; those without a radius get none in the file.

    Examples
    --------
    >>> list(watchlist_lines(parse_watchlist(["10.5 | -3.25 | NGC 1, north | 20"])))
    ['ra,dec,name,radius', '10.5,-3.25,"NGC 1, north",20.0']
    """
    yield "ra,dec,name,radius"
    columns = (cones.ra.tolist(), cones.dec.tolist(), cones.name.to_pylist(), cones.radius.tolist())
    for ra, dec, name, radius in zip(*columns, strict=True):
        line = io.StringIO()
        # A line with a vertical bar anywhere is split at bars.
        writer = csv.writer(line, delimiter="|" if "|" in (name or "") else ",", lineterminator="")
        writer.writerow([ra, dec, name or "", "" if np.isnan(radius) else radius])
        yield line.getvalue()


def _cone(tokens: list[str], columns: Columns, largest_radius: float) -> tuple[float, float, str | None, float]:
    """The fields of one line."""
    while len(tokens) > columns.number and not tokens[-1]:
        tokens.pop()  # lines exported from spreadsheets end in separators
    if len(tokens) > columns.number:
        raise ValueError(f"{len(tokens)} columns, more than {columns.number}; the format is {columns.shown}")
    if len(tokens) <= max(columns.ra, columns.dec):
        raise ValueError(f"{len(tokens)} column(s); the format is {columns.shown}")
    try:
        ra = parse_angle(
            tokens[columns.ra], hours=columns.ra_unit != "degrees", decimal_hours=columns.ra_unit == "hours"
        )
    except ValueError as error:
        raise ValueError(f"right ascension {error}") from None
    try:
        dec = parse_angle(tokens[columns.dec], hours=False)
    except ValueError as error:
        raise ValueError(f"declination {error}") from None
    if not -360.0 <= ra <= 360.0:
        raise ValueError(f"right ascension {ra} is outside [-360, 360] degrees")
    if not -90.0 <= dec <= 90.0:
        raise ValueError(f"declination {dec} is outside [-90, 90] degrees")
    name = _optional(tokens, columns.name) or None
    if name is not None and len(name) > LONGEST_NAME:
        raise ValueError(f"name of {len(name)} characters; at most {LONGEST_NAME}")
    if name is not None and not name.isprintable():
        raise ValueError("the name has control characters or separators of lines")
    written = _optional(tokens, columns.radius)
    if written.lower() in {"", "none", "null", "nan"}:
        return ra, dec, name, np.nan
    try:
        radius = decimal_number(written) * columns.radius_unit
    except ValueError:
        raise ValueError(f"radius {written!r} is not a number") from None
    if not 0.0 < radius <= largest_radius:
        raise ValueError(f"radius {radius} is not above 0 and at most {largest_radius:g} arcsec")
    return ra, dec, name, radius


def _optional(tokens: list[str], column: int | None) -> str:
    return tokens[column] if column is not None and column < len(tokens) else ""


def watchlist_mocs(
    index: ConeIndex, *, order: int, chunk: int | None = None, most_cells: int | None = None
) -> list[MOC]:
    """MOCs that cover the cones, one for each chunk of the list.

    Parameters
    ----------
    index : ConeIndex
        Cones; one call covers any number.
    order : int
        Maximum order.
    chunk : int, optional
        Number of cones in a MOC; default: all.
    most_cells : int, optional
        Approximate number of cells, at most; default: no limit.

    Returns
    -------
    list of mocpy.MOC
        Each covers its cones completely: it consists of all cells that a cone touches.

    Raises
    ------
    ValueError
        If there would be more than `most_cells`.

    Examples
    --------
    >>> [moc] = watchlist_mocs(build_cone_index([10.0], [0.0], [60.0]), order=13)
    >>> moc.contains_lonlat(10.0 * u.deg, 0.0 * u.deg)
    array([ True])
    """
    # About three cells, those of several orders included, per cell width along the border of a cone.
    width = _LARGEST_CELL / 2**order
    cells = 3.0 * 2.0 * np.pi * float(index.radius.sum()) / width
    if most_cells is not None and cells > most_cells:
        raise ValueError(
            f"the MOC needs about {cells:,.0f} cells at order {order}, more than {most_cells:,}"
            " (BROKER_LIMITS__WATCHLIST_CELLS); choose a lower order"
        )
    step = chunk if chunk is not None else max(len(index), 1)
    return [_moc_of_rows(index, slice(start, start + step), order) for start in range(0, len(index), step)]


def _moc_of_rows(index: ConeIndex, rows: slice, order: int) -> MOC:
    ra, dec = Longitude(index.ra[rows], u.deg), Latitude(index.dec[rows], u.deg)
    radius = index.radius[rows]
    wide = radius > _WIDE * _LARGEST_CELL / 2**order
    ranges = [
        MOC.from_cone(ra[row], dec[row], radius=radius[row] * u.arcsec, max_depth=order).to_depth29_ranges
        for row in np.flatnonzero(wide)
    ]
    if not wide.all():
        small = MOC.from_cones(
            ra[~wide], dec[~wide], radius=radius[~wide] * u.arcsec, max_depth=order,
            union_strategy="small_cones", n_threads=1,
        )  # fmt: skip
        if not ranges:
            return small
        ranges.append(small.to_depth29_ranges)
    return MOC.from_depth29_ranges(order, np.concatenate(ranges))
