"""The packet store: every packet ever received, once, with all its origins.

Append-only. Packets are stored in segment files named by the hash of their content; an SQLite index describes them.
Product files are always rebuilt in full from here, so the order of arrival cannot matter and nothing is merged.

The index is the only part that speaks SQL (`PacketIndex`); an index in PostgreSQL would have the same methods.
"""

from __future__ import annotations

import errno
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from broker_assets.storage.atomic import PARTS, remove_abandoned, replace_atomically
from broker_assets.telemetry.idb.instrument_rules import StructureKey
from broker_assets.telemetry.packets.batches import BadPacket, RawPacket

NO_SSID = -1
LONG_TICKS = 1 << 33
"""Packets whose time bins span more than this, 1/65536 seconds (36 hours), are found by an index of their own."""
_LONG = f"last - first > {LONG_TICKS}"
_OF_THE_DISK = {sqlite3.SQLITE_FULL: errno.ENOSPC, sqlite3.SQLITE_IOERR: errno.EIO}

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS packet (
    digest BLOB PRIMARY KEY,          -- SHA-256 of the packet
    segment TEXT NOT NULL,            -- file that holds it
    start INTEGER NOT NULL,
    length INTEGER NOT NULL,
    service INTEGER NOT NULL,
    subservice INTEGER NOT NULL,
    ssid INTEGER NOT NULL,            -- -1: the kind has none
    scet INTEGER NOT NULL,            -- time of the header, 1/65536 seconds
    sequence_count INTEGER NOT NULL,
    first INTEGER NOT NULL,           -- first and last centre of its time bins, 1/65536 seconds
    last INTEGER NOT NULL,
    sequence_control INTEGER,         -- of the telecommand that requested it
    request INTEGER,                  -- request id
    failure TEXT,                     -- why it cannot be decoded
    apid INTEGER                      -- application process, whose packets share a sequence count
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS packet_time ON packet (service, subservice, ssid, first, last);
CREATE INDEX IF NOT EXISTS packet_scet ON packet (service, subservice, ssid, scet);
CREATE INDEX IF NOT EXISTS packet_request ON packet (service, subservice, ssid, request, sequence_control);
CREATE INDEX IF NOT EXISTS packet_failure ON packet (digest) WHERE failure IS NOT NULL;
CREATE INDEX IF NOT EXISTS packet_long ON packet (service, subservice, ssid, first) WHERE {_LONG};
CREATE TABLE IF NOT EXISTS origin (
    digest BLOB NOT NULL,
    file TEXT NOT NULL,
    number INTEGER NOT NULL,          -- packetID, -1 where the file has none
    position INTEGER NOT NULL,
    PRIMARY KEY (digest, file, number, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file (
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    packets INTEGER NOT NULL,
    bad INTEGER NOT NULL,
    received TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (name, sha256)
);
CREATE TABLE IF NOT EXISTS quarantine (
    file TEXT NOT NULL,
    position INTEGER NOT NULL,
    number INTEGER,
    reason TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (file, position, reason)
);
"""


class CountPlace(NamedTuple):
    """The place of a packet in the sequence count of its application process."""

    apid: int
    sequence_count: int
    scet: int
    """Header time, 1/65536 seconds."""


@dataclass(frozen=True)
class NewPacket:
    """A packet and what is known about it when it is stored."""

    raw: RawPacket
    key: StructureKey
    scet: int
    sequence_count: int
    first: int
    last: int
    request: tuple[int, int] | None = None
    """Telecommand sequence control and request id."""
    failure: str | None = None

    @property
    def place(self) -> CountPlace:
        """Where it lies in the sequence count."""
        return CountPlace(_apid(self.raw.data), self.sequence_count, self.scet)


@dataclass(frozen=True)
class StoredPacket:
    """A packet of the store with the first of its places of origin (by file name and packet number)."""

    raw: RawPacket
    digest: bytes
    scet: int
    sequence_count: int
    request: tuple[int, int] | None
    failure: str | None

    @property
    def place(self) -> CountPlace:
        """Where it lies in the sequence count."""
        return CountPlace(_apid(self.raw.data), self.sequence_count, self.scet)


_COUNTS = """
CREATE INDEX IF NOT EXISTS packet_count ON packet (sequence_count, scet);
CREATE INDEX IF NOT EXISTS packet_answer ON packet (scet) WHERE request IS NOT NULL;
"""


class PacketIndex:
    """What the packets of a store are and where they are stored; SQLite."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, timeout=60.0)
        try:
            self._connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + _SCHEMA)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise type(error)(f"{path}: {error}") from error  # SQLite does not name the file
        if not self._has_apid():
            self._add_apid(path.parent / "segments")
        self._connection.executescript(_COUNTS)

    def _has_apid(self) -> bool:
        return any(row[1] == "apid" for row in self.rows("PRAGMA table_info(packet)"))

    def _add_apid(self, segments: Path) -> None:
        """Complete an index of an earlier version, whose packets have no application process."""
        with self.transaction() as connection:
            if self._has_apid():  # another process was faster
                return
            connection.execute("ALTER TABLE packet ADD COLUMN apid INTEGER")
            for (segment,) in self.rows("SELECT DISTINCT segment FROM packet"):
                content = (segments / str(segment)).read_bytes()
                places = self.rows("SELECT start, digest FROM packet WHERE segment = ?", (segment,))
                connection.executemany(
                    "UPDATE packet SET apid = ? WHERE digest = ?",
                    [(_apid(content[int(start) : int(start) + 2]), digest) for start, digest in places],  # type: ignore[call-overload]
                )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, one at a time: another process waits.

        Raises
        ------
        OSError
            If the disk is full or fails.
        """
        try:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
        except sqlite3.OperationalError as error:
            number = _OF_THE_DISK.get(error.sqlite_errorcode & 0xFF)
            if number is None:
                raise
            raise OSError(number, f"index of packets: {error}") from error

    def known(self, digests: Iterable[bytes]) -> set[bytes]:
        """Which packets are already stored."""
        return {
            digest
            for digest in digests
            if self._connection.execute("SELECT 1 FROM packet WHERE digest = ?", (digest,)).fetchone()
        }

    def select(self, where: str, values: Sequence[object]) -> list[tuple[object, ...]]:
        """Rows of packets with their first origin, in order of time, sequence count and content."""
        return self._connection.execute(
            "SELECT packet.digest, segment, start, length, scet, sequence_count, sequence_control, request, failure,"  # noqa: S608 (conditions are written in this module)
            " (SELECT file || char(0) || printf('%010d', number + 1) || char(0) || position FROM origin"
            "  WHERE origin.digest = packet.digest ORDER BY file, number, position LIMIT 1)"
            f" FROM packet WHERE {where} ORDER BY scet, sequence_count, packet.digest",
            values,
        ).fetchall()

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Result of a query."""
        return self._connection.execute(sql, values).fetchall()


class PacketStore:
    """Packets on disk.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "segments").mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder / PARTS)
        self.index = PacketIndex(folder / "index.sqlite")
        self._segments: dict[str, bytes] = {}

    def close(self) -> None:
        """Close the index."""
        self.index.close()

    def __enter__(self) -> PacketStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, packets: Sequence[NewPacket], bad: Sequence[BadPacket] = ()) -> list[NewPacket]:
        """Store packets; those that are already stored only gain an origin.

        The segment is on the disk under its final name before the index, in one transaction, refers to it: a crash
        leaves at most a segment that nothing refers to.

        Returns
        -------
        list of NewPacket
            Packets that change something: new ones, known ones whose first origin has changed, and known ones that
            could not be decoded before.

        Raises
        ------
        OSError
            If the disk is full or fails; nothing is stored then.
        """
        digests = [hashlib.sha256(packet.raw.data).digest() for packet in packets]
        origins = [
            (digest, Path(p.raw.file).name, -1 if p.raw.number is None else p.raw.number, p.raw.position)
            for digest, p in zip(digests, packets, strict=True)
        ]
        with self.index.transaction() as connection:
            known = self.index.known(digests)
            new: dict[bytes, NewPacket] = {}
            for digest, packet in zip(digests, packets, strict=True):
                if digest not in known:
                    new.setdefault(digest, packet)
            changed = dict(new)
            rows = self._segment_rows(new) if new else []
            connection.executemany("INSERT INTO packet VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", rows)
            for origin, packet in zip(origins, packets, strict=True):
                if origin[0] in known:
                    first = connection.execute(
                        "SELECT min(file || char(0) || printf('%010d', number + 1)) FROM origin WHERE digest = ?",
                        origin[:1],
                    ).fetchone()[0]
                    if f"{origin[1]}\0{origin[2] + 1:010d}" < first or self._repaired(connection, origin[0], packet):
                        changed[origin[0]] = packet
            connection.executemany("INSERT OR IGNORE INTO origin VALUES (?,?,?,?)", origins)
            connection.executemany(
                "INSERT OR IGNORE INTO quarantine VALUES (?,?,?,?,?)",
                [(Path(item.file).name, item.position, item.number, item.reason, item.data) for item in bad],
            )
        return list(changed.values())

    def _repaired(self, connection: sqlite3.Connection, digest: bytes, packet: NewPacket) -> bool:
        """Describe a known packet again that could not be decoded before and can be now."""
        if packet.failure is not None:
            return False
        service, subservice, ssid = packet.key
        found = connection.execute(
            "UPDATE packet SET service = ?, subservice = ?, ssid = ?, first = ?, last = ?, sequence_control = ?,"
            " request = ?, failure = NULL WHERE digest = ? AND failure IS NOT NULL",
            (
                *(service, subservice, NO_SSID if ssid is None else ssid),
                *(packet.first, packet.last, *(packet.request or (None, None)), digest),
            ),
        )
        if found.rowcount:
            connection.execute("DELETE FROM quarantine WHERE data = ?", (packet.raw.data,))
        return bool(found.rowcount)

    def _segment_rows(self, new: dict[bytes, NewPacket]) -> list[tuple[object, ...]]:
        """Write packets into a segment; their rows for the index."""
        segment = b"".join(packet.raw.data for packet in new.values())
        name = hashlib.sha256(segment).hexdigest() + ".packets"
        place = self.folder / "segments" / name
        # The index must not refer to a name that a power failure can remove, so the name is on disk, too.
        replace_atomically(place, segment, parts=self.folder / PARTS)
        rows: list[tuple[object, ...]] = []
        start = 0
        for digest, packet in new.items():
            length = len(packet.raw.data)
            control, request = packet.request or (None, None)
            service, subservice, ssid = packet.key
            kind = (service, subservice, NO_SSID if ssid is None else ssid)
            times = (packet.scet, packet.sequence_count, packet.first, packet.last)
            apid = _apid(packet.raw.data)
            rows.append((digest, name, start, length, *kind, *times, control, request, packet.failure, apid))
            start += length
        return rows

    def add_file(self, name: str, sha256: str, packets: int, bad: int) -> None:
        """Record that a file was read completely."""
        with self.index.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO file (name, sha256, packets, bad) VALUES (?,?,?,?)",
                (name, sha256, packets, bad),
            )

    def has_file(self, name: str, sha256: str) -> bool:
        """Whether this very file was read completely before."""
        return bool(self.index.rows("SELECT 1 FROM file WHERE name = ? AND sha256 = ?", (name, sha256)))

    def of_days(self, key: StructureKey, first: int, last: int) -> list[StoredPacket]:
        """Packets of a kind whose time bins have a centre in [first, last), ticks."""
        # A lower bound on `first` limits the search to the requested days.
        near = self._read(*of_kind(key, "first >= ? AND first < ? AND last >= ?", first - LONG_TICKS, last, first))
        far = self._read(*of_kind(key, f"{_LONG} AND first < ? AND last >= ?", first - LONG_TICKS, first))
        return sorted(near + far, key=lambda item: (item.scet, item.sequence_count, item.digest)) if far else near

    def of_headers(self, key: StructureKey, first: int, last: int) -> list[StoredPacket]:
        """Packets of a kind whose header time lies in [first, last), ticks."""
        return self._read(*of_kind(key, "scet >= ? AND scet < ?", first, last))

    def of_request(self, key: StructureKey, request: tuple[int, int]) -> list[StoredPacket]:
        """Packets of a kind that answer a request (telecommand sequence control, request id)."""
        return self._read(*of_kind(key, "sequence_control = ? AND request = ?", *request))

    def kinds(self) -> list[StructureKey]:
        """Kinds of packets in the store; the time does not grow with the store."""
        found: list[StructureKey] = []
        for service in self._values("service", ()):
            for subservice in self._values("subservice", (service,)):
                ssids = self._values("ssid", (service, subservice))
                found += [(service, subservice, None if ssid == NO_SSID else ssid) for ssid in ssids]
        return found

    def _values(self, column: str, parents: tuple[int, ...]) -> Iterator[int]:
        """Distinct values of an index column for given values of the columns before it, each with one look-up."""
        fixed = "".join(f"{name} = ? AND " for name in ("service", "subservice")[: len(parents)])
        sql = f"SELECT min({column}) FROM packet WHERE {fixed}{column} > ?"  # noqa: S608 (names of columns)
        last = NO_SSID - 1
        while (value := self.index.rows(sql, (*parents, last))[0][0]) is not None:
            last = int(value)  # type: ignore[call-overload]
            yield last

    def requests(self, key: StructureKey) -> list[tuple[int, int]]:
        """Requests that packets of a kind answer."""
        where, values = of_kind(key, "request IS NOT NULL")
        sql = f"SELECT DISTINCT sequence_control, request FROM packet WHERE {where} ORDER BY 1, 2"  # noqa: S608
        return [(int(a), int(b)) for a, b in self.index.rows(sql, values)]  # type: ignore[call-overload]

    def requests_begun(self, key: StructureKey, first: int, last: int) -> list[tuple[int, int]]:
        """Requests whose earliest data begin within [first, last], ticks."""
        where, values = of_kind(key, "request IS NOT NULL AND first >= ? AND first <= ?", first, last)
        sql = f"SELECT DISTINCT sequence_control, request FROM packet WHERE {where} ORDER BY 1, 2"  # noqa: S608
        found = [(int(a), int(b)) for a, b in self.index.rows(sql, values)]  # type: ignore[call-overload]
        return [pair for pair in found if (self.begin_of_request(key, pair) or 0) >= first]

    def begin_of_request(self, key: StructureKey, request: tuple[int, int]) -> int | None:
        """When the earliest data of a request begin, ticks; None if no packet answers it."""
        where, values = of_kind(key, "sequence_control = ? AND request = ?", *request)
        ((begin,),) = self.index.rows(f"SELECT min(first) FROM packet WHERE {where}", values)  # noqa: S608
        return None if begin is None else int(begin)  # type: ignore[call-overload]

    def spans(self, key: StructureKey) -> list[tuple[int, int, int]]:
        """Header time, first and last centre of the time bins of every packet of a kind, ticks."""
        where, values = of_kind(key, "1")
        found = self.index.rows(f"SELECT scet, first, last FROM packet WHERE {where}", values)  # noqa: S608
        return [(int(a), int(b), int(c)) for a, b, c in found]  # type: ignore[call-overload]

    def undecoded(self) -> list[tuple[StructureKey, StoredPacket]]:
        """Packets that could not be decoded on arrival, with the kind to which they were assigned."""
        packets = {packet.digest: packet for packet in self._read("failure IS NOT NULL", ())}
        found = self.index.rows("SELECT digest, service, subservice, ssid FROM packet WHERE failure IS NOT NULL")
        return [
            ((int(a), int(b), None if c == NO_SSID else int(c)), packets[digest])  # type: ignore[call-overload, index]
            for digest, a, b, c in found
        ]

    def quarantined(self) -> list[tuple[object, ...]]:
        """File, position, packet number and reason of everything that could not be used."""
        return self.index.rows("SELECT file, position, number, reason FROM quarantine ORDER BY 1, 2, 4")

    def _read(self, where: str, values: Sequence[object]) -> list[StoredPacket]:
        found = []
        for digest, segment, start, length, scet, count, control, request, failure, origin in self.index.select(
            where, values
        ):
            begin, size = int(start), int(length)  # type: ignore[call-overload]
            data = self._segment(str(segment))[begin : begin + size]
            file, number, position = str(origin).split("\0")
            raw = RawPacket(data, file, int(position), int(number) - 1 if int(number) else None)
            pair = None if request is None else (int(control), int(request))  # type: ignore[call-overload]
            found.append(
                StoredPacket(raw, digest, scet, count, pair, failure)  # type: ignore[arg-type]
            )
        return found

    def _segment(self, name: str) -> bytes:
        if name not in self._segments:
            if len(self._segments) >= _KEPT_SEGMENTS:
                self._segments.clear()
            self._segments[name] = (self.folder / "segments" / name).read_bytes()
        return self._segments[name]


def _apid(data: bytes) -> int:
    """Application process of a packet: the last eleven bits of its first two bytes."""
    return int.from_bytes(data[:2], "big") & 0x7FF


_KEPT_SEGMENTS = 16
"""Segments kept in memory; each has about a megabyte."""


def of_kind(key: StructureKey, condition: str, *values: object) -> tuple[str, list[object]]:
    """Condition on packets of a kind, and its values."""
    service, subservice, ssid = key
    return (
        f"service = ? AND subservice = ? AND ssid = ? AND {condition}",
        [service, subservice, NO_SSID if ssid is None else ssid, *values],
    )
