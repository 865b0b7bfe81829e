"""Converts the alerts of one stream from messages to internal tables, in two passes over a batch.

The first pass reads the identity of each packet and of each point of its history. With them, the caller looks up what
is already stored, and the second pass reads only the other points. A packet that makes a pass fail is found by
bisection: it fails with its reason, without affecting its neighbours.
"""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.database.point_identity import exposures, sane_time
from broker_assets.packets.bisection import isolated
from broker_assets.packets.failures import PacketFailure
from broker_assets.packets.framing import FramedPackets, FramedSchema, Framer, keep
from broker_assets.packets.light_curves import LIGHT_CURVE
from broker_assets.packets.limits import BATCH_BYTES, MESSAGE_BYTES, ROWS_PER_BYTE, BatchTooLarge
from broker_assets.packets.named_types import AvroSchema
from broker_assets.packets.nights import night_of
from broker_assets.packets.points import Points
from broker_assets.packets.reader import Chosen, DecodedPackets, PacketReader
from broker_assets.packets.registry import NoSchemas, SchemaSource
from broker_assets.packets.surveys import ADAPTERS
from broker_assets.packets.surveys.adapter import Identity, SurveyAdapter
from broker_assets.packets.tables import SCHEMAS, AlertTables, concatenate, table
from broker_assets.packets.usable import usable

DECODER_VERSION: Final = "5"
"""Increased whenever the tables made from the same packets change."""

NAMED_FIELDS: Final = 20
"""Unknown fields of a schema that are named in the log, at most."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Identified:
    """Identity of each packet of a batch; arrays of equal length, ascending by `packet`."""

    packet: NDArray[np.int32]
    """Position in the batch."""
    diasourceid: NDArray[np.int64]
    diaobjectid: NDArray[np.int64]
    """0 if the packet has no DIAObject."""
    ssobjectid: NDArray[np.int64]
    """0 if the packet has no solar-system object."""
    midpointmjdtai: NDArray[np.float64]
    ra: NDArray[np.float64]
    decl: NDArray[np.float64]
    night: NDArray[np.datetime64]
    """Observing night, days."""
    schema: NDArray[np.int32]
    """Row in `framed.schemas`."""
    framed: FramedPackets
    history_days: float
    """How far back the survey's packets list points."""
    points: dict[str, Points] = field(default_factory=dict)
    """Points of the histories by path, ascending by packet, in the order of the packet."""
    light_curve: pa.Table = field(default_factory=LIGHT_CURVE.empty_table)
    """Every point of the packets with few columns, see `light_curves`; also of packets that are not in the arrays."""
    failures: list[PacketFailure] = field(default_factory=list)
    """Packets that are not in the arrays, and why."""

    def __len__(self) -> int:
        return len(self.packet)

    def take(self, rows: NDArray[Any]) -> Identified:
        """Select packets by ascending indices or a mask. The failures stay."""
        names = (
            "packet",
            "diasourceid",
            "diaobjectid",
            "ssobjectid",
            "midpointmjdtai",
            "ra",
            "decl",
            "night",
            "schema",
        )
        taken = replace(self, **{name: getattr(self, name)[rows] for name in names})
        if len(taken) < len(self):
            points = {path: part.take(np.isin(part.packet, taken.packet)) for path, part in self.points.items()}
            return replace(taken, points=points)
        return taken


@dataclass
class _Budget:
    """Memory that the rows of a batch may take."""

    most_bytes: int | None
    packets: int
    taken: int = 0

    def take(self, tables: Mapping[str, pa.Table]) -> None:
        self.taken += sum(part.nbytes for part in tables.values())
        if self.most_bytes is not None and self.taken > self.most_bytes and self.packets > 1:
            raise BatchTooLarge(f"the rows of {self.packets} packets exceed {self.most_bytes} bytes", self.packets // 2)


class AlertDecoder:
    """Decodes one stream; caches compiled readers, so keep one for as long as the stream is read.

    Parameters
    ----------
    survey : str or SurveyAdapter
        "rubin", "ztf" or "elasticc"; or the adapter of another survey.
    framing : str
        "confluent", "container" or "bare".
    schemas : SchemaSource, optional
        Source of schemas; not needed for containers.
    topic : str, optional
        Topic of the stream, which determines the schema of bare datums.
    batch_bytes : int or None
        Limit for the messages of a batch once decompressed, bytes; their rows may have `ROWS_PER_BYTE` times as many.
        None for callers that cannot divide a batch.
    message_bytes : int
        Limit for one message, bytes, as received and once decompressed.

    Raises
    ------
    ValueError
        If survey or framing is unknown.
    """

    def __init__(
        self,
        survey: str | SurveyAdapter,
        framing: str,
        schemas: SchemaSource | None = None,
        *,
        topic: str | None = None,
        batch_bytes: int | None = BATCH_BYTES,
        message_bytes: int = MESSAGE_BYTES,
    ) -> None:
        if isinstance(survey, str):
            if survey not in ADAPTERS:
                raise ValueError(f"unknown survey {survey!r}; known: {', '.join(ADAPTERS)}")
            survey = ADAPTERS[survey]
        self.survey = survey.survey
        self.framing = framing
        self._adapter = survey
        self._framer = Framer(
            framing,
            schemas if schemas is not None else NoSchemas(),
            topic=topic,
            batch_bytes=batch_bytes,
            message_bytes=message_bytes,
        )
        self._most_row_bytes = None if batch_bytes is None else ROWS_PER_BYTE * batch_bytes
        self._readers: dict[tuple[str, bool], PacketReader | PacketFailure] = {}
        self.unknown_fields: dict[str, list[str]] = {}
        """Unknown fields of each encountered schema, by its name."""

    def identify(self, payloads: Sequence[bytes]) -> Identified:
        """Read the identity of each packet and of the points of its history.

        Parameters
        ----------
        payloads : sequence of bytes
            Messages of the stream.

        Returns
        -------
        Identified
            Packets with a valid position and time; all others are among its `failures`.

        Raises
        ------
        RegistryUnavailable
            If a schema must be fetched and the registry does not answer, or the stream consists of bare datums and
            has no schema at all: the packets themselves are not at fault.
        BatchTooLarge
            If the messages have more than `batch_bytes` once decompressed; never for a single message.
        """
        return self.identify_framed(self._framer.split(payloads))

    def identify_framed(self, framed: FramedPackets) -> Identified:
        """Read the identity of each packet whose framing has been removed; see `identify`."""
        failures = list(framed.failures)
        parts: list[tuple[Identity, int]] = []
        points: dict[str, list[Points]] = {}
        curves = [LIGHT_CURVE.empty_table()]
        for number, schema in enumerate(framed.schemas):
            rows = np.flatnonzero(framed.schema == number)
            reader = self._reader(schema, whole=False)
            if isinstance(reader, PacketFailure):
                failures += [PacketFailure(int(row), reason_of(schema, reader.reason)) for row in rows]
                continue

            work = partial(self._identify, schema.schema, reader, framed, failures)
            for identity, found, curve in isolated(rows, work, failures):
                parts.append((identity, number))
                curves.append(curve)
                for path, part in found.items():
                    points.setdefault(path, []).append(part)
        identified = self._joined(parts, points, framed, failures)
        return replace(identified, light_curve=pa.concat_tables(curves))

    def decode(
        self,
        identified: Identified,
        *,
        wanted: Mapping[str, NDArray[np.bool_]] | None = None,
    ) -> AlertTables:
        """Read the packets into the internal tables.

        Parameters
        ----------
        identified : Identified
            Result of `identify`, or part of it (`Identified.take`).
        wanted : mapping of str to (n,) bool array, optional
            Which points of the histories to read, parallel to `identified.points`; all if not given.

        Returns
        -------
        AlertTables
            Its `failures` are those of the identification and of this pass: each packet of the batch is either
            there or in `packet`, unless `take` omitted it.

        Raises
        ------
        BatchTooLarge
            If the rows of the packets exceed the limit; never for a single packet.
        """
        framed = identified.framed
        failures: list[PacketFailure] = []
        parts: dict[str, list[pa.Table]] = {name: [] for name in SCHEMAS}
        omitted: Counter[str] = Counter()
        budget = _Budget(self._most_row_bytes, len(identified))
        for number, schema in enumerate(framed.schemas):
            chosen = np.flatnonzero(identified.schema == number)
            reader = self._reader(schema, whole=True)
            if isinstance(reader, PacketFailure):
                failures += [PacketFailure(int(row), reader.reason) for row in identified.packet[chosen]]
                continue
            work = partial(self._convert, schema, reader, identified, wanted or {}, failures, budget)
            for tables, lost in isolated(chosen, work, failures, packets=identified.packet):
                omitted += lost
                for name, part in tables.items():
                    parts[name].append(part)
        failed = {failure.packet for failure in failures}
        good = identified
        if failed:
            good = identified.take(~np.isin(identified.packet, np.fromiter(failed, np.int64)))
        parts["packet"] = [self._packet_table(good)]
        if omitted:
            counts = "; ".join(f"{reason} ({count})" for reason, count in omitted.most_common())
            _LOG.warning("left out of packets that are stored: %s", counts)
        joined = {name: concatenate(name, tables) for name, tables in parts.items()}
        return AlertTables(
            **joined,
            light_curve=identified.light_curve,
            failures=[*identified.failures, *failures],
            omitted=omitted,
        )

    def _identify(
        self,
        schema: AvroSchema,
        reader: PacketReader,
        framed: FramedPackets,
        failures: list[PacketFailure],
        rows: NDArray[np.int64],
    ) -> tuple[Identity, dict[str, Points], pa.Table]:
        decoded = self._read(reader, framed, rows, failures)
        identity = self._adapter.identity(decoded.tables[""])
        points = self._adapter.points(decoded.tables, identity)
        curve = self._adapter.light_curve(schema, decoded.tables, identity)
        return (
            replace(identity, packet=rows[identity.packet]),
            {path: replace(part, packet=rows[part.packet]) for path, part in points.items()},
            curve.set_column(0, LIGHT_CURVE.field(0), pa.array(rows[curve["packet"].to_numpy()])),
        )

    def _convert(
        self,
        schema: FramedSchema,
        reader: PacketReader,
        identified: Identified,
        wanted: Mapping[str, NDArray[np.bool_]],
        failures: list[PacketFailure],
        budget: _Budget,
        rows: NDArray[np.int64],
    ) -> tuple[dict[str, pa.Table], Counter[str]]:
        adapter = self._adapter
        packets = identified.packet[rows].astype(np.int64)
        chosen = {
            path: Chosen.of(mask, identified.points[path].end, identified.points[path].packet, packets)
            for path, mask in wanted.items()
            if path in reader.tables
        }
        found: list[PacketFailure] = []
        decoded = self._read(reader, identified.framed, packets, found, chosen)
        tables, omitted = adapter.convert(schema.schema, decoded.tables, adapter.identity(decoded.tables[""]))
        result = {}
        for name, part in tables.items():
            if name == "nondetection":
                numbers = exposures(part, numbered=adapter.NUMBERS_EXPOSURES)
                part = part.append_column(SCHEMAS[name].field("exposure"), pa.array(numbers))
            part = usable(name, part, omitted)
            local = np.asarray(part["packet"].to_numpy(), dtype=np.int64)
            result[name] = part.set_column(0, SCHEMAS[name].field(0), pa.array(packets[local], pa.int32()))
        failures += found
        budget.take(result)
        return result, omitted

    @staticmethod
    def _read(
        reader: PacketReader,
        framed: FramedPackets,
        packets: NDArray[np.int64],
        failures: list[PacketFailure],
        keep: dict[str, Chosen] | None = None,
    ) -> DecodedPackets:
        decoded = reader.read(
            [framed.buffers[packet] for packet in packets.tolist()],
            starts=framed.starts[packets],
            ends=framed.ends[packets],
            keep=keep,
        )
        failures += [PacketFailure(int(packets[failure.packet]), failure.reason) for failure in decoded.failures]
        return decoded

    def _joined(
        self,
        parts: list[tuple[Identity, int]],
        points: Mapping[str, list[Points]],
        framed: FramedPackets,
        failures: list[PacketFailure],
    ) -> Identified:
        def gather(name: str, kind: type) -> NDArray[Any]:
            return np.concatenate([np.empty(0, kind), *(getattr(identity, name) for identity, _ in parts)])

        packet = gather("packet", np.int64).astype(np.int32)
        schema = np.concatenate(
            [np.empty(0, np.int32), *(np.full(len(identity.packet), number, np.int32) for identity, number in parts)]
        )
        identified = Identified(
            packet=packet,
            diasourceid=gather("diasourceid", np.int64),
            diaobjectid=gather("diaobjectid", np.int64),
            ssobjectid=gather("ssobjectid", np.int64),
            midpointmjdtai=gather("midpointmjdtai", np.float64),
            ra=gather("ra", np.float64),
            decl=gather("decl", np.float64),
            night=np.empty(len(packet), "datetime64[D]"),
            schema=schema,
            framed=framed,
            history_days=self._adapter.HISTORY_DAYS,
            points={path: _by_packet(found) for path, found in points.items()},
            failures=failures,
        ).take(np.argsort(packet, kind="stable"))
        sane, reasons = _sanity(identified)
        failures += reasons
        identified = identified if sane.all() else identified.take(sane)
        return replace(identified, night=night_of(identified.midpointmjdtai, self.survey))

    def _reader(self, schema: FramedSchema, *, whole: bool) -> PacketReader | PacketFailure:
        key = (schema.fingerprint, whole)
        if key not in self._readers:
            keep(self._readers, key, self._compile(schema, whole=whole))
        return self._readers[key]

    def _compile(self, schema: FramedSchema, *, whole: bool) -> PacketReader | PacketFailure:
        adapter = self._adapter
        try:
            columns = adapter.columns(schema.schema) if whole else adapter.identity_columns(schema.schema)
            missing = set(adapter.IDENTITY) - set(columns[""])
            if missing:
                return PacketFailure(
                    -1, f"schema {schema.name} is not one of {adapter.survey}: it lacks {', '.join(sorted(missing))}"
                )
            if not whole and (unknown := adapter.unknown_fields(schema.schema)):
                keep(self.unknown_fields, schema.name, unknown)
                more = f" and {len(unknown) - NAMED_FIELDS} more" if len(unknown) > NAMED_FIELDS else ""
                listed = ", ".join(unknown[:NAMED_FIELDS])
                _LOG.warning("schema %s has fields that are not stored: %s%s", schema.name, listed, more)
            return PacketReader(schema.schema, columns, to_end=whole)
        except Exception as error:  # noqa: BLE001 (a schema that cannot be compiled condemns its packets, not the batch)
            return PacketFailure(-1, f"schema {schema.name} cannot be read: {error}", traceback.format_exc())

    @staticmethod
    def _packet_table(identified: Identified) -> pa.Table:
        names = pa.array([schema.name for schema in identified.framed.schemas], pa.string())
        return table(
            "packet",
            {
                "packet": identified.packet,
                "diasourceid": identified.diasourceid,
                "diaobjectid": identified.diaobjectid,
                "ssobjectid": identified.ssobjectid,
                "midpointmjdtai": identified.midpointmjdtai,
                "ra": identified.ra,
                "decl": identified.decl,
                "night": identified.night,
                "schema": names.take(pa.array(identified.schema)),
            },
        )


def _by_packet(parts: list[Points]) -> Points:
    points = Points.concatenated(parts)
    ordered = bool((points.packet[1:] >= points.packet[:-1]).all())
    return points if ordered else points.take(np.argsort(points.packet, kind="stable"))


def reason_of(schema: FramedSchema, reason: str) -> str:
    """Reason of a failure caused by the schema."""
    return reason if schema.name in reason else f"{schema.name}: {reason}"


def _sanity(identified: Identified) -> tuple[NDArray[np.bool_], list[PacketFailure]]:
    """Which packets have a valid time and position, and what is wrong with the others."""
    time = sane_time(identified.midpointmjdtai)
    ra = (identified.ra >= 0) & (identified.ra <= 360)
    decl = (identified.decl >= -90) & (identified.decl <= 90)
    failures = []
    for row in np.flatnonzero(~(time & ra & decl)).tolist():
        wrong = [
            f"{what} is missing or outside {limits}" if np.isnan(value) else f"{what} {value} is outside {limits}"
            for what, good, value, limits in (
                ("midpoint", time[row], identified.midpointmjdtai[row], "MJD 40000 to 100000"),
                ("right ascension", ra[row], identified.ra[row], "0 to 360 degrees"),
                ("declination", decl[row], identified.decl[row], "-90 to 90 degrees"),
            )
            if not good
        ]
        failures.append(PacketFailure(int(identified.packet[row]), "; ".join(wrong)))
    return time & ra & decl, failures
