"""Objects of different surveys that are one source on the sky: pairs nearer than a radius, kept as state.

A link joins two objects of different surveys whose newest positions are within the radius. So the links are a function
of the positions and the radius alone: neither the order in which objects arrive nor that in which nights are linked
matters. A source is everything that links connect. Objects that had an alert in a night are linked again, against all
objects as they are; a night whose rows change is linked again, so that no move is missed.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Final

import cdshealpix
import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from psycopg import sql

from broker_assets.accounting.facts import NightRows, row_hashes
from broker_assets.database import copy
from broker_assets.database.fetch import fetch
from broker_assets.database.number_arrays import distinct
from broker_assets.database.tables import object_link, object_link_history
from broker_assets.provenance.periods import record_changes
from broker_assets.sky.cells import DEEPEST, cells_at, unique_cell
from broker_assets.sky.hits import objects_in_cells
from broker_assets.sky.separation import check_positions, separation

LINK_VERSION: Final = "1"
ASSET: Final = "object_link"
OBJECTS: Final = 50_000
"""Objects that are linked at a time."""
MOST_MEMBERS: Final = 100
"""Objects of a source, at most: links that connect more are chains in a crowded field."""
_LOCK: Final = 0x6C696E6B
"""Advisory lock for writing links: writers take turns, and each sees what the stream stored before it began."""
_MARGIN: Final = 8.0
"""Side of a cell in units of the radius: a cell and its neighbours hold everything within the radius of a position,
even where cells are narrow."""


@dataclass(frozen=True)
class Placed:
    """Objects with their positions; (n,) arrays."""

    diaobjectid: NDArray[np.int64]
    ra: NDArray[np.float64]
    """ICRS, degrees, in [0, 360)."""
    dec: NDArray[np.float64]
    """ICRS, degrees."""
    survey: NDArray[np.int16]
    """See `database.tables.SURVEYS`."""

    @classmethod
    def of(cls, diaobjectid: ArrayLike, ra: ArrayLike, dec: ArrayLike, survey: ArrayLike) -> Placed:
        """Check and convert.

        Parameters
        ----------
        diaobjectid : (n,) int array
            Objects.
        ra, dec : (n,) float array
            ICRS, degrees.
        survey : (n,) int array
            See `database.tables.SURVEYS`.

        Raises
        ------
        ValueError
            If a position is not valid; see `check_positions`.
        """
        longitude, latitude = check_positions(ra, dec)
        return cls(np.asarray(diaobjectid, np.int64), longitude, latitude, np.asarray(survey, np.int16))

    def part(self, begin: int, end: int) -> Placed:
        """The objects from `begin` up to `end`."""
        rows = slice(begin, end)
        return Placed(self.diaobjectid[rows], self.ra[rows], self.dec[rows], self.survey[rows])

    def __len__(self) -> int:
        return len(self.diaobjectid)


def version(radius: float) -> str:
    """Version of the links: that of the code, with the radius on which they depend.

    Examples
    --------
    >>> version(1.5)
    'links 1, radius 1.5'
    """
    return f"links {LINK_VERSION}, radius {radius:g}"


def pairs(moved: Placed, others: Placed, radius: float) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
    """Pairs of different surveys within the radius.

    Parameters
    ----------
    moved, others : Placed
        n and m objects; an object may be among both.
    radius : float
        Arcseconds.

    Returns
    -------
    first, second : (k,) int64 arrays
        Rows in `moved` and `others`.
    arcsec : (k,) float64 array
        Separation, great circle.

    Examples
    --------
    >>> one = Placed.of([1], [359.9999], [0.0], [1])
    >>> pairs(one, Placed.of([7, 8, 9], [0.0001, 0.0001, 0.1], [0.0] * 3, [2, 1, 2]), 1.0)[1:]
    (array([0]), array([0.72]))
    """
    order = _order(radius)
    cell, around = _with_neighbours(moved, order)
    of_others = cells_at(others.ra, others.dec, order)
    sorting = np.argsort(of_others, kind="stable")
    of_others = of_others[sorting]
    begin = np.searchsorted(of_others, around, "left")
    count = np.searchsorted(of_others, around, "right") - begin
    first = np.repeat(cell, count)
    within = np.arange(len(first)) - np.repeat(np.cumsum(count) - count, count)
    second = sorting[np.repeat(begin, count) + within]
    apart = moved.survey[first] != others.survey[second]
    first, second = first[apart], second[apart]
    arcsec = separation(moved.ra[first], moved.dec[first], others.ra[second], others.dec[second])
    near = arcsec <= radius
    return first[near], second[near], arcsec[near]


def _order(radius: float) -> int:
    """HEALPix order of cells that are larger than the radius by the margin."""
    side = np.degrees(np.sqrt(4.0 * np.pi / 12.0)) * 3600.0
    return int(np.clip(np.floor(np.log2(side / (_MARGIN * radius))), 0, DEEPEST))


def _with_neighbours(placed: Placed, order: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The cell of each position and those around it: rows of the positions, and cells; each cell once per position."""
    own = cells_at(placed.ra, placed.dec, order)
    if order == 0:  # cells of order 0 have too few neighbours to hold a radius: take all twelve
        row = np.repeat(np.arange(len(own)), 12)
        return row, np.tile(np.arange(12, dtype=np.int64), len(own))
    around = np.asarray(cdshealpix.neighbours(own.astype(np.uint64), order, num_threads=1)).astype(np.int64)
    row = np.repeat(np.arange(len(own)), 9)
    cell = around.reshape(len(own), 9).ravel() if len(own) else np.zeros(0, np.int64)
    known = cell >= 0  # at the corners of base cells a neighbour is missing
    return row[known], cell[known]


def link_night(connection: psycopg.Connection[Any], night: str, radius: float) -> NightRows:
    """Link the objects that had an alert in a night, against all objects as they are now.

    Parameters
    ----------
    connection : psycopg.Connection
        In the caller's transaction, of isolation READ COMMITTED.
    night : str
        Key `YYYY-MM-DD`.
    radius : float
        Arcseconds.
    """
    day = datetime.date.fromisoformat(night)
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    # Links of the same night whose object no longer exists after a reprocessing.
    connection.execute(
        "DELETE FROM object_link WHERE night = %s AND (NOT EXISTS (SELECT FROM objects WHERE objects.diaobjectid ="
        " object_link.diaobjectid) OR NOT EXISTS (SELECT FROM objects WHERE objects.diaobjectid ="
        " object_link.linkedid))",
        (day,),
    )
    moved = _moved(connection, day)
    written, checksum = 0, 0
    for begin in range(0, len(moved), OBJECTS):
        part = moved.part(begin, begin + OBJECTS)
        rows = _rows(part, _near(connection, part, radius), radius, day)
        _replace(connection, part.diaobjectid, rows)
        written += rows.num_rows
        checksum += int(np.add.reduce(row_hashes(rows.drop_columns(["night"])), dtype=np.uint64))
    identifiers = sql.Literal(moved.diaobjectid.tolist())
    changed = sql.SQL(
        "(diaobjectid = ANY({0}::bigint[]) OR linkedid = ANY({0}::bigint[]) OR night = {1}::date)"
    ).format(identifiers, sql.Literal(night))
    record_changes(connection, object_link, object_link_history, key=["diaobjectid", "linkedid"], only=changed)
    return NightRows(len(moved), written, checksum % (1 << 64))


_OBJECT: Final = pa.schema(
    [("diaobjectid", pa.int64()), ("ra", pa.float64()), ("decl", pa.float64()), ("survey", pa.int16())]
)


def _moved(connection: psycopg.Connection[Any], night: datetime.date) -> Placed:
    query = sql.SQL(
        "SELECT diaobjectid, ra, decl, objects.survey FROM objects JOIN (SELECT DISTINCT diaobjectid FROM diasources"
        " WHERE night = {}::date AND archivefileid IS NOT NULL AND diaobjectid <> 0) AS seen USING (diaobjectid)"
        " WHERE ra >= 0 AND ra < 360 AND decl BETWEEN -90 AND 90 ORDER BY diaobjectid"
    ).format(sql.Literal(night.isoformat()))
    rows = fetch(connection, query, _OBJECT)
    return Placed.of(*(rows[name].to_numpy() for name in _OBJECT.names))


def _near(connection: psycopg.Connection[Any], moved: Placed, radius: float) -> Placed:
    """Objects of other surveys in the cells of the moved objects and around them."""
    order = _order(radius)
    _, cells = _with_neighbours(moved, order)
    found = objects_in_cells(connection, unique_cell(order, distinct(cells)))
    query = sql.SQL("SELECT diaobjectid, survey FROM objects WHERE diaobjectid = ANY({}::bigint[])").format(
        sql.Literal(found.diaobjectid.tolist())
    )
    known = fetch(connection, query, pa.schema([_OBJECT.field("diaobjectid"), _OBJECT.field("survey")]))
    sorting = np.argsort(known["diaobjectid"].to_numpy())
    identifiers, survey = known["diaobjectid"].to_numpy()[sorting], known["survey"].to_numpy()[sorting]
    kept = np.isin(found.diaobjectid, identifiers) & np.isfinite(found.ra) & (np.abs(found.dec) <= 90.0)
    identifier = found.diaobjectid[kept]
    return Placed.of(identifier, found.ra[kept], found.dec[kept], survey[np.searchsorted(identifiers, identifier)])


def _rows(moved: Placed, others: Placed, radius: float, night: datetime.date) -> pa.Table:
    """Rows of the links of some objects, in both directions, each once."""
    first, second, arcsec = pairs(moved, others, radius)
    one = np.concatenate([moved.diaobjectid[first], others.diaobjectid[second]])
    other = np.concatenate([others.diaobjectid[second], moved.diaobjectid[first]])
    both = np.concatenate([moved.survey[first], others.survey[second]])
    across = np.concatenate([others.survey[second], moved.survey[first]])
    order = np.lexsort((other, one))
    first_of_pair = np.ones(len(order), bool)
    first_of_pair[1:] = (np.diff(one[order]) != 0) | (np.diff(other[order]) != 0)
    place = order[first_of_pair]
    return pa.table(
        {
            "diaobjectid": one[place],
            "linkedid": other[place],
            "arcsec": np.concatenate([arcsec, arcsec])[place],
            "night": pa.repeat(pa.scalar(night, pa.date32()), len(place)),
            "survey": both[place],
            "linkedsurvey": across[place],
        }
    )


def _replace(connection: psycopg.Connection[Any], moved: NDArray[np.int64], rows: pa.Table) -> None:
    """Replace the links of some objects, in both directions."""
    identifiers = moved.tolist()
    connection.execute(
        "DELETE FROM object_link AS back USING object_link AS link WHERE link.diaobjectid = ANY(%s)"
        " AND back.diaobjectid = link.linkedid AND back.linkedid = link.diaobjectid",
        (identifiers,),
    )
    connection.execute("DELETE FROM object_link WHERE diaobjectid = ANY(%s)", (identifiers,))
    with connection.cursor() as cursor:
        copy.load(cursor, object_link, rows)


@dataclass(frozen=True)
class Member:
    """An object of a source."""

    diaobjectid: int
    survey: int
    """See `database.tables.SURVEYS`."""


def members(connection: psycopg.Connection[Any], diaobjectid: int) -> list[Member]:
    """The objects that are the same source as an object: all that links connect, itself first; empty if it is unknown.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    diaobjectid : int
        Any object of the source; all give the same set.
    """
    rows = connection.execute(
        "WITH RECURSIVE source (diaobjectid) AS (SELECT %(id)s::bigint UNION"
        " SELECT link.linkedid FROM source JOIN object_link AS link USING (diaobjectid))"
        " SELECT diaobjectid, survey FROM (SELECT * FROM source LIMIT %(most)s) AS found JOIN objects"
        " USING (diaobjectid) ORDER BY diaobjectid <> %(id)s, survey, diaobjectid",
        {"id": diaobjectid, "most": MOST_MEMBERS},
    )
    return [Member(*row) for row in rows]


def describe_night(connection: psycopg.Connection[Any], night: str) -> dict[str, Any]:
    """What materialisations of a night show: numbers of pairs by surveys, and their separations."""
    rows = connection.execute(
        "SELECT survey, linkedsurvey, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY arcsec), max(arcsec)"
        " FROM object_link WHERE night = %s AND survey < linkedsurvey GROUP BY 1, 2 ORDER BY 1, 2",
        (night,),
    )
    return {
        f"surveys {one} and {other}": {"pairs": count, "median (arcsec)": round(middle, 3), "largest": round(most, 3)}
        for one, other, count, middle, most in rows
    }
