"""Contents of packets for messages: their light curves, or everything but the images, read from the packet archive.

The outbox stores only the row of a match. A packet is read as one range of its file when its message is sent, and
decoded as in the stream, so that packets of all surveys give the same names and units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa

from broker_assets.database.border_sql import ask
from broker_assets.database.tables import SURVEYS, diasources
from broker_assets.delivery.errors import MessageRefusedError
from broker_assets.delivery.messages import JsonObject, Message, Place
from broker_assets.packets.archive import ArchivedPacket, ArchiveError, read_packet
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.framing import FramedPackets, FramedSchema
from broker_assets.packets.tables import SQL_TABLES, AlertTables

LITE: Final[Mapping[str, tuple[str, ...]]] = {
    "source": ("psfflux", "psffluxerr", "midpointmjdtai", "band", "reliability"),
    "forced_source": ("psfflux", "psffluxerr", "midpointmjdtai", "band"),
}
"""Columns of points in the format lite, as in Lasair."""
LISTS: Final = {
    "source": "diaSourcesList",
    "forced_source": "diaForcedSourcesList",
    "nondetection": "diaNondetectionLimitsList",
}
"""Names of the lists of points in an alert."""
_RECORDS: Final = {
    "object": "diaObject",
    "solar_system_source": "ssSource",
    "solar_system_object": "ssObject",
    "orbit": "mpc_orbits",
}
_NEVER: Final = frozenset({"packet", "trigger", "survey", "htm16", "healpix"})
_SURVEYS: Final = {number: name for name, number in SURVEYS.items()}


class PacketContents:
    """Reads packets from the archive for messages; see `delivery.messages.Contents`. Thread-safe."""

    def alerts(
        self, connection: psycopg.Connection[Any], messages: Sequence[Message], *, full: bool
    ) -> dict[int, JsonObject | MessageRefusedError]:
        """The alert of each message, by its number; points are in chronological order, and images are left out.

        Raises
        ------
        OSError
            If the archive is unavailable.
        """
        found: dict[int, JsonObject | MessageRefusedError] = {}
        kept: dict[str, list[tuple[Message, ArchivedPacket]]] = {}
        places = self._archived(connection, messages)
        for message in messages:
            place = places.get((message.diaobjectid, message.diasourceid or 0))
            if place is None:
                found[message.deliveryid] = MessageRefusedError(
                    f"the packet of source {message.diasourceid} is not in the archive", final=True
                )
                continue
            survey, url, position, length = place
            try:
                kept.setdefault(_SURVEYS[survey], []).append((message, read_packet(url, position, length)))
            except ArchiveError as error:
                found[message.deliveryid] = MessageRefusedError(f"its packet cannot be read: {error}")
        for name, packets in kept.items():
            documents = alert_documents(name, [packet for _, packet in packets], full=full)
            found |= {message.deliveryid: one for (message, _), one in zip(packets, documents, strict=True)}
        return found

    def places(self, connection: psycopg.Connection[Any], messages: Sequence[Message]) -> dict[int, Place]:
        """Positions of the objects of messages, and the times at which they were last detected."""
        rows = connection.execute(
            "SELECT diaobjectid, ra, decl, lastdiasourcemjdtai FROM objects WHERE diaobjectid = ANY(%s)",
            (sorted({message.diaobjectid for message in messages}),),
        ).fetchall()
        known = {row[0]: Place(*row[1:]) for row in rows if row[1] is not None and row[2] is not None}
        return {one.deliveryid: known[one.diaobjectid] for one in messages if one.diaobjectid in known}

    def _archived(
        self, connection: psycopg.Connection[Any], messages: Sequence[Message]
    ) -> dict[tuple[int, int], tuple[int, str, int, int]]:
        """Survey and archive location of the packet of each source, by object and source."""
        wanted = sorted({(one.diaobjectid, one.diasourceid or 0) for one in messages})
        rows = ask(
            connection,
            "SELECT diaobjectid, diasourceid, survey, url, archiveposition, archivelength FROM diasources"
            " JOIN archive_file USING (archivefileid)"
            " JOIN unnest(%s::bigint[], %s::bigint[]) AS wanted (object, source)"
            " ON diaobjectid = object AND diasourceid = source WHERE archiveposition IS NOT NULL",
            {diasources: [[("diasourceid", "in", sorted({source for _, source in wanted}))]]},
            ([one for one, _ in wanted], [source for _, source in wanted]),
        ).fetchall()
        return {(row[0], row[1]): (row[2], row[3], row[4], row[5]) for row in rows}


def alert_documents(
    survey: str, packets: Sequence[ArchivedPacket], *, full: bool
) -> list[JsonObject | MessageRefusedError]:
    """Contents of packets for messages, in order; for a packet that cannot be read, the reason.

    Parameters
    ----------
    survey : str
        Survey of the packets, as in the settings of its stream.
    packets : sequence of ArchivedPacket
        Packets from the archive.
    full : bool
        All columns of all records, instead of light curves with the columns `LITE`.
    """
    decoder = AlertDecoder(survey, "bare", batch_bytes=None)
    schemas: list[FramedSchema] = []
    numbers = []
    for packet in packets:
        known = [number for number, one in enumerate(schemas) if one.fingerprint == packet.schema.fingerprint]
        if not known:
            schemas.append(packet.schema)
        numbers.append(known[0] if known else len(schemas) - 1)
    datums = [packet.datum for packet in packets]
    framed = FramedPackets(
        datums,
        np.zeros(len(datums), np.int64),
        np.array([len(datum) for datum in datums], np.int64),
        np.array(numbers, np.int32),
        schemas,
    )
    identified = decoder.identify_framed(framed)
    tables = decoder.decode(identified)
    found: list[JsonObject | MessageRefusedError] = [*(_full if full else _lite)(tables, len(packets))]
    for failure in tables.failures:
        found[failure.packet] = MessageRefusedError(f"its packet cannot be read: {failure.reason}")
    return found


def _lite(tables: AlertTables, count: int) -> list[JsonObject]:
    documents: list[JsonObject] = [{} for _ in range(count)]
    for name, columns in LITE.items():
        _add_lists(documents, name, getattr(tables, name), columns)
    return documents


def _full(tables: AlertTables, count: int) -> list[JsonObject]:
    documents: list[JsonObject] = [{} for _ in range(count)]
    for name, key in _RECORDS.items():
        table: pa.Table = getattr(tables, name)
        names = [column for column in table.column_names if column not in _NEVER]
        renamed = _documented(name, names)
        for packet, row in zip(table["packet"].to_pylist(), table.select(names).to_pylist(), strict=True):
            documents[packet][key] = {renamed[column]: value for column, value in row.items() if value is not None}
    for name in LISTS:
        table = getattr(tables, name)
        if name != "nondetection" or table.num_rows:
            _add_lists(documents, name, table, [column for column in table.column_names if column not in _NEVER])
    return documents


def _add_lists(documents: list[JsonObject], name: str, table: pa.Table, columns: Sequence[str]) -> None:
    """Add the points of each packet, in chronological order."""
    for document in documents:
        document[LISTS[name]] = []
    ordered = table.sort_by([("packet", "ascending"), ("midpointmjdtai", "ascending")])
    present = [column for column in columns if column in ordered.column_names]
    renamed = _documented(name, columns)
    missing = {renamed[column]: None for column in columns if column not in present}
    rows = ordered.select(present).rename_columns([renamed[column] for column in present]).to_pylist()
    for packet, row in zip(ordered["packet"].to_pylist(), rows, strict=True):
        documents[packet][LISTS[name]].append(row | missing)


def _documented(name: str, columns: Sequence[str]) -> dict[str, str]:
    """The documented name of each column."""
    declared = SQL_TABLES[name].c
    return {column: str(declared[column].info["documented"]) for column in columns}
