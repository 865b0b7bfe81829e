"""Watchlist files: the format of a line, and what is wrong with bad lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import astropy.units as u
import numpy as np
import pyarrow as pa
from astropy.coordinates import Latitude, Longitude
from mocpy import MOC
from numpy.typing import NDArray

from broker_assets.sky.cones import ConeIndex, build_cone_index

LARGEST_RADIUS = 360.0
"""arcsec; as on Lasair's web site."""
LONGEST_NAME = 32
"""Maximum number of characters in the name of a cone, as in Lasair's column."""

_SEXAGESIMAL = re.compile(r"^([+-]?)(\d{1,3})[:\s hd°](\d{1,2})[:\s m'′](\d{1,2}(?:\.\d*)?)\s*[s\"″]?$")
_HEADER_NAMES = {"ra": "ra", "raj2000": "ra", "ra_deg": "ra", "dec": "dec", "decl": "dec", "dej2000": "dec",
                 "declination": "dec", "dec_deg": "dec", "name": "name", "id": "name", "radius": "radius"}  # fmt: skip


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
        super().__init__(f"{len(bad)} bad line(s); the first is line {first.line}: {first.reason}")
        self.bad = bad


def parse_angle(text: str, *, hours: bool) -> float:
    """Parse an angle in decimal degrees or sexagesimal format; return degrees.

    Parameters
    ----------
    text : str
        ``12.5``, or ``00:50:00.0``, or ``-29 39 06.9``, or ``12h30m00s``.
    hours : bool
        Sexagesimal numbers are hours (right ascension), not degrees.

    Raises
    ------
    ValueError
        If it is neither.

    Examples
    --------
    >>> parse_angle("00:50:00", hours=True), parse_angle("-00:30:00", hours=False)
    (12.5, -0.5)
    """
    try:
        return float(text)
    except ValueError:
        match = _SEXAGESIMAL.match(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is neither decimal degrees nor sexagesimal")
    sign, whole, minutes, seconds = match.groups()
    if int(minutes) >= 60 or float(seconds) >= 60.0:
        raise ValueError(f"{text!r} has minutes or seconds of 60 or more")
    if hours and int(whole) >= 24:
        raise ValueError(f"{text!r} has hours of 24 or more")
    value = int(whole) + int(minutes) / 60.0 + float(seconds) / 3600.0
    return (-value if sign == "-" else value) * (15.0 if hours else 1.0)


def parse_watchlist(lines: Iterable[str], *, refuse: bool = False, largest_radius: float = LARGEST_RADIUS) -> Cones:
    """Read the lines of a watchlist file.

    Parameters
    ----------
    lines : iterable of str
        ``RA, Dec[, name[, radius]]``, separated by commas or vertical bars; positions in decimal degrees or
        sexagesimal (RA in hours), radius in arcsec. Empty lines and those that begin with ``#`` are ignored. The
        first line may name the columns (``ra, dec, name, radius`` in any order, others ignored).
    refuse : bool
        Reject the whole file if a line is bad, instead of omitting that line.
    largest_radius : float
        arcsec.

    Returns
    -------
    Cones

    Raises
    ------
    BadWatchlist
        If `refuse` is true and a line is bad, or if no line is good.

    Examples
    --------
    >>> cones = parse_watchlist(["# mine", "10.5, -3.25, NGC 1, 20", "oh, no", "00:42:44.3 | +41:16:09 | M 31"])
    >>> cones.ra.round(4), cones.bad[0].reason
    (array([10.5   , 10.6846]), "right ascension 'oh' is neither decimal degrees nor sexagesimal")
    """
    rows: list[tuple[float, float, str | None, float, int]] = []
    bad: list[BadLine] = []
    columns = {"ra": 0, "dec": 1, "name": 2, "radius": 3}
    named_columns = False
    first = True
    for number, text in enumerate(lines, start=1):
        stripped = text.lstrip("\ufeff").strip()
        if not stripped or stripped.startswith("#"):
            continue
        separator = "|" if "|" in stripped else ","
        tokens = [token.strip() for token in next(csv.reader([stripped], delimiter=separator, skipinitialspace=True))]
        if first:
            first = False
            named = {
                _HEADER_NAMES[token.lower()]: at for at, token in enumerate(tokens) if token.lower() in _HEADER_NAMES
            }
            if "ra" in named and "dec" in named:
                columns, named_columns = named, True
                continue
        try:
            if len(tokens) > len(columns) and not named_columns:
                raise ValueError(
                    f"{len(tokens)} columns; without a line of column names the format is `RA, Dec[, name[, radius]]`"
                )
            rows.append((*_cone(tokens, columns, largest_radius), number))
        except ValueError as error:
            bad.append(BadLine(number, stripped, str(error)))
    if bad and (refuse or not rows):
        raise BadWatchlist(tuple(bad))
    if not rows:
        raise BadWatchlist((BadLine(0, "", "the file contains no cone"),))
    ra, dec, name, radius, line = zip(*rows, strict=True)
    return Cones(
        np.mod(np.array(ra, np.float64), 360.0), np.array(dec, np.float64), np.array(radius, np.float64),
        pa.array(name, pa.string()), np.array(line, np.int64), tuple(bad),
    )  # fmt: skip


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
        # A bar anywhere in a line makes bars its separator.
        writer = csv.writer(line, delimiter="|" if "|" in (name or "") else ",", lineterminator="")
        writer.writerow([ra, dec, name or "", "" if np.isnan(radius) else radius])
        yield line.getvalue()


def _cone(tokens: list[str], columns: dict[str, int], largest_radius: float) -> tuple[float, float, str | None, float]:
    """The fields of one line."""
    token = {name: tokens[at] for name, at in columns.items() if at < len(tokens)}
    if "ra" not in token or "dec" not in token:
        raise ValueError(f"{len(tokens)} column(s); the format is `RA, Dec[, name[, radius]]`")
    try:
        ra = parse_angle(token["ra"], hours=True)
    except ValueError as error:
        raise ValueError(f"right ascension {error}") from None
    try:
        dec = parse_angle(token["dec"], hours=False)
    except ValueError as error:
        raise ValueError(f"declination {error}") from None
    if not -360.0 <= ra <= 360.0:  # also rejects NaN
        raise ValueError(f"right ascension {ra} is outside [0, 360] degrees")
    if not -90.0 <= dec <= 90.0:
        raise ValueError(f"declination {dec} is outside [-90, 90] degrees")
    name = token.get("name") or None
    if name is not None and len(name) > LONGEST_NAME:
        raise ValueError(f"name of {len(name)} characters; at most {LONGEST_NAME}")
    if name is not None and not name.isprintable():
        raise ValueError("the name has control characters")
    written = token.get("radius", "")
    if written.lower() in {"", "none", "null", "nan"}:
        return ra, dec, name, np.nan
    try:
        radius = float(written)
    except ValueError:
        raise ValueError(f"radius {written!r} is not a number of arcsec") from None
    if not 0.0 < radius <= largest_radius:
        raise ValueError(f"radius {radius} is not above 0 and at most {largest_radius:g} arcsec")
    return ra, dec, name, radius


def watchlist_mocs(index: ConeIndex, *, order: int, chunk: int | None = None) -> list[MOC]:
    """MOCs that cover the cones, one for each chunk of the list.

    Parameters
    ----------
    index : ConeIndex
        Cones; one call covers any number.
    order : int
        Maximum order.
    chunk : int, optional
        Cones of one MOC; all unless given.

    Returns
    -------
    list of mocpy.MOC
        Each covers its cones completely: it consists of all cells that a cone touches.

    Examples
    --------
    >>> [moc] = watchlist_mocs(build_cone_index([10.0], [0.0], [60.0]), order=13)
    >>> moc.contains_lonlat(10.0 * u.deg, 0.0 * u.deg)
    array([ True])
    """
    step = chunk if chunk is not None else max(len(index), 1)
    return [
        MOC.from_cones(
            Longitude(index.ra[start : start + step], u.deg),
            Latitude(index.dec[start : start + step], u.deg),
            radius=index.radius[start : start + step] * u.arcsec,
            max_depth=order,
            union_strategy="small_cones",
            n_threads=1,
        )
        for start in range(0, len(index), step)
    ]
