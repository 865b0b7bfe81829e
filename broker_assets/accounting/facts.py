"""Facts of alerts: what enrichments compute once for each alert, night by night, and their entries in the ledger.

A fact is a row with the key of an alert. Enrichments (`Enrichment` in the stream) declare with `FactTable` which facts
they write; the assets, the entries of each batch in the ledger and the data versions of nights are derived from that. A
version is additive: the sum of the hashes of the rows, so a batch adds its own and nothing reads a night again, and the
order of the batches does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from numpy.typing import NDArray
from psycopg import sql
from psycopg.types.json import Jsonb

from broker_assets.database import copy, fetch
from broker_assets.database.arrow import arrow_schema

Words = NDArray[np.uint64]

UNCOUNTED = frozenset({"ingestid"})
"""Columns about the writing of a row, not part of its content."""


@dataclass(frozen=True)
class FactInput:
    """An input of facts that is not partitioned by night, such as a dust map, a catalogue or a model."""

    asset: str
    """Asset key."""
    description: str
    """What it is."""
    files: str
    """Description of the files from which it is read: the external asset `<asset>_files`."""
    version: Callable[[], str]
    """Its data version now."""
    code_version: str = "1"
    """Version of the code that reads it."""
    partial: bool = False
    """Whether a new version only affects the facts of some objects: these are marked as stale, nights are not."""
    describe: Callable[[], Mapping[str, Any]] = dict
    """What its materialisations show: numbers and texts; bytes are images (PNG)."""
    parents: tuple[str, ...] = ()
    """Assets from which it is made; if there are none, `<asset>_files`."""


@dataclass(frozen=True)
class FactTable:
    """A table of facts, which is an asset."""

    asset: str
    """Asset key; its partitions are nights."""
    table: sa.Table
    """Has `diaobjectid`, `diasourceid`, `night` and `ingestid`."""
    description: str
    """Meaning of a row."""
    parents: tuple[str, ...] = ()
    """Further parents that are not partitioned by night and whose changes do not affect facts of the past: lists."""
    inputs: tuple[FactInput, ...] = ()
    """Inputs that are not partitioned by night: a new version makes the facts of all nights stale."""
    describe: Callable[[psycopg.Connection[Any], str], Mapping[str, Any]] | None = None
    """Given a connection and a night, what its materialisations show, as for `FactInput.describe`."""


ReadStamps = Callable[[NDArray[np.int64], Sequence[str], int], NDArray[np.float32]]
"""Given packets of a batch, kinds (`science`, `template`, `difference`) and a size, returns the stamps as an array
(packets, kinds, size, size), NaN where there is no value."""


def no_stamps(packets: NDArray[np.int64], kinds: Sequence[str], size: int) -> NDArray[np.float32]:
    """Stamps of packets that have none."""
    return np.full((len(packets), len(kinds), size, size), np.nan, np.float32)


@dataclass(frozen=True)
class AlertBatch:
    """What enrichments know about a batch when they compute."""

    alerts: pa.Table
    """One row per alert with a DIAObject: `packet` (number in the batch, ascending), `diaobjectid`, `diasourceid`,
    `midpointmjdtai`, `night`; `ra`, `decl` (ICRS, degrees) and `lastdiasourcemjdtai` of the object in that packet,
    null where the packet does not say."""
    tables: Mapping[str, pa.Table]
    """Content of the packets, by internal table, each with `packet`. Histories only include points that are not stored
    yet; all points, with few columns, are in `light_curve`."""
    connection: psycopg.Connection[Any]
    """To read what is stored: points of earlier nights, lists, catalogues."""
    revision: int | None = None
    """Number of the counter of changes as of which to compute; None means the newest."""
    stamps: ReadStamps = no_stamps
    """Reads stamps from the packets; only while the batch is computed."""


@dataclass(frozen=True)
class Computed:
    """What an enrichment computed for a batch, outside the transaction that writes it."""

    tables: Mapping[str, pa.Table]
    """Its results; later enrichments that read it see them."""
    revision: int
    """Number of the counter of changes for which they hold."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Versions of the `FactTable.inputs` that were used, by asset."""
    state: pa.Table | None = None
    """Columns of `objects` with `packet`, at most one row per packet: if the object is stored as in that packet, it
    also gets these values."""


@dataclass(frozen=True)
class Written:
    """The outcome of a batch, for writing its enrichments in the same transaction."""

    connection: psycopg.Connection[Any]
    """In the transaction, with the objects of the batch locked."""
    ingestid: int
    """The batch."""
    stored: NDArray[np.int64]
    """Packets that were stored and are not duplicates, ascending: they have facts."""
    newest: NDArray[np.int64]
    """Packets whose content is now that of their object, ascending, one per object: they define the state."""
    revision: int
    """Number of the newest change, read under the lock of batches, for which the written results must hold."""
    as_of: int | None = None
    """In a reprocessing, the number for which the facts must hold instead."""

    @property
    def facts_revision(self) -> int:
        """Number for which the facts must hold."""
        return self.revision if self.as_of is None else self.as_of


@dataclass(frozen=True)
class FactCount:
    """Facts that a batch wrote for a night."""

    night: str
    """Key `YYYY-MM-DD`."""
    asset: str
    """Asset that they belong to."""
    rows: int
    """How many."""
    checksum: int
    """Sum of the hashes of the rows, modulo 2⁶⁴."""


def insert(connection: psycopg.Connection[Any], facts: FactTable, rows: pa.Table, ingestid: int) -> None:
    """Write facts of alerts that have none yet, within the caller's transaction."""
    if rows.num_rows == 0:
        return
    numbered = rows.append_column("ingestid", pa.repeat(pa.scalar(ingestid, pa.int64()), rows.num_rows))
    with connection.cursor() as cursor:
        copy.load(cursor, facts.table, numbered)


def delete_night(connection: psycopg.Connection[Any], tables: Iterable[FactTable], night: str) -> dict[str, int]:
    """Delete the facts of a night before they are computed again; return the number of rows by asset."""
    return {
        facts.asset: connection.execute(
            sql.SQL("DELETE FROM {} WHERE night = %s").format(sql.Identifier(facts.table.name)), (night,)
        ).rowcount
        for facts in tables
    }


def delete_alerts(
    connection: psycopg.Connection[Any],
    tables: Iterable[FactTable],
    night: str,
    diaobjectid: NDArray[np.int64],
    diasourceid: NDArray[np.int64],
) -> list[FactCount]:
    """Delete the facts of some alerts of a night before they are computed again.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction that has the night locked.
    tables : iterable of FactTable
        Tables of facts.
    night : str
        Key `YYYY-MM-DD`.
    diaobjectid, diasourceid : (n,) int64 array
        The alerts.

    Returns
    -------
    list of FactCount
        What was deleted from each table; `take_back` enters it in the ledger.
    """
    gone = []
    of_alerts = sql.SQL(
        " USING unnest({}::bigint[], {}::bigint[]) AS alert (diaobjectid, diasourceid) WHERE night = {}::date"
        " AND fact.diaobjectid = alert.diaobjectid AND fact.diasourceid = alert.diasourceid"
    ).format(sql.Literal(diaobjectid.tolist()), sql.Literal(diasourceid.tolist()), sql.Literal(night))
    for facts in tables:
        schema = arrow_schema(facts.table, without=UNCOUNTED)
        columns = sql.SQL(", ").join(sql.Identifier("fact", name) for name in schema.names)
        table = sql.Identifier(facts.table.name)
        read = sql.SQL("DELETE FROM {} AS fact{} RETURNING {}").format(table, of_alerts, columns)
        gone += count(facts.asset, _read(connection, read, schema), [night])
    return gone


def _read(connection: psycopg.Connection[Any], query: sql.Composed, schema: pa.Schema) -> pa.Table:
    """The result of a query, which may have columns of lists."""
    if not any(pa.types.is_list(item.type) for item in schema):
        return fetch.fetch(connection, query, schema)
    rows = connection.execute(query).fetchall()
    return pa.table([list(column) for column in zip(*rows, strict=True)] or [[] for _ in schema], schema=schema)


def take_back(connection: psycopg.Connection[Any], ingestid: int, counts: Sequence[FactCount]) -> None:
    """Enter in the ledger that a batch replaced facts of others, by reducing its own count."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE ingest_batch_facts SET rows = rows - %s, checksum = mod(checksum + 18446744073709551616 - %s,"
            " 18446744073709551616) WHERE ingestid = %s AND night = %s AND asset = %s",
            [(item.rows, Decimal(item.checksum), ingestid, item.night, item.asset) for item in counts],
        )


def row_hashes(rows: pa.Table) -> Words:
    """A 64-bit hash of each row, over all columns except `UNCOUNTED`.

    Parameters
    ----------
    rows : (n,) pyarrow.Table
        Columns of numbers, dates, texts, and lists of integers; their order does not matter.

    Returns
    -------
    (n,) uint64 array

    Notes
    -----
    Words are mixed by the finaliser of SplitMix64 (Steele, Lea & Flood 2014, OOPSLA).

    Examples
    --------
    >>> one, two = pa.table({"a": [1, 2], "b": [0.5, None]}), pa.table({"b": [0.5, None], "a": [1, 2]})
    >>> (row_hashes(one) == row_hashes(two)).all()
    np.True_
    >>> len(set(row_hashes(one).tolist()))
    2
    """
    total = np.zeros(rows.num_rows, np.uint64)
    for name in sorted(set(rows.column_names) - UNCOUNTED):
        seed = np.uint64(int.from_bytes(name.encode()[-8:], "big"))
        total = _mixed(total ^ _words(rows[name]) ^ seed)
    return total


def _mixed(values: Words) -> Words:
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)), np.uint64)


def _words(column: pa.ChunkedArray) -> Words:
    """One word per value; null has a word of its own."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], column.type)
    kind = array.type
    if pa.types.is_list(kind):
        words = _list_words(array)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        encoded = array.dictionary_encode()
        hashes = np.array([_text_word(text) for text in encoded.dictionary.to_pylist()] or [0], np.uint64)
        words = hashes[pc.fill_null(encoded.indices, 0).to_numpy()]
    elif pa.types.is_floating(kind):
        values = pc.fill_null(array, 0.0).to_numpy().astype(np.float64)
        words = (values + 0.0).view(np.uint64)  # 0.0 and -0.0 become the same
    elif pa.types.is_date(kind):
        words = pc.fill_null(array.cast(pa.int32()), 0).to_numpy().astype(np.int64).view(np.uint64)
    elif pa.types.is_boolean(kind):
        words = pc.fill_null(array, False).to_numpy(zero_copy_only=False).astype(np.uint64)
    else:
        words = pc.fill_null(array, 0).to_numpy().astype(np.int64).view(np.uint64)
    if array.null_count:
        words = np.where(array.is_valid().to_numpy(zero_copy_only=False), words, np.uint64(0xA5A5A5A5A5A5A5A5))
    return np.asarray(words, np.uint64)


def _list_words(array: pa.Array) -> Words:
    """One word per list: the sum of its elements mixed with their places."""
    starts = array.offsets.to_numpy().astype(np.int64)
    inner = _words(pa.chunked_array([array.values[starts[0] : starts[-1]]]))
    lengths = np.diff(starts)
    row = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(inner)) - np.repeat(starts[:-1] - starts[0], lengths)
    words = np.zeros(len(lengths), np.uint64)
    np.add.at(words, row, _mixed(_mixed(inner) + place.astype(np.uint64)))
    return words


def _text_word(text: str | None) -> int:
    import hashlib

    return int.from_bytes(hashlib.blake2b((text or "").encode(), digest_size=8).digest(), "big")


def count(asset: str, rows: pa.Table, nights: Iterable[str]) -> list[FactCount]:
    """Count facts night by night.

    Parameters
    ----------
    asset : str
        Asset that they belong to.
    rows : pyarrow.Table
        Facts, with `night`.
    nights : iterable of str
        Nights of the batch; a night without facts is counted, too, since it was computed.
    """
    found = dict.fromkeys(nights, (0, 0))
    if rows.num_rows:
        hashes = row_hashes(rows)
        days = rows["night"].cast(pa.int32()).to_numpy()
        for day in np.unique(days):
            chosen = hashes[days == day]
            found[str(np.datetime64(int(day), "D"))] = (len(chosen), int(np.add.reduce(chosen, dtype=np.uint64)))
    return [FactCount(night, asset, rows_, checksum) for night, (rows_, checksum) in sorted(found.items())]


def book(
    connection: psycopg.Connection[Any],
    ingestid: int,
    counts: Sequence[FactCount],
    enrichment: str,
    version: str,
    inputs: Mapping[str, str] | None = None,
) -> None:
    """Enter in the ledger which facts a batch wrote, by which code and from which inputs."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO ingest_batch_facts (ingestid, night, asset, enrichment, version, inputs, rows, checksum)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (ingestid, night, asset) DO UPDATE SET"
            " rows = ingest_batch_facts.rows + excluded.rows, checksum = mod(ingest_batch_facts.checksum"
            " + excluded.checksum, 18446744073709551616)",
            [
                (
                    ingestid,
                    item.night,
                    item.asset,
                    enrichment,
                    version,
                    Jsonb(dict(inputs or {})),
                    item.rows,
                    Decimal(item.checksum),
                )
                for item in counts
            ],
        )


def replace(connection: psycopg.Connection[Any], night: str, assets: Sequence[str], batches: Collection[int]) -> None:
    """Enter in the ledger that the facts of a night were replaced by those of some batches."""
    connection.execute(
        "UPDATE ingest_batch_facts SET replaced_by = %s WHERE night = %s AND asset = ANY(%s) AND replaced_by IS NULL"
        " AND ingestid <> ALL(%s)",
        (max(batches), night, list(assets), list(batches)),
    )


@dataclass(frozen=True)
class NightFacts:
    """The facts of a night according to the ledger."""

    rows: int
    """How many."""
    data_version: str
    """Their number and the sum of their hashes: equal facts have equal versions, regardless of what wrote them."""
    code_version: str
    """Version of the code that computed them; several, joined by `, `, if batches differ."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Versions of the inputs that were used, by asset; several are joined in the same way."""


@dataclass(frozen=True)
class NightRows:
    """What was written for a night outside the stream."""

    objects: int
    """Number of objects of the night that were processed."""
    rows: int
    """Rows written."""
    checksum: int
    """Sum of the hashes of the rows (`row_hashes`), modulo 2⁶⁴."""

    @property
    def data_version(self) -> str:
        """Number of rows and sum of their hashes: equal rows have equal versions."""
        return additive_version(self.rows, self.checksum)


def additive_version(rows: int, checksum: int) -> str:
    """Data version of rows by their number and the sum of their hashes, modulo 2⁶⁴."""
    return f"{rows:x}-{checksum:016x}"


def nights(connection: psycopg.Connection[Any], keys: Iterable[str]) -> dict[tuple[str, str], NightFacts]:
    """The facts of some nights, by asset and night; those that were never computed are left out."""
    rows = connection.execute(
        "SELECT asset, night::text, sum(rows), mod(sum(checksum), 18446744073709551616),"
        " string_agg(DISTINCT version, ', ' ORDER BY version), jsonb_agg(DISTINCT inputs) FROM ingest_batch_facts"
        " WHERE night = ANY(%s::date[]) AND replaced_by IS NULL GROUP BY asset, night",
        (sorted(set(keys)),),
    )
    return {
        (asset, night): NightFacts(
            int(number), additive_version(int(number), int(checksum)), version, _together(inputs)
        )
        for asset, night, number, checksum, version, inputs in rows
    }


def _together(inputs: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The versions of each input that batches used."""
    found: dict[str, set[str]] = {}
    for item in inputs:
        for asset, version in item.items():
            found.setdefault(asset, set()).add(version)
    return {asset: ", ".join(sorted(versions)) for asset, versions in sorted(found.items())}


def prune(connection: psycopg.Connection[Any], asset: str, *, before: str) -> int:
    """Delete the nights before a given one from the table of an asset, with their entries in provenance and ledger.

    Parameters
    ----------
    connection : psycopg.Connection
        In the caller's transaction.
    asset : str
        Asset key, which is the name of the table.
    before : str
        First night that is kept, `YYYY-MM-DD`.

    Returns
    -------
    int
        Rows deleted.
    """
    old = sql.SQL("DELETE FROM {} WHERE night < %s::date").format(sql.Identifier(asset))
    deleted = connection.execute(old, (before,)).rowcount
    connection.execute("DELETE FROM ingest_batch_facts WHERE asset = %s AND night < %s::date", (asset, before))
    connection.execute('DELETE FROM artefact WHERE asset = %s AND "partition" < %s', (asset, before))
    # The cold store keeps its copies: its nights do not become stale because the database prunes them.
    connection.execute(
        "DELETE FROM artefact_input WHERE asset = 'cold_night' AND input_asset = %s AND input_partition < %s",
        (asset, before),
    )
    return deleted
