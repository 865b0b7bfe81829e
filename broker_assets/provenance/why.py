"""Answers to "why": where a row comes from, down to the message or file and the code.

Every table has an answer for each of its rows, see `origins`.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.rows import dict_row
from pydantic import BaseModel, ConfigDict

from broker_assets.database.border import Conditions, TooManyBeyond
from broker_assets.database.border_sql import MOST, across, anything_left, ask
from broker_assets.database.tables import PARTITIONED, diasources
from broker_assets.provenance.origins import (
    BOOKKEEPING,
    ROUTES,
    key_columns,
    origin_query,
    sources_query,
    table_of,
)

MOST_ROWS: Final = 20
"""Default number of rows that are explained."""


class Place(NamedTuple):
    """Place of a message in Kafka, or why it is not known."""

    partition: int | None = None
    offset: int | None = None
    problem: str = ""


Locate = Callable[[str, int, int], Place]
"""Returns the place of a packet, from the URL of its archive file, first byte and length."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class PacketOrigin(_Part):
    """The packet of an alert that provided a row."""

    diasourceid: int
    """Source that triggered the alert."""
    diaobjectid: int
    """Its DIAObject; 0 if it has none."""
    midpointmjdtai: float
    """Time of the exposure, MJD TAI."""
    night: datetime.date
    """Night of the packet."""
    topic: str
    """Kafka topic."""
    partition: int | None = None
    """Kafka partition of the message; None if the archive cannot be read."""
    offset: int | None = None
    """Offset of the message in it."""
    problem: str = ""
    """Why partition and offset are unknown."""
    archive_url: str
    """URL of the archive file."""
    sha256: str
    """SHA-256 of that file."""
    position: int
    """First byte of the packet in it."""
    length: int
    """Bytes of the packet's block."""
    schema_id: str | None
    """Identifier of its Avro schema."""
    ingestid: int
    """Batch that received the packet from Kafka; after reprocessing, different from that of the row."""


class MessageOrigin(_Part):
    """A Kafka message that is not an alert."""

    topic: str
    partition: int
    offset: int


class BatchOrigin(_Part):
    """The batch that wrote a row."""

    ingestid: int
    kind: str
    """Origin of its messages: stream, reprocess or retry."""
    topic: str
    code_version: str
    """Version of the code that made the row."""
    run_id: str | None
    """Dagster run."""
    started_at: datetime.datetime
    finished_at: datetime.datetime | None
    """When the row was written."""
    revision: int | None
    """Number of the newest change of lists that it used."""


class FileOrigin(_Part):
    """A file from which a row comes, or that the row describes."""

    name: str
    url: str | None = None
    """URL, or path in the archive of products."""
    sha256: str | None = None
    """SHA-256; of product files, that of the content without DATE, CHECKSUM and DATASUM."""
    run_id: str | None = None
    """Dagster run that read or wrote it."""
    at: datetime.datetime | None = None
    """When it arrived, was applied or was made."""


class ListOrigin(_Part):
    """A watchlist, area or sky map from which a row comes, or with which it was matched."""

    kind: str
    id: int
    owner: str | None
    """Account, or issuer of the event; None if the list was deleted."""
    name: str | None
    revision: int | None
    """Number of the change from which it comes."""


class AnnotatorOrigin(_Part):
    """The annotator of an annotation, as it was then."""

    topic: str
    owner: str
    version: str
    """Version of the annotator that the annotation names."""
    revision: int
    """Number of the change since which it was as it was then."""
    source: dict[str, Any] | None
    """Where its annotations were read from; None: Lasair's messages on `anno_<topic>`."""


class ComputedOrigin(_Part):
    """What computed a fact."""

    enrichment: str
    """Name of the enrichment."""
    code_version: str
    """Version of its code."""
    inputs: dict[str, str]
    """Versions of the inputs other than the packet, by asset."""


class Origin(_Part):
    """Where a row comes from."""

    table: str
    """Table."""
    row: dict[str, Any]
    """Columns that identify the row."""
    packet: PacketOrigin | None = None
    message: MessageOrigin | None = None
    file: FileOrigin | None = None
    lists: tuple[ListOrigin, ...] = ()
    annotator: AnnotatorOrigin | None = None
    computed: ComputedOrigin | None = None
    batch: BatchOrigin | None = None
    missing: tuple[str, ...] = ()
    """Parts of the answer that were not found; empty if the row is fully explained."""


class UnknownRowError(LookupError):
    """There is no such table or column, or a value does not fit the column; the message says which."""


def why(
    connection: psycopg.Connection[Any],
    table: str,
    where: Mapping[str, Any],
    locate: Locate,
    *,
    limit: int = MOST_ROWS,
) -> list[Origin]:
    """Find where rows come from.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    table : str
        Table with the rows.
    where : mapping of str to value
        Values of columns that the rows have; without any, all rows.
    locate : callable
        Returns the place of a packet in Kafka, see `broker_assets.packets.kafka_place`.
    limit : int
        Rows, at most.

    Returns
    -------
    list of Origin
        Ordered by the columns that identify a row; empty if there is no such row.

    Raises
    ------
    UnknownRowError
        If table or column do not exist, the table is bookkeeping of the platform, or a value does not fit.
    """
    if table in BOOKKEEPING:
        raise UnknownRowError(f"{table} is bookkeeping of the platform: {BOOKKEEPING[table]}")
    if table not in ROUTES:
        raise UnknownRowError(f"there is no table {table!r}; tables are {', '.join(sorted(ROUTES))}")
    unknown = [name for name in where if name not in table_of(table).c]
    if unknown:
        raise UnknownRowError(f"{table} has no column {unknown[0]!r}; its rows have {', '.join(key_columns(table))}")
    conditions = [sql.SQL(" AND this.{} = %s").format(sql.Identifier(name)) for name in where]
    order = sql.SQL(", ").join(sql.SQL("this.{}").format(sql.Identifier(name)) for name in key_columns(table))
    query = sql.SQL("{}{} ORDER BY {} LIMIT %s").format(
        sql.SQL(origin_query(table)),  # type: ignore[arg-type]
        sql.Composed(conditions),
        order,
    )
    try:
        beyond = _beyond(connection, table, where, conditions)
        whole = across(connection, query, beyond, has_values=True)
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(whole, (*where.values(), limit)).fetchall()  # type: ignore[arg-type]
    except psycopg.DataError as error:
        raise UnknownRowError(f"a value does not fit its column: {error.diag.message_primary}") from error
    except TooManyBeyond as error:
        raise UnknownRowError(str(error)) from error
    return [_origin(table, row, locate) for row in rows]


def _beyond(
    connection: psycopg.Connection[Any], table: str, where: Mapping[str, Any], conditions: Sequence[sql.Composable]
) -> dict[sa.Table, Conditions]:
    """What the query may need from months that have left: the rows themselves, and the sources of their packets."""
    if not anything_left(connection):
        return {}
    points = {one.name: one for one in PARTITIONED}
    if table in points:
        # The database detects a value that does not fit its column.
        connection.execute(_select("1", table, conditions), tuple(where.values()))
    own: Conditions = [[(name, "=", value)] for name, value in where.items()]
    found: dict[sa.Table, Conditions] = {points[table]: own} if table in points else {}
    query = sources_query(table)
    if query is None:
        return found
    rows = ask(
        connection,
        sql.SQL("{}{}").format(sql.SQL(query), sql.Composed(conditions)),  # type: ignore[arg-type]
        found,
        tuple(where.values()),
        most=MOST,
    )
    packets = [number for (number,) in rows if number is not None]
    if table == diasources.name:
        rows = ask(connection, _select("this.diasourceid", table, conditions), found, tuple(where.values()), most=MOST)
        packets += [number for (number,) in rows]
    return {**found, diasources: [[("diasourceid", "in", sorted(set(packets)))]]}


def _select(what: str, table: str, conditions: Sequence[sql.Composable]) -> sql.Composed:
    """A query for rows with some conditions."""
    return sql.SQL("SELECT {} FROM {} AS this WHERE true{}").format(
        sql.SQL(what),  # type: ignore[arg-type]
        sql.Identifier(table),
        sql.Composed(conditions),
    )


def _origin(table: str, row: dict[str, Any], locate: Locate) -> Origin:
    parts = {name: value for name, value in row.items() if value is not None}
    replaced = {name for part in ROUTES[table] if part.name in parts for name in part.instead_of}
    missing = tuple(
        part.name for part in ROUTES[table] if part.required and part.name not in parts and part.name not in replaced
    )
    if packet := parts.get("packet"):
        place = locate(packet["archive_url"], packet["position"], packet["length"])
        parts["packet"] = packet | place._asdict()
    return Origin(table=table, missing=missing, **parts)
