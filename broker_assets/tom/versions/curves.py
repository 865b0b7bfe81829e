"""Light curves of root objects in a processing version.

A light curve has the points of all objects of its root object. Of the rows of a visit, those of the base version with
the highest priority count: one detection and one forced measurement. If a survey does not number visits, they are
identified by their time, to a tenth of a second.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.database import border
from broker_assets.database.point_identity import TENTHS_OF_A_SECOND
from broker_assets.database.tables import diaforcedsources, diasources
from broker_assets.tom.light_curves import DETECTIONS, PATCH, WHICH
from broker_assets.tom.versions import definitions
from broker_assets.tom.versions.definitions import Version

Connection = psycopg.Connection[Any]

_TABLES: Final = {
    definitions.DETECTIONS: (diasources, "diasourceid"),
    definitions.FORCED: (diaforcedsources, "diaforcedsourceid"),
}
POSITION: Final = ("ra", "dec", "raerr", "decerr", "ra_dec_cov")
_COLUMNS: Final = ("diaobjectid", "visit", border.TIME, "band", "psfflux", "psffluxerr")
_PLACES: Final = ("ra", "decl", "raerr", "decerr", "ra_dec_cov")
_NAMES: Final = {border.TIME: "mjd", "psfflux": "flux", "psffluxerr": "fluxerr", "decl": "dec"}
"""Names of columns in light curves."""
_FEW_MOVED: Final = 1000
"""Largest number of reassigned detections in a range for which all of them are read, instead of looking up each."""


@dataclass(frozen=True)
class Roots:
    """Root objects and their objects."""

    identifiers: tuple[uuid.UUID, ...]
    objects: NDArray[np.int64]
    """(n,) their objects."""
    places: NDArray[np.int64]
    """(n,) index in `identifiers` of the root object to which each belongs."""


@dataclass(frozen=True)
class RootCurves:
    """Light curves, in the order of `Roots.identifiers`; root objects without points are left out."""

    identifiers: tuple[uuid.UUID, ...]
    columns: dict[str, NDArray[Any]]
    """Points, ordered by root object and time; masked where there is no point of that kind."""
    begins: NDArray[np.int64]
    """(n + 1,) first point of each root object, and the number of points."""


def find_roots(connection: Connection, given: Sequence[int] | Sequence[uuid.UUID]) -> Roots:
    """Root objects by their identifiers, or by those of their objects; unknown ones are left out.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    given : sequence of int or of UUID
        Objects, or root objects.

    Returns
    -------
    Roots
        Ordered by identifier.
    """
    by_object = bool(given) and not isinstance(given[0], uuid.UUID)
    chosen = (
        "SELECT rootid FROM diaobject WHERE diaobjectid = ANY(%s::bigint[])"
        if by_object
        else "SELECT unnest(%s::uuid[])"
    )
    rows = connection.execute(
        f"SELECT rootid, diaobjectid FROM diaobject WHERE rootid IN ({chosen}) ORDER BY 1, 2",  # type: ignore[arg-type]  # noqa: S608
        (list(given),),
    ).fetchall()
    identifiers = tuple(dict.fromkeys(row[0] for row in rows))
    place = {identifier: number for number, identifier in enumerate(identifiers)}
    return Roots(
        identifiers,
        np.array([row[1] for row in rows], np.int64),
        np.array([place[row[0]] for row in rows], np.int64),
    )


def root_curves(
    connection: Connection,
    version: Version,
    roots: Roots,
    *,
    which: str = PATCH,
    bands: Sequence[str] | None = None,
    until: float | None = None,
    positions: bool = False,
) -> RootCurves:
    """Read light curves.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    version : Version
        Version whose points are used.
    roots : Roots
        Root objects.
    which : str
        `detections`, `forced`, or `patch`: forced photometry, and detections of visits that have none.
    bands : sequence of str, optional
        Only these.
    until : float, optional
        Points up to this time, inclusive; MJD TAI.
    positions : bool
        Whether to include positions of detections: `det_ra` and so on (deg, ICRS).

    Returns
    -------
    RootCurves
        Columns `mjd`, `diasourceid`, `diaforcedsourceid`, `source_diaobjectid`, `forced_diaobjectid`, `visit`, `band`,
        `flux` and `fluxerr` (nJy), `isdet`, `ispatch`, `source_reduction`, `forced_reduction`, and positions.

    Raises
    ------
    ValueError
        If there is no such kind of points.
    """
    if which not in WHICH:
        raise ValueError(f"which must be detections, forced, or patch, not {which}")
    wanted = _Wanted(roots, bands, until)
    detected = _points(connection, version, definitions.DETECTIONS, wanted, positions=positions)
    if which == DETECTIONS:
        source, forced = np.arange(len(detected["place"])), np.full(len(detected["place"]), -1)
        measured = detected
    else:
        measured = _points(connection, version, definitions.FORCED, wanted, positions=False)
        source, forced = _joined(detected, measured, patch=which == PATCH)
    return _together(roots, detected, measured, source, forced, which, positions)


@dataclass(frozen=True)
class _Wanted:
    roots: Roots
    bands: Sequence[str] | None
    until: float | None


def _points(
    connection: Connection, version: Version, kind: str, wanted: _Wanted, *, positions: bool
) -> dict[str, NDArray[Any]]:
    """The points that count, one for each root object and visit, in this order."""
    table, identifier = _TABLES[kind]
    priorities = version.reductions(kind)
    several = ("reduction",) if len(priorities) > 1 else ()
    names = [identifier, *_COLUMNS, *several, *(_PLACES if positions else ())]
    conditions: list[list[border.Test]] = [
        [("diaobjectid", "in", wanted.roots.objects.tolist())],
        [("reduction", "in", list(priorities))],
        [("timewithdrawnmjdtai", "is null", None)],
    ]
    if wanted.until is not None:
        conditions.append([(border.TIME, "<=", wanted.until)])
    if wanted.bands is not None:
        conditions.append([("band", "in", sorted({"y" if band == "Y" else band for band in wanted.bands}))])
    found = border.rows(connection, table, names, conditions, many=True)
    columns = {name: _array(found[name]) for name in found.column_names}
    if not several:
        columns["reduction"] = np.full(found.num_rows, next(iter(priorities), 0), np.int16)
    columns = {_NAMES.get(name, "id" if name == identifier else name): values for name, values in columns.items()}
    order = np.argsort(wanted.roots.objects)
    at = np.searchsorted(wanted.roots.objects, columns["diaobjectid"], sorter=order)
    columns["place"] = wanted.roots.places[order[at]] if len(at) else np.zeros(0, np.int64)
    by_time = -np.rint(columns["mjd"] * TENTHS_OF_A_SECOND).astype(np.int64)
    unnumbered = np.ma.getmaskarray(columns["visit"])
    columns["exposure"] = np.where(unnumbered, by_time, np.ma.getdata(columns["visit"]).astype(np.int64))
    ranks = np.zeros(max(priorities, default=0) + 1, np.int64)
    for reduction, priority in priorities.items():
        ranks[reduction] = priority
    rank = -ranks[columns["reduction"]] if len(at) else np.zeros(0, np.int64)
    order = np.lexsort((columns["id"], columns["diaobjectid"], rank, columns["exposure"], columns["place"]))
    if kind == definitions.DETECTIONS:
        order = order[~_moved(connection, columns)[order]]
    place, exposure = columns["place"][order], columns["exposure"][order]
    first = np.ones(len(order), bool)
    first[1:] = (place[1:] != place[:-1]) | (exposure[1:] != exposure[:-1])
    kept = order[first]
    return {name: values[kept] for name, values in columns.items()}


def _moved(connection: Connection, columns: dict[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Which detections now belong to another object."""
    moved = np.zeros(len(columns["id"]), bool)
    if not len(moved):
        return moved
    query = "SELECT diasourceid, reduction, diaobjectid FROM reassigned_sources WHERE diasourceid "
    first, last = int(columns["id"].min()), int(columns["id"].max())
    rows = connection.execute(
        query + "BETWEEN %s AND %s LIMIT %s",  # type: ignore[arg-type]
        (first, last, _FEW_MOVED + 1),
    ).fetchall()
    if len(rows) > _FEW_MOVED:
        # As one text: thousands of numbers are transferred faster than value by value.
        rows = connection.execute(
            query + "= ANY(%s::bigint[])",  # type: ignore[arg-type]
            ("{" + ",".join(map(str, columns["id"].tolist())) + "}",),
        ).fetchall()
    if not rows:
        return moved
    sources, reductions, owners = (np.array(values, np.int64) for values in zip(*rows, strict=True))
    for reduction in np.unique(reductions):
        own = np.flatnonzero(reductions == reduction)
        own = own[np.argsort(sources[own])]
        at = own[np.minimum(np.searchsorted(sources[own], columns["id"]), len(own) - 1)]
        known = (sources[at] == columns["id"]) & (columns["reduction"] == reduction)
        moved |= known & (owners[at] != columns["diaobjectid"])
    return moved


def _array(column: pa.ChunkedArray) -> NDArray[Any]:
    """Values, with the band y as Y; integers are masked where there are none."""
    if pa.types.is_string(column.type):
        # Bands: a few distinct texts.
        coded = column.combine_chunks().dictionary_encode()
        texts = np.array([*coded.dictionary.to_pylist(), None], object)
        texts[texts == "y"] = "Y"
        return np.asarray(texts[coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)])
    if column.null_count and pa.types.is_integer(column.type):
        mask = column.is_null().to_numpy()
        return np.ma.MaskedArray(column.fill_null(0).to_numpy(), mask)
    return np.asarray(column.to_numpy())


def _codes(detected: dict[str, NDArray[Any]], measured: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
    """Numbers that are equal for rows of the same root object and visit; first for detections, then for
    measurements."""
    place, exposure = (np.concatenate([detected[name], measured[name]]) for name in ("place", "exposure"))
    order = np.lexsort((exposure, place))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(place[order]) != 0) | (np.diff(exposure[order]) != 0)
    codes = np.empty(len(order), np.int64)
    codes[order] = np.cumsum(new) - 1
    return codes


def _joined(
    detected: dict[str, NDArray[Any]], measured: dict[str, NDArray[Any]], *, patch: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of detections and forced measurements of each visit; −1 where there is none."""
    codes = _codes(detected, measured)
    theirs, mine = codes[: len(detected["place"])], codes[len(detected["place"]) :]
    of_code = np.full(len(codes), -1)
    of_code[theirs] = np.arange(len(theirs))
    source, forced = of_code[mine], np.arange(len(mine))
    if not patch:
        return source, forced
    without = np.ones(len(theirs), bool)
    without[source[source >= 0]] = False
    alone = np.flatnonzero(without)
    return np.concatenate([source, alone]), np.concatenate([forced, np.full(len(alone), -1)])


def _together(
    roots: Roots,
    detected: dict[str, NDArray[Any]],
    measured: dict[str, NDArray[Any]],
    source: NDArray[np.int64],
    forced: NDArray[np.int64],
    which: str,
    positions: bool,
) -> RootCurves:
    has_forced = forced >= 0

    def either(name: str) -> NDArray[Any]:
        return _taken(measured[name], forced, detected[name], source) if which != DETECTIONS else detected[name][source]

    place, mjd = either("place"), either("mjd")
    order = np.lexsort((either("exposure"), mjd, place))
    source, forced, has_forced = source[order], forced[order], has_forced[order]
    columns: dict[str, NDArray[Any]] = {
        "mjd": mjd[order],
        "diasourceid": _where(detected["id"], source),
        "source_diaobjectid": _where(detected["diaobjectid"], source),
        "visit": either("visit"),
        "band": either("band"),
        "flux": either("flux"),
        "fluxerr": either("fluxerr"),
        "isdet": (source >= 0).astype(np.int64),
        "source_reduction": _where(detected["reduction"], source),
    }
    if which != DETECTIONS:
        columns["diaforcedsourceid"] = _where(measured["id"], forced)
        columns["forced_diaobjectid"] = _where(measured["diaobjectid"], forced)
        columns["forced_reduction"] = _where(measured["reduction"], forced)
    if which == PATCH:
        columns["ispatch"] = (~has_forced).astype(np.int64)
    if positions:
        columns |= {f"det_{name}": _where(detected[name], source) for name in POSITION}
    place = place[order]
    begins = np.flatnonzero(np.r_[True, place[1:] != place[:-1]]) if len(place) else np.zeros(0, np.int64)
    return RootCurves(
        tuple(roots.identifiers[number] for number in place[begins]), columns, np.append(begins, len(place))
    )


def _where(values: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Values of rows; masked where the row is −1."""
    if not len(values):
        return np.ma.MaskedArray(np.zeros(len(rows), values.dtype), np.ones(len(rows), bool))
    taken = values[np.maximum(rows, 0)]
    return np.ma.MaskedArray(taken, np.ma.getmaskarray(taken) | (rows < 0))


def _taken(
    first: NDArray[Any], rows: NDArray[np.int64], second: NDArray[Any], others: NDArray[np.int64]
) -> NDArray[Any]:
    """Values from rows of the first, or of the second where there is none."""
    one, other = _where(first, rows), _where(second, others)
    data = np.where(rows >= 0, one.data, other.data)
    mask = np.where(
        rows >= 0,
        np.ma.getmaskarray(first[np.maximum(rows, 0)]) if len(first) else True,
        np.ma.getmaskarray(second[np.maximum(others, 0)]) if len(second) else True,
    )
    return np.ma.MaskedArray(data, mask) if mask.any() else data
