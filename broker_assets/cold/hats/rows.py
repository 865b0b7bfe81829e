"""Rows of a catalogue: objects as they were at the end of a night, with their light curves to date."""

from __future__ import annotations

import datetime
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.cold.catalogue import ColdStore
from broker_assets.database import border
from broker_assets.database.arrow import arrow_type
from broker_assets.database.tables import diaforcedsources, diasources, objects

CELL: Final = "_healpix_29"
"""Column of the cell of order 29 by which rows are sorted."""
COLUMNS: Final = tuple(
    item.name
    for item in objects.c
    if item.name
    not in ("timestamp", "ingestid", "tns_name", "lastforcedmjdtai", "htm16", "healpix", "associationid", "broughtby")
    and not item.name.startswith("nearbyobj")
)
"""Columns of objects."""
CURVES: Final = {
    "lightcurve": (diasources, ("midpointmjdtai", "band", "psfflux", "psffluxerr", "diasourceid", "reliability")),
    "forced": (diaforcedsources, ("midpointmjdtai", "band", "psfflux", "psffluxerr")),
}
"""Nested columns: table and its columns."""


def _nested(table: Any, columns: tuple[str, ...]) -> pa.DataType:
    return pa.struct([(name, pa.list_(arrow_type(table.c[name].type))) for name in columns])


SCHEMA: Final = pa.schema(
    [
        (CELL, pa.int64()),
        *((name, arrow_type(objects.c[name].type)) for name in COLUMNS),
        *((name, _nested(table, columns)) for name, (table, columns) in CURVES.items()),
    ]
)
"""Columns of the catalogue. A light curve is a structure of lists, one for each column, by time."""


def rows_of_night(store: ColdStore, connection: psycopg.Connection[Any], night: datetime.date) -> pa.Table:
    """Objects with an alert in a night, with all their points that are stored at present.

    Parameters
    ----------
    store : ColdStore
        Store with the objects as they were at the end of the night.
    connection : psycopg.Connection
        To read points with, in the database and in the cold store.
    night : date
        The night.

    Returns
    -------
    Table
        `SCHEMA`, by `diaobjectid`; objects without a position are left out.
    """
    table = store.table("objects")
    if table is None:
        return SCHEMA.empty_table()
    scan = table.scan(row_filter=f"night = '{night.isoformat()}'", selected_fields=(*COLUMNS, "healpix"))
    found = scan.to_arrow().sort_by("diaobjectid")
    found = found.filter(pc.is_valid(found["healpix"]))
    identifiers = found["diaobjectid"].to_numpy()
    curves = {name: _curves(connection, identifiers, *given) for name, given in CURVES.items()}
    columns = {CELL: found["healpix"], **{name: found[name] for name in COLUMNS}, **curves}
    return pa.table([columns[item.name] for item in SCHEMA], names=SCHEMA.names).cast(SCHEMA)


def _curves(
    connection: psycopg.Connection[Any], identifiers: NDArray[np.int64], table: Any, columns: tuple[str, ...]
) -> pa.Array:
    """The points of each object as one structure of lists."""
    conditions: list[list[border.Test]] = [
        [("diaobjectid", "in", identifiers)],
        [("reduction", "=", 0)],
        [("timewithdrawnmjdtai", "is null", None)],
    ]
    names = list(dict.fromkeys(["diaobjectid", *columns]))
    points = border.rows(connection, table, names, conditions)
    points = points.sort_by([("diaobjectid", "ascending"), ("midpointmjdtai", "ascending")])
    offsets = np.searchsorted(points["diaobjectid"].to_numpy(), np.append(identifiers, np.iinfo(np.int64).max))
    if len(identifiers):
        offsets[-1] = points.num_rows
    fields = []
    for name in columns:
        values = points[name].combine_chunks()
        fields.append(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values))
    return pa.StructArray.from_arrays(fields, names=list(columns))
