"""Objects as of the end of a night, from the archived packets of the night.

`objects` has only the newest state. The state after a night follows from the packets of that night, decoded by the
functions of the stream, and from the facts that were computed for them.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
from psycopg import sql

from broker_assets.accounting import ledger
from broker_assets.database import border
from broker_assets.database.arrow import arrow_schema
from broker_assets.database.fetch import fetch
from broker_assets.database.tables import FEATURE_COLUMNS, context_matches, object_features, objects
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.stream.decode import Locations, alert_rows
from broker_assets.stream.reprocess import decode_archived, no_points

STATE: Final = (
    *("timestamp", "ingestid", "tns_name", "lastforcedmjdtai"),
    *(f"nearbyobj{rank}{what}" for rank in (1, 2, 3) for what in ("", "dist", "lnp")),
)
"""Columns of `objects` with present knowledge, which do not come from an alert."""

SCHEMA: Final = arrow_schema(objects, without=STATE)
"""Columns of objects as of a night."""
_FEATURES: Final = ("diaobjectid", "diasourceid", *FEATURE_COLUMNS)


def objects_of_night(
    connection: psycopg.Connection[Any], night: datetime.date, surveys: Mapping[str, str]
) -> Iterator[pa.Table]:
    """Read the objects of a night.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to read with.
    night : date
        The night.
    surveys : mapping of str to str
        Survey of each topic; packets of other topics are left out.

    Yields
    ------
    Table
        Columns `SCHEMA`, by `diaobjectid`, in one part.

    Raises
    ------
    DrainFailedError
        If a file of the archive is missing or damaged.
    """
    found: pa.Table | None = None
    decoders: dict[str, dict[tuple[str, str], AlertDecoder]] = {}
    for _, _, entry in ledger.archive_files(connection, night=night):
        if entry.topic not in surveys:
            continue
        survey = surveys[entry.topic]
        decoded, _ = decode_archived(entry, survey, decoders.setdefault(survey, {}), no_points)
        rows = alert_rows(decoded, Locations.empty(len(decoded.messages))).objects
        if rows is None or not rows.num_rows:
            continue
        # In the order of the files, which is the order of arrival in the ledger.
        rows = _complete(rows)
        found = _newest(rows if found is None else pa.concat_tables([found, rows]))
    if found is not None:
        yield _with_facts(connection, night, found)


def _complete(rows: pa.Table) -> pa.Table:
    """All columns in the order of the schema; those that packets do not have are null."""
    columns = [
        rows[item.name].cast(item.type) if item.name in rows.column_names else pa.nulls(rows.num_rows, item.type)
        for item in SCHEMA
    ]
    return pa.table(columns, schema=pa.schema([item.with_nullable(True) for item in SCHEMA]))


def _newest(rows: pa.Table) -> pa.Table:
    """The newest row of each object, and the first of several with equal times, as the stream would write it."""
    times = np.nan_to_num(rows["lastdiasourcemjdtai"].to_numpy(), nan=-np.inf)
    identifiers = rows["diaobjectid"].to_numpy()
    order = np.lexsort((np.arange(len(times)), -times, identifiers))
    kept = identifiers[order]
    return rows.take(pa.array(order[np.concatenate([[True], kept[1:] != kept[:-1]])]))


def _with_facts(connection: psycopg.Connection[Any], night: datetime.date, rows: pa.Table) -> pa.Table:
    """Add the features and the context of the alert of each row."""
    of_alert = {"diaobjectid": "diaobjectid", "broughtby": "diasourceid"}
    features = _facts(connection, object_features.name, arrow_schema(object_features), _FEATURES, night)
    near = _facts(
        connection,
        context_matches.name,
        arrow_schema(context_matches),
        ("diaobjectid", "diasourceid", "associationid"),
        night,
    )
    for facts in (features, near):
        names = [name for name in facts.column_names if name not in of_alert.values()]
        place = _places(rows, facts)
        taken = facts.select(names).take(pa.array(place, mask=place < 0))
        for name in names:
            at = rows.schema.get_field_index(name)
            rows = rows.set_column(at, rows.schema.field(at), taken[name].cast(rows.schema.field(at).type))
    return rows


def _places(rows: pa.Table, facts: pa.Table) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Row in `facts` of each row's alert; −1 where there is none."""
    pairs = np.dtype([("object", "i8"), ("source", "i8")])

    def keyed(table: pa.Table, source: str) -> np.ndarray[Any, Any]:
        found = np.empty(table.num_rows, pairs)
        found["object"], found["source"] = table["diaobjectid"].to_numpy(), table[source].to_numpy()
        return found

    known, wanted = keyed(facts, "diasourceid"), keyed(rows, "broughtby")
    if not len(known):
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(known)
    at = np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)
    return np.where(known[order][at] == wanted, order[at], -1).astype(np.int64)


def _facts(
    connection: psycopg.Connection[Any], name: str, schema: pa.Schema, columns: tuple[str, ...], night: datetime.date
) -> pa.Table:
    """Facts of a night from the database, or from the cold store if they have been pruned."""
    wanted = pa.schema([schema.field(column).with_nullable(True) for column in columns])
    query = sql.SQL("SELECT {} FROM {} WHERE night = {}::date").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(name), sql.Literal(night)
    )
    found = fetch(connection, query, wanted)
    if found.num_rows:
        return found
    return border.facts_beyond(connection, name, wanted, night)
