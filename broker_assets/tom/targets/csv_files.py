"""Targets as CSV, in the columns of TOM Toolkit's export: read row by row, and written.

Columns are the fields of `fields`, `name`, `type`, `scheme`; other columns that begin with `name` have aliases,
`groups` the groups that a target is shared with, and all others are further fields. What the platform computes or sets
itself (`galactic_lng`, `galactic_lat`, `created`, `modified`, `permissions`, `id`) is written but not read.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from broker_assets.tom.targets.fields import (
    COLUMNS,
    COMPUTED,
    ELEMENTS,
    POSITION,
    BadTarget,
    Draft,
    checked,
    is_reserved,
)
from broker_assets.tom.targets.store import Target

MOST_ROWS: Final = 100_000
"""Most rows of a file."""
_FIRST: Final = ("name", "type", "created", "modified", *POSITION, "galactic_lng", "galactic_lat", "scheme", *ELEMENTS)


class BadFile(ValueError):
    """A file cannot be read at all; the message says why."""


@dataclass(frozen=True)
class Row:
    """A row that describes a valid target."""

    line: int
    """Line of the file at which the row begins."""
    draft: Draft
    groups: tuple[str, ...] = ()
    """Groups with which it is shared."""


@dataclass(frozen=True)
class Refused:
    """A row that does not describe a valid target."""

    line: int
    text: str
    """The row as CSV."""
    reason: str


@dataclass
class Reading:
    """Content of a file."""

    rows: list[Row] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    header: str = ""
    """The first line, as CSV: with it, the refused rows form a file again."""


def read_targets(content: bytes | str) -> Reading:
    """Read a file of targets.

    Parameters
    ----------
    content : bytes or str
        CSV with a line of column names, UTF-8. Where that line has no comma, semicolons or tabs may divide the cells,
        as spreadsheets write them.

    Returns
    -------
    Reading
        Valid rows, and refused rows with line and reason; each row is one or the other.

    Raises
    ------
    BadFile
        If it is not UTF-8, has no column `name`, has a column twice, or is too long.

    Examples
    --------
    >>> found = read_targets("name,type,ra,dec,name2,class\\nM 1,SIDEREAL,83,22,NGC 1952,SNR\\nx,SIDEREAL,400,0,,\\n")
    >>> [(row.line, row.draft.name, row.draft.aliases, row.draft.extras) for row in found.rows]
    [(2, 'M 1', ('NGC 1952',), {'class': 'SNR'})]
    >>> [(one.line, one.reason) for one in found.refused]
    [(3, 'ra: 400 is not from 0 to 360')]
    """
    text = _text(content)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    rows = _rows(lines)
    first = next(rows, None)
    if first is None or first[2]:
        raise BadFile(f"the file has no line of column names{f': {first[2]}' if first is not None else ''}")
    columns = [name.strip() for name in first[1]]
    known = [name.lower() if name.lower() in COLUMNS | COMPUTED | {"groups"} else name for name in columns]
    if "name" not in known:
        raise BadFile(f"no column is called `name`; there are {', '.join(columns)[:200]}")
    twice = next((name for name in known if name and known.count(name) > 1), None)
    if twice is not None:
        raise BadFile(f"two columns are called {twice!r}")
    found = Reading(header=_line(columns))
    for line, cells, broken in rows:
        if not any(cell.strip() for cell in cells) and not broken:
            continue
        if len(found.rows) + len(found.refused) >= MOST_ROWS:
            raise BadFile(f"the file has more than {MOST_ROWS:,} rows")
        try:
            if broken:
                raise BadTarget(broken)
            if len(cells) > len(known):
                raise BadTarget(f"the row has {len(cells)} cells, and the file {len(known)} columns")
            found.rows.append(_row(line, dict(zip(known, cells, strict=False))))
        except BadTarget as error:
            found.refused.append(Refused(line, _line(cells), str(error)))
    return found


def _text(content: bytes | str) -> str:
    if isinstance(content, bytes):
        try:
            content = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadFile(f"the file is not UTF-8: byte {error.start}") from None
    return content.removeprefix("\ufeff")


def _delimiter(text: str) -> str:
    header = text.lstrip("\r\n").partition("\n")[0]
    return next((mark for mark in ",;\t" if mark in header), ",")


def _rows(reader: Any) -> Iterator[tuple[int, list[str], str]]:
    """Line, cells and problem of each row; reading continues after a row that is not CSV."""
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader), ""
        except StopIteration:
            return
        except csv.Error as error:
            yield line, [], f"this is not CSV: {error}"


def _row(line: int, cells: dict[str, str]) -> Row:
    given: dict[str, Any] = {name: value for name, value in cells.items() if name in COLUMNS and value.strip()}
    others = {name: value for name, value in cells.items() if name and name not in COLUMNS | COMPUTED | {"groups"}}
    given["aliases"] = [value for name, value in others.items() if name.lower().startswith("name")]
    tags = next((value for name, value in others.items() if name.lower() == "tags"), "")
    given["tags"] = tags.split(";")
    given["extras"] = {name: value for name, value in others.items() if not is_reserved(name)}
    groups = tuple(name.strip() for name in cells.get("groups", "").split(",") if name.strip())
    return Row(line, checked(given), groups)


def write_targets(targets: Sequence[Target]) -> Iterator[str]:
    """The lines of a file with targets, which `read_targets` and TOM Toolkit read.

    Parameters
    ----------
    targets : sequence of Target
        Targets to write; there are columns for the further fields and aliases of any of them.
    """
    aliases = max((len(target.aliases) for target in targets), default=0)
    extras = sorted({name for target in targets for name in target.extras})
    further = [*(["diaobjectid"] if any(target.diaobjectid for target in targets) else [])]
    further += ["tags"] if any(target.tags for target in targets) else []
    columns = [*_FIRST, *further, *extras, *(f"name{number + 2}" for number in range(aliases))]
    yield _line(columns) + "\r\n"
    for target, place in zip(targets, _galactic(targets), strict=True):
        cells = target.given | {"created": target.created.isoformat(), "modified": target.modified.isoformat()}
        cells |= dict(zip(("galactic_lng", "galactic_lat"), place, strict=True))
        cells |= target.extras | {"tags": ";".join(target.tags)}
        cells |= {f"name{number + 2}": alias for number, alias in enumerate(target.aliases)}
        yield _line(["" if (value := cells.get(name)) is None else value for name in columns]) + "\r\n"


def _galactic(targets: Sequence[Target]) -> list[tuple[float | None, float | None]]:
    """Galactic longitude and latitude of each target, degrees."""
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    placed = [target for target in targets if target.ra is not None and target.dec is not None]
    found: dict[int, tuple[float | None, float | None]] = {}
    if placed:
        ra, dec = ([getattr(one, name) for one in placed] for name in ("ra", "dec"))
        there = SkyCoord(ra * u.deg, dec * u.deg, frame="icrs").galactic
        for one, longitude, latitude in zip(placed, there.l.deg.tolist(), there.b.deg.tolist(), strict=True):
            found[one.targetid] = (round(longitude, 6), round(latitude, 6))
    return [found.get(one.targetid, (None, None)) for one in targets]


def _line(cells: Iterable[Any]) -> str:
    out = io.StringIO()
    # Cells with characters of the line end are quoted.
    csv.writer(out, lineterminator="\r\n").writerow(list(cells))
    return out.getvalue().removesuffix("\r\n")
