"""Queries for the matches of filters, ordered by key and of any number; for `database.paging`."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
from psycopg import sql

from broker_assets.database.table_formats import field

MATCHES: Final = sql.SQL(
    'SELECT night::text AS night, diaobjectid AS "diaObjectId", diasourceid AS "diaSourceId", version,'
    ' rows, "row" AS selected FROM filter_matches WHERE filterid = %(filter)s'
    " AND (%(first)s::date IS NULL OR night >= %(first)s) AND (%(last)s::date IS NULL OR night <= %(last)s)"
)
"""Alerts that passed a filter (`filter`) in the nights from `first` to `last`."""
MATCH_KEYS: Final = ("night", "diaObjectId", "diaSourceId")
MATCH_SCHEMA: Final = pa.schema(
    [
        field("night", pa.string(), description="night of the alert", datatype="char"),
        field("diaObjectId", pa.int64(), description="object of the alert", ucd="meta.id;meta.main"),
        field("diaSourceId", pa.int64(), description="source of the alert", ucd="meta.id"),
        field("version", pa.int32(), description="version of the filter"),
        field("rows", pa.int32(), description="rows that the filter returns for the alert; the first is kept"),
        field("selected", pa.string(), description="columns that the filter selects, a JSON object"),
    ]
)

DELIVERIES: Final = sql.SQL(
    'SELECT deliveryid AS "deliveryId", sinkid AS "sinkId", kind, target, trigger, diaobjectid AS "diaObjectId",'
    " night::text AS night, version, state, attempts, created_at::text AS created, finished_at::text AS finished,"
    " deliveries.failure, receipt::text AS receipt FROM deliveries JOIN (SELECT sinkid, kind, target FROM filter_sinks)"
    " AS sink USING (sinkid) WHERE deliveries.filterid = %(filter)s"
    " AND (%(state)s::text IS NULL OR state = %(state)s)"
)
"""Messages of a filter (`filter`), in one state or all."""
DELIVERY_SCHEMA: Final = pa.schema(
    [
        field("deliveryId", pa.int64(), description="message"),
        field("sinkId", pa.int64(), description="where it is sent"),
        field("kind", pa.string(), description="kafka, email, webhook or apprise"),
        field("target", pa.string(), description="topic, address, URL or destination"),
        field("trigger", pa.string(), description="alert or annotation"),
        field("diaObjectId", pa.int64(), description="object"),
        field("night", pa.string(), description="night"),
        field("version", pa.int32(), description="version of the filter"),
        field("state", pa.string(), description="pending, sending, delivered, dead, over_quota or dismissed"),
        field("attempts", pa.int32(), description="attempts to send it"),
        field("created", pa.string(), description="when the match was stored, UTC"),
        field("finished", pa.string(), description="when it was delivered or given up, UTC"),
        field("failure", pa.string(), description="why the last attempt failed"),
        field("receipt", pa.string(), description="what the sink answered, a JSON object"),
    ]
)
