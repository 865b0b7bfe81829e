"""The internal tables, into which a batch of packets of any survey is converted.

Columns and types are those of `broker_assets.database.tables`, declared once there, without the provenance columns,
which the ingest adds. A table of a batch has the columns that the batch's schemas can fill; an absent column means null
throughout. Every table begins with `packet`, the packet's position in the batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Final

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from broker_assets.database import tables as sql
from broker_assets.database.arrow import arrow_schema
from broker_assets.packets.failures import PacketFailure
from broker_assets.packets.values import cast_where_possible

PACKET: Final = pa.field("packet", pa.int32(), nullable=False)
TRIGGER: Final = pa.field("trigger", pa.bool_(), nullable=False)
"""In `source`: whether the row is the packet's own source, not one of its history."""

SQL_TABLES: Final[Mapping[str, sa.Table]] = {
    "source": sql.diasources,
    "forced_source": sql.diaforcedsources,
    "object": sql.objects,
    "solar_system_source": sql.sssources,
    "solar_system_object": sql.ssobjects,
    "orbit": sql.mpc_orbits,
    "nondetection": sql.dianondetectionlimits,
}
"""Internal table to table of the database."""

_LEFT_OUT: Final = frozenset({*sql.PROVENANCE, "timestamp"})
CUTOUT_KINDS: Final = ("science", "template", "difference")


def _schemas() -> dict[str, pa.Schema]:
    derived = {name: arrow_schema(table, without=_LEFT_OUT) for name, table in SQL_TABLES.items()}
    schemas = {name: pa.schema([PACKET, *schema]) for name, schema in derived.items()}
    schemas["source"] = schemas["source"].insert(1, TRIGGER)
    schemas["packet"] = pa.schema(
        [
            PACKET,
            pa.field("diasourceid", pa.int64(), nullable=False),
            pa.field("diaobjectid", pa.int64(), nullable=False),
            pa.field("ssobjectid", pa.int64(), nullable=False),
            pa.field("midpointmjdtai", pa.float64(), nullable=False),
            pa.field("ra", pa.float64(), nullable=False),
            pa.field("decl", pa.float64(), nullable=False),
            pa.field("night", pa.date32(), nullable=False),
            pa.field("schema", pa.string(), nullable=False),
        ]
    )
    schemas["cutout"] = pa.schema(
        [
            PACKET,
            pa.field("diasourceid", pa.int64(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            pa.field("length", pa.int64(), nullable=False),
        ]
    )
    return schemas


SCHEMAS: Final[Mapping[str, pa.Schema]] = _schemas()
"""Arrow schema of each internal table, complete."""


@dataclass(frozen=True)
class AlertTables:
    """Content of a batch of packets."""

    packet: pa.Table
    """One row for each packet decoded: `diasourceid`, `diaobjectid` (0: none), `ssobjectid` (0: none),
    `midpointmjdtai`, `ra`, `decl`, `night`, `schema` (name of its Avro record)."""
    source: pa.Table
    """Sources: those that triggered the packets (`trigger` true), and those of their histories."""
    forced_source: pa.Table
    """Forced photometry."""
    object: pa.Table
    """DIAObjects, one row for each packet that has one; not unique."""
    solar_system_source: pa.Table
    """Geometry of sources identified with solar-system objects."""
    solar_system_object: pa.Table
    """Solar-system objects."""
    orbit: pa.Table
    """Orbits from the Minor Planet Center."""
    nondetection: pa.Table
    """Exposures without a detection."""
    cutout: pa.Table
    """Cutouts of the packets: `kind` (science, template, difference) and `length` in bytes, as in the packet
    (compressed for ZTF)."""
    light_curve: pa.Table = field(default_factory=lambda: pa.table({}))
    """Every point of the packets, stored or not, with few columns (`light_curves.LIGHT_CURVE`)."""
    failures: list[PacketFailure] = field(default_factory=list)
    """Packets without rows in any table, and why."""
    omitted: Mapping[str, int] = field(default_factory=dict)
    """Number of values, points of histories and records about objects, by reason, that are damaged or not understood
    and were left out of packets stored without them."""


TABLE_NAMES: Final = tuple(item.name for item in fields(AlertTables) if item.name in SCHEMAS)


def table(
    name: str,
    columns: Mapping[str, pa.Array | pa.ChunkedArray | np.ndarray],
    omitted: Counter[str] | None = None,
) -> pa.Table:
    """Make an internal table from columns, cast to its types and sorted in its order.

    Parameters
    ----------
    name : str
        One of `TABLE_NAMES`.
    columns : mapping of str to array
        Must include `packet`; unknown names are an error. Values that do not fit the type of their column become
        null.
    omitted : Counter, optional
        Counts these values.

    Raises
    ------
    KeyError
        If a column does not belong to the table.

    Examples
    --------
    >>> table("cutout", {"length": [5], "packet": [0], "kind": ["science"], "diasourceid": [7]}).column_names
    ['packet', 'diasourceid', 'kind', 'length']
    """
    schema = SCHEMAS[name]
    if unknown := set(columns) - set(schema.names):
        raise KeyError(f"the internal table {name!r} has no column {', '.join(sorted(unknown))}")
    names = [column for column in schema.names if column in columns]
    present = pa.schema([schema.field(column) for column in names])
    arrays = []
    for column in names:
        values, lost = cast_where_possible(columns[column], schema.field(column).type)
        arrays.append(values)
        if lost and omitted is not None:
            omitted[f"{name}.{column}: not {schema.field(column).type}"] += lost
    return pa.Table.from_arrays(arrays, schema=present)


def empty(name: str) -> pa.Table:
    """An internal table without rows, with all its columns."""
    return SCHEMAS[name].empty_table()


def concatenate(name: str, parts: Iterable[pa.Table]) -> pa.Table:
    """Concatenate internal tables that may have different columns; missing columns are null."""
    kept = [part for part in parts if part.num_rows]
    if not kept:
        return empty(name)
    if len(kept) == 1:
        return kept[0]
    # Rows of tables without a column get null there, even for columns that SQL declares not null.
    loose = [part.cast(pa.schema([item.with_nullable(True) for item in part.schema])) for part in kept]
    joined = pa.concat_tables(loose, promote_options="default")
    return joined.select([column for column in SCHEMAS[name].names if column in joined.column_names])


def complete(name: str, part: pa.Table) -> pa.Table:
    """An internal table with all its columns; absent ones are null."""
    arrays = [
        part[item.name] if item.name in part.column_names else pa.nulls(part.num_rows, item.type)
        for item in SCHEMAS[name]
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema([item.with_nullable(True) for item in SCHEMAS[name]]))
