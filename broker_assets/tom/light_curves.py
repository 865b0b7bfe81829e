"""Light curves of the objects that brokers reported, in groups of objects, ordered by object and time.

Points are forced photometry, detections, or both: forced photometry, patched with detections that have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from psycopg import sql

from broker_assets.database.border import TIME, Test, one_of
from broker_assets.database.border_sql import MOST_BEYOND, across
from broker_assets.database.fetch import fetch
from broker_assets.database.reductions import ALERTS, points
from broker_assets.database.tables import diaforcedsources, diasources

TOGETHER: Final = 500
"""Objects per group."""
LOOKED_UP: Final = 50_000
"""Objects that are looked up at a time."""
FORCED, DETECTIONS, PATCH = "forced", "detections", "patch"
WHICH: Final = (FORCED, DETECTIONS, PATCH)
"""Points that a light curve may have."""
SAME_TIME: Final = 1.0 / 86_400
"""Days within which a detection and a forced point of a band are the same exposure."""

HOST: Final = (
    *(f"hostgal_{kind}_{band}" for band in "ugrizy" for kind in ("mag", "magerr")),
    *("hostgal_ellipticity", "hostgal_sqradius", "hostgal_snsep"),
)
"""Columns of the host in a light curve."""

_OBJECT: Final = pa.schema(
    [
        ("objectid", pa.int64()),
        ("ra", pa.float64()),
        ("dec", pa.float64()),
        *((name, pa.float32()) for name in HOST),
    ]
)
POINTS: Final = pa.schema(
    [
        ("objectid", pa.int64()),
        ("mjd", pa.float64()),
        ("band", pa.string()),
        ("flux", pa.float32()),
        ("fluxerr", pa.float32()),
        ("id", pa.int64()),
    ]
)
"""Columns of points: MJD TAI, nJy."""

_TABLES: Final = {
    FORCED: (diaforcedsources, "diaforcedsourceid"),
    DETECTIONS: (diasources, "diasourceid"),
}


_OF_ALERTS: Final[Mapping[str, Mapping[int, int]]] = {DETECTIONS: ALERTS, FORCED: ALERTS}


class Connecting(Protocol):
    """Lends connections, each for a short time."""

    def __call__(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """A context manager that lends a connection."""


@dataclass(frozen=True)
class Curves:
    """Light curves of some objects, each of which has points."""

    objects: pa.Table
    """`objectid`, `ra`, `dec` (deg, ICRS) and `HOST`, in the order of `objectid`."""
    points: pa.Table
    """Columns `POINTS`, ordered by object, time and number."""
    begins: NDArray[np.int64]
    """(n + 1,) first point of each object, and the number of points."""


def read_curves(
    connect: Connecting,
    objects: NDArray[np.int64],
    *,
    which: str = FORCED,
    until: float | None = None,
    reductions: Mapping[str, Mapping[int, int]] = _OF_ALERTS,
) -> Iterator[Curves]:
    """Read the light curves of some objects.

    A connection is used only while a group is read, not while a client receives it.

    Parameters
    ----------
    connect : callable
        Source of connections.
    objects : (n,) int64 array
        Objects; unknown ones and those without points are left out.
    which : str
        One of `WHICH`.
    until : float, optional
        Points up to this time, inclusive; MJD TAI.
    reductions : mapping
        Reductions of detections and of forced photometry, with their priorities; see `database.reductions.points`.

    Yields
    ------
    Curves
        Light curves of a group, ordered by object.

    Raises
    ------
    ValueError
        If there is no such kind of points.
    """
    if which not in WHICH:
        raise ValueError(f"there are no points {which!r}; there are {', '.join(WHICH)}")
    wanted = np.unique(objects)
    if len(wanted) > TOGETHER:
        wanted = _known(connect, wanted)
    for start in range(0, len(wanted), TOGETHER):
        with connect() as connection:
            found = curves_of(
                connection, wanted[start : start + TOGETHER], which=which, until=until, reductions=reductions
            )
        yield found


def _known(connect: Connecting, objects: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of many objects that brokers reported: of a list of the whole survey they may be a few."""
    found = []
    for start in range(0, len(objects), LOOKED_UP):
        given = sql.Literal(objects[start : start + LOOKED_UP].tolist())
        query = sql.SQL(
            "SELECT diaobject_id FROM elasticc2_diaobjectdetails WHERE diaobject_id = ANY({}::bigint[]) ORDER BY 1"
        ).format(given)
        with connect() as connection:
            rows = fetch(connection, query, pa.schema([("objectid", pa.int64())]))
        found.append(rows["objectid"].to_numpy())
    return np.concatenate(found)


def curves_of(
    connection: psycopg.Connection[Any],
    objects: NDArray[np.int64],
    *,
    which: str = FORCED,
    until: float | None = None,
    reductions: Mapping[str, Mapping[int, int]] = _OF_ALERTS,
) -> Curves:
    """Read light curves of a few objects; the parameters are those of `read_curves`."""
    given = sql.Literal([int(number) for number in objects])
    known = fetch(
        connection,
        sql.SQL(
            "SELECT diaobject_id, ra, decl, {} FROM elasticc2_diaobject WHERE diaobject_id = ANY({}::bigint[])"
            " ORDER BY diaobject_id"
        ).format(sql.SQL(", ").join(map(sql.Identifier, HOST)), given),
        _OBJECT,
    )
    numbers = known["objectid"].to_pylist()
    if which == PATCH:
        forced, detected = (
            _points(connection, kind, numbers, until, reductions.get(kind, ALERTS)) for kind in (FORCED, DETECTIONS)
        )
        found = patched(forced, detected)
    else:
        found = _points(connection, which, numbers, until, reductions.get(which, ALERTS))
    owner = found["objectid"].to_numpy()
    order = known["objectid"].to_numpy()
    begins = np.searchsorted(owner, order)
    ends = np.searchsorted(owner, order, side="right")
    has = ends > begins
    return Curves(known.filter(pa.array(has)), found, np.append(begins[has], len(owner)))


def patched(forced: pa.Table, detected: pa.Table) -> pa.Table:
    """Forced photometry, and the detections without any.

    A detection has forced photometry if a point of its object has its number, or its band and time.

    Parameters
    ----------
    forced, detected : pyarrow.Table
        Columns `POINTS`.

    Returns
    -------
    pyarrow.Table
        Columns `POINTS`, ordered by object, time and number.

    Examples
    --------
    >>> point = {"objectid": 1, "mjd": 60000.0, "band": "g", "flux": 5.0, "fluxerr": 1.0, "id": 11}
    >>> forced = pa.Table.from_pylist([point], POINTS)
    >>> others = [{**point, "id": 12}, {**point, "id": 13, "band": "r"}]
    >>> patched(forced, pa.Table.from_pylist(others, POINTS))["id"].to_pylist()
    [11, 13]
    """
    by_number = detected.join(forced.select(["objectid", "id"]), ["objectid", "id"], join_type="left anti")
    if not by_number.num_rows:
        return forced
    bands = pa.concat_arrays([*forced["band"].chunks, *by_number["band"].chunks]).dictionary_encode()
    code = pc.fill_null(bands.indices, -1).to_numpy(zero_copy_only=False)
    mine, theirs = code[: forced.num_rows], code[forced.num_rows :]
    # Neighbours in time of the same object and band, before and after each detection.
    order = np.lexsort((forced["mjd"].to_numpy(), mine, forced["objectid"].to_numpy()))
    keys = _keys(forced["objectid"].to_numpy()[order], mine[order], forced["mjd"].to_numpy()[order])
    wanted = _keys(by_number["objectid"].to_numpy(), theirs, by_number["mjd"].to_numpy())
    at = np.searchsorted(keys, wanted)
    seen = np.zeros(len(wanted), bool)
    for neighbour in (at - 1, at):
        place = np.clip(neighbour, 0, max(len(keys) - 1, 0))
        if len(keys):
            near = keys[place]
            same = (near["objectid"] == wanted["objectid"]) & (near["band"] == wanted["band"])
            seen |= same & (np.abs(near["mjd"] - wanted["mjd"]) <= SAME_TIME)
    together = pa.concat_tables([forced, by_number.filter(pa.array(~seen)).select(POINTS.names)])
    return together.sort_by([(name, "ascending") for name in ("objectid", "mjd", "id")])


_KEY: Final = np.dtype([("objectid", "i8"), ("band", "i8"), ("mjd", "f8")])


def _keys(objects: NDArray[Any], bands: NDArray[Any], mjd: NDArray[Any]) -> NDArray[Any]:
    keys = np.empty(len(objects), _KEY)
    keys["objectid"], keys["band"], keys["mjd"] = objects, bands, mjd
    return keys


def _points(
    connection: psycopg.Connection[Any],
    kind: str,
    objects: list[int],
    until: float | None,
    reductions: Mapping[int, int],
) -> pa.Table:
    table, identifier = _TABLES[kind]
    conditions: list[list[Test]] = [[("diaobjectid", "in", objects)]]
    if until is not None:
        conditions.append([(TIME, "<=", until)])
    # The objects are those of ELAsTiCC, so that the covering index has all the columns needed.
    query = sql.SQL("{points} ORDER BY diaobjectid, midpointmjdtai, {id}").format(
        id=sql.Identifier(identifier),
        points=points(
            table.name,
            ["diaobjectid", "midpointmjdtai", "band", "psfflux", "psffluxerr", identifier],
            sql.SQL("diaobjectid = ANY({}){}").format(
                one_of(objects),
                sql.SQL("") if until is None else sql.SQL(" AND midpointmjdtai <= {}").format(sql.Literal(until)),
            ),
            reductions,
            shown=sql.SQL(
                "diaobjectid, midpointmjdtai, CASE band WHEN 'y' THEN 'Y' ELSE band END, psfflux, psffluxerr, {}"
            ).format(sql.Identifier(identifier)),
        ),
    )
    whole = across(connection, query, {table: conditions}, most=MOST_BEYOND)
    return fetch(connection, whole, POINTS)  # type: ignore[arg-type]
