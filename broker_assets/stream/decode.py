"""Turns messages into rows: the function shared by stream, reprocessing and quarantine retry.

Cheaply identifies packets and the points of their histories, compares these with stored points, decodes only the
others, and reports for every message whether it became rows or why not. Nothing here accesses the database or the
archive.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.database.alerts import AlertRows
from broker_assets.database.point_identity import sane_time
from broker_assets.database.point_selection import Listed, Triggers
from broker_assets.database.stored_points import Comparison
from broker_assets.packets.decoder import AlertDecoder, Identified
from broker_assets.packets.framing import FramedPackets
from broker_assets.packets.points import Points
from broker_assets.packets.stamps import Stamps
from broker_assets.packets.tables import SQL_TABLES, AlertTables
from broker_assets.sky.cells import cells_at
from broker_assets.sky.htm import htm
from broker_assets.stream.messages import Message
from broker_assets.stream.spent import Spent, Stopwatch

INGEST_VERSION = "2"
"""Increased whenever this package turns the same packets into different rows."""

Compare = Callable[[Triggers, Listed], tuple[NDArray[np.bool_], Comparison | None]]
"""Determines which points of the histories of packets must be written, and what is known about them."""


@dataclass(frozen=True)
class Reason:
    """Why a message is quarantined."""

    reason: str
    traceback: str = ""


@dataclass(frozen=True)
class Locations:
    """Archive positions of the packets of a batch; arrays by message number, 0 for failed messages."""

    archivefileid: NDArray[np.int64]
    position: NDArray[np.int64]
    length: NDArray[np.int64]

    @classmethod
    def empty(cls, messages: int) -> Locations:
        """Empty locations."""
        return cls(*(np.zeros(messages, np.int64) for _ in range(3)))


@dataclass
class DecodedBatch:
    """Decoded messages of a batch, and the failed ones."""

    messages: Sequence[Message]
    tables: AlertTables
    """The column `packet` numbers the messages."""
    framed: FramedPackets
    """The datums of the messages."""
    failed: dict[int, Reason]
    """By message number; every message is either here or in `tables.packet`."""
    comparison: Comparison | None
    """What was determined about its points before the transaction."""
    stamps: Stamps
    """Reads the stamps of the messages; keeps their datums until the stage that computes with them releases it."""
    spent: dict[str, Spent] = field(default_factory=dict)
    """Time spent, by stage."""
    started_at: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC))

    def release(self) -> None:
        """Release the payloads that are not needed once archived: all except those of failed messages."""
        self.messages = [
            message if number in self.failed else message._replace(value=b"")
            for number, message in enumerate(self.messages)
        ]
        self.framed = replace(self.framed, buffers=[])

    @property
    def packets(self) -> NDArray[np.int64]:
        """Numbers of the decoded messages, ascending."""
        return np.asarray(self.tables.packet["packet"], dtype=np.int64)

    @property
    def nights(self) -> NDArray[np.datetime64]:
        """Night of each decoded message, in the order of `packets`."""
        return np.asarray(self.tables.packet["night"].to_numpy(), dtype="datetime64[D]")


def decode_batch(
    messages: Sequence[Message],
    decoder: AlertDecoder,
    compare: Compare,
    *,
    condemned: Mapping[tuple[int, int], Reason] | None = None,
) -> DecodedBatch:
    """Decode the new points of a batch of messages.

    Parameters
    ----------
    messages : sequence of Message
        In storage order: of several messages with the same source, the first counts.
    decoder : AlertDecoder
        Decoder for survey, framing and schemas.
    compare : callable
        Called once, with the points of the batch.
    condemned : mapping of (partition, offset) to Reason
        Messages that must not be decoded, since they were found to make later steps fail.

    Returns
    -------
    DecodedBatch
        Each message is either decoded or failed.

    Raises
    ------
    RegistryUnavailable
        If a schema is neither cached nor available at the moment. Failures caused by a packet are not raised.
    """
    started_at = datetime.datetime.now(datetime.UTC)
    watch = Stopwatch()
    spent: dict[str, Spent] = {}
    failed = {
        number: condemned[place]
        for number, message in enumerate(messages if condemned else ())
        if condemned and (place := (message.partition, message.offset)) in condemned
    }
    # A condemned message keeps its number: as an empty message it fails the framing, and its own reason is inserted.
    payloads = [b"" if number in failed else message.value for number, message in enumerate(messages)]
    identified = decoder.identify(payloads)
    spent["identify"] = watch.lap()
    sane = {path: sane_time(points.midpointmjdtai) for path, points in identified.points.items()}
    keep, comparison = _compared(identified, sane, compare)
    spent["compare"] = watch.lap()
    tables = decoder.decode(identified, wanted=keep)
    damaged = Counter({f"{path}: without a valid time": int((~mask).sum()) for path, mask in sane.items()})
    tables = replace(tables, omitted=Counter(tables.omitted) + damaged)
    for failure in tables.failures:
        failed.setdefault(failure.packet, Reason(failure.reason, failure.traceback))
    _require_consistency(tables, failed, len(messages))
    spent["decode"] = watch.lap()
    return DecodedBatch(
        messages, tables, identified.framed, failed, comparison, Stamps(identified.framed), spent, started_at
    )


def _compared(
    identified: Identified, sane: Mapping[str, NDArray[np.bool_]], compare: Compare
) -> tuple[dict[str, NDArray[np.bool_]], Comparison | None]:
    """Which points to read, parallel to `identified.points`; only those with a sane time are compared."""
    points = Points.concatenated(
        [part if sane[path].all() else part.take(sane[path]) for path, part in identified.points.items()]
    )
    place = np.zeros(len(identified.framed.starts), np.int64)
    place[identified.packet] = np.arange(len(identified))
    found, comparison = compare(
        Triggers(identified.diaobjectid, identified.diasourceid, identified.midpointmjdtai, identified.history_days),
        Listed(
            place[points.packet],
            points.kind,
            points.diaobjectid,
            points.identity,
            points.midpointmjdtai,
            points.withdrawn,
        ),
    )
    keep, begin = {}, 0
    for path, mask in sane.items():
        kept = mask.copy()
        kept[mask] = found[begin : begin + int(mask.sum())]
        keep[path] = kept
        begin += int(mask.sum())
    return keep, comparison


def _require_consistency(tables: AlertTables, failed: Mapping[int, Reason], messages: int) -> None:
    """Stop before anything is written if a message is unaccounted for, or a packet lacks its own source.

    The ledger is closed by construction only if every decoded message has exactly one source of its own.
    """
    packet = tables.packet["packet"].to_numpy()
    if packet.size + len(failed) != messages or (failed and np.isin(packet, list(failed)).any()):
        raise ValueError(f"the decoder miscounted: {messages} messages, {packet.size} decoded, {len(failed)} failed")
    own = tables.source.filter(tables.source["trigger"]).select(["packet", "diasourceid", "diaobjectid"])
    own = own.sort_by("packet")
    for name in own.column_names:
        expected, found = tables.packet[name].to_numpy(), own[name].to_numpy()
        if expected.size != found.size or (expected != found).any():
            raise ValueError(f"the sources of the packets differ from the identities of the packets, in {name}")


def alert_rows(batch: DecodedBatch, locations: Locations) -> AlertRows:
    """The rows of a batch as stored in the tables, except the identifier of the batch.

    Parameters
    ----------
    batch : DecodedBatch
        The decoded batch.
    locations : Locations
        Archive positions of its packets.
    """
    tables = batch.tables
    night = np.zeros(len(batch.messages), "datetime64[D]")
    night[batch.packets] = batch.nights
    brought_by = np.zeros(len(batch.messages), np.int64)
    brought_by[batch.packets] = tables.packet["diasourceid"].to_numpy()
    time = np.zeros(len(batch.messages))
    time[batch.packets] = tables.packet["midpointmjdtai"].to_numpy()
    of_packet = {"night": night, "broughtby": brought_by, "broughtbymjdtai": time}

    def of_night(name: str, rows: pa.Table) -> pa.Table:
        if "packet" not in rows.column_names:
            return rows
        packet = rows["packet"].to_numpy()
        for column, values in of_packet.items():
            if column in SQL_TABLES[name].c:
                rows = rows.append_column(column, pa.array(values[packet]))
        return rows.drop_columns(["packet"])

    trigger = tables.source["trigger"]
    triggers = tables.source.filter(trigger).drop_columns(["trigger"]).sort_by("packet")
    packet = triggers["packet"].to_numpy()
    sources = of_night("source", triggers)
    for name, values, kind in (
        ("archivefileid", locations.archivefileid, pa.int64()),
        ("archiveposition", locations.position, pa.int64()),
        ("archivelength", locations.length, pa.int32()),
    ):
        sources = sources.append_column(name, pa.array(values[packet], kind))
    return AlertRows(
        sources=sources,
        history=of_night("source", tables.source.filter(pc.invert(trigger)).drop_columns(["trigger"])),
        forced_sources=of_night("forced_source", tables.forced_source),
        objects=_with_cells(of_night("object", tables.object)),
        solar_system_sources=of_night("solar_system_source", tables.solar_system_source),
        solar_system_objects=of_night("solar_system_object", tables.solar_system_object),
        orbits=of_night("orbit", tables.orbit),
        nondetections=of_night("nondetection", tables.nondetection),
    )


def _with_cells(objects: pa.Table) -> pa.Table:
    """Objects with the HEALPix cell and the HTM trixel of their position; null if the position is invalid."""
    ra, dec = objects["ra"].to_numpy(), objects["decl"].to_numpy()
    known = np.isfinite(ra) & (np.abs(dec) <= 90.0)
    for name, cells in (("healpix", cells_at(ra[known], dec[known])), ("htm16", htm(ra[known], dec[known]))):
        values = np.zeros(len(objects), np.int64)
        values[known] = cells
        column = pa.array(values, mask=~known)
        place = objects.schema.get_field_index(name)
        objects = objects.append_column(name, column) if place < 0 else objects.set_column(place, name, column)
    return objects
