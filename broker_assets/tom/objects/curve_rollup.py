"""Roll-up of light curves: first and newest detection, brightest and newest forced point of each object and band.

`curve_rollup` is the definition; `update_curves` applies it to the objects that changed, and writes the difference.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from psycopg import sql

from broker_assets.database.fetch import fetch
from broker_assets.database.number_arrays import distinct
from broker_assets.database.tables.tom import diaobjectinfo
from broker_assets.tom.objects.rollup_rows import replace_rows

POINTS: Final = pa.schema(
    [
        ("diaobject_id", pa.int64()),
        ("filtername", pa.string()),
        ("id", pa.int64()),
        ("flux", pa.float32()),
        ("fluxerr", pa.float32()),
        ("mjd", pa.float64()),
    ]
)
"""Points of light curves: `id` is that of the detection or measurement, fluxes are nJy, `mjd` is MJD TAI."""

RANKS: Final = ("firstsource", "maxforcedsource", "latestsource", "latestforcedsource")
VALUES: Final = ("_id", "flux", "fluxerr", "mjd")

ROLLUP: Final = pa.schema(
    [
        ("diaobject_id", pa.int64()),
        ("filtername", pa.string()),
        *((f"{rank}{value}", pa.int64() if value == "_id" else pa.float64()) for rank in RANKS for value in VALUES),
    ]
)
"""Columns of `elasticc2_diaobjectinfo`, without its number."""


def curve_rollup(sources: pa.Table, forced: pa.Table) -> pa.Table:
    """Roll up light curves.

    Parameters
    ----------
    sources, forced : pyarrow.Table
        All points of some objects, columns `POINTS`, in any order. Points with a NaN flux are never the brightest. Of
        points at equal times, the one with the smaller number is the earlier one.

    Returns
    -------
    pyarrow.Table
        Columns `ROLLUP`, by object and band; a row for each band with a detection, as in the original.

    Examples
    --------
    >>> points = pa.table({"diaobject_id": [1, 1], "filtername": ["r", "r"], "id": [11, 12], "flux": [5.0, 3.0],
    ...                    "fluxerr": [1.0, 1.0], "mjd": [60000.0, 60001.0]}).cast(POINTS)
    >>> row = curve_rollup(points, points.slice(0, 0)).to_pylist()[0]
    >>> row["firstsource_id"], row["latestsource_id"], row["maxforcedsource_id"]
    (11, 12, None)
    """
    keys = (
        sources.cast(POINTS)
        .group_by(["diaobject_id", "filtername"])
        .aggregate([])
        .sort_by([("diaobject_id", "ascending"), ("filtername", "ascending")])
    )
    columns: dict[str, pa.Array] = {name: keys[name] for name in ("diaobject_id", "filtername")}
    chosen = {}
    for kind, table in (("source", sources.cast(POINTS)), ("forcedsource", _within(keys, forced.cast(POINTS)))):
        group = _groups(keys, table)
        flux, time, number = (table[name].to_numpy() for name in ("flux", "mjd", "id"))
        latest = np.lexsort((number, time, group))
        chosen[f"latest{kind}"] = (table, latest[_ends(group[latest])])
        if kind == "source":
            chosen["firstsource"] = (table, latest[_begins(group[latest])])
        else:
            # The earliest of equally bright ones.
            brightness = np.where(np.isnan(flux), -np.inf, flux)
            bright = np.lexsort((-number, -time, brightness, group))
            chosen["maxforcedsource"] = (table, bright[_ends(group[bright])])
    for rank in RANKS:
        table, rows = chosen[rank]
        group = _groups(keys, table)[rows]
        for value in VALUES:
            taken = table[value.removeprefix("_")].take(pa.array(rows)).cast(ROLLUP.field(f"{rank}{value}").type)
            columns[f"{rank}{value}"] = _spread(taken, group, keys.num_rows)
    return pa.table(columns).cast(ROLLUP)


def update_curves(connection: psycopg.Connection[Any], objects: NDArray[np.int64]) -> int:
    """Bring the roll-ups of some objects up to date with their stored light curves.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    objects : (n,) int64 array
        Objects whose light curves may have changed; those that are not in `elasticc2_diaobject` are ignored.

    Returns
    -------
    int
        Rows of `elasticc2_diaobjectinfo` that were written.
    """
    if not len(objects):
        return 0
    given = sql.Literal(distinct(objects).tolist())
    tables = {
        kind: fetch(
            connection,
            sql.SQL(
                "SELECT point.diaobject_id, filtername, {id}, psflux, psfluxerr, midpointtai FROM {table} AS point"
                " JOIN elasticc2_diaobjectdetails AS details ON details.diaobject_id = point.diaobject_id"
                " WHERE point.diaobject_id = ANY({given}::bigint[]) AND filtername IS NOT NULL"
            ).format(id=sql.Identifier(f"{kind}_id"), table=sql.Identifier(f"elasticc2_{kind}"), given=given),
            POINTS,
        )
        for kind in ("diasource", "diaforcedsource")
    }
    rows = curve_rollup(tables["diasource"], tables["diaforcedsource"])
    return replace_rows(connection, diaobjectinfo, "filtername", rows, objects)


def _within(keys: pa.Table, table: pa.Table) -> pa.Table:
    """Points of the objects and bands of `keys`."""
    return table.join(keys, ["diaobject_id", "filtername"], join_type="left semi").select(POINTS.names)


def _groups(keys: pa.Table, table: pa.Table) -> NDArray[np.int64]:
    """Row of `keys` to which each row of a table belongs."""
    numbered = keys.append_column("group", pa.array(np.arange(keys.num_rows)))
    placed = table.select(["diaobject_id", "filtername"]).append_column("row", pa.array(np.arange(table.num_rows)))
    joined = placed.join(numbered, ["diaobject_id", "filtername"], join_type="inner")
    group = np.zeros(table.num_rows, np.int64)
    group[joined["row"].to_numpy()] = joined["group"].to_numpy()
    return group


def _begins(sorted_groups: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.flatnonzero(np.concatenate([np.ones(min(1, len(sorted_groups)), bool), np.diff(sorted_groups) != 0]))


def _ends(sorted_groups: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.flatnonzero(np.concatenate([np.diff(sorted_groups) != 0, np.ones(min(1, len(sorted_groups)), bool)]))


def _spread(values: pa.ChunkedArray, group: NDArray[np.int64], rows: int) -> pa.Array:
    """Values at the positions of their groups; null elsewhere."""
    place = np.full(rows, -1)
    place[group] = np.arange(len(group))
    return pc.take(values, pa.array(place, mask=place < 0))
