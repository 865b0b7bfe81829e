"""A summary of each object's stored light curve: count, and sum of the hashes, of its points.

The numbers are kept for each kind of point and month of the exposure, in one row per object of the table `point_sums`.
If the points that a packet lists for a month have the same count and the same sum, they are the stored ones
(`point_selection`), and none of them needs to be read. Packets list the last months only, so older months are dropped;
what is not known is compared point by point. Writers and removers of points first lock the rows of their objects
here, in the order of the identifiers: the numbers are always those of the committed points.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import numba
import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray
from psycopg import sql

from broker_assets.database import copy
from broker_assets.database.number_arrays import array_text, distinct
from broker_assets.database.point_identity import MJD_MAXIMUM, MJD_MINIMUM, Hashes, PointKind
from broker_assets.database.tables import point_sums

MONTHS_KEPT: Final = 18
"""Rubin's packets list the points of twelve months (LSE-163, 3.2.1); later packets may come half a year late."""

_MONTH_OF_MJD_ZERO: Final = np.datetime64("1858-11-17", "D")
_MONTHS: Final = (
    (_MONTH_OF_MJD_ZERO + np.arange(int(MJD_MINIMUM), int(MJD_MAXIMUM) + 1)).astype("datetime64[M]").astype(np.int64)
)
EVER: Final = -(2**15)
"""First month of an object of which no month was dropped."""
_ABSENT: Final = -1
"""`changes` of an object without a row."""

ENTRY: Final = np.dtype(
    [
        ("kind", "<u1"),
        ("month", "<i2"),
        ("number", "<u4"),
        ("checksum", "<u8"),
        ("broughtbymjdtai", "<f8"),
        ("broughtby", "<i8"),
    ]
)
"""One month of one kind of points: how many there are, the sum of their hashes modulo 2⁶⁴, and an upper bound for
(`broughtbymjdtai`, `broughtby`) of those that a packet other than their own provided."""

_HEADER: Final = 2  # bytes before the entries: the first month that is known


def months_of(mjd: ArrayLike) -> NDArray[np.int64]:
    """Calendar months of times.

    Parameters
    ----------
    mjd : (n,) float64 array
        MJD TAI, days, within `MJD_MINIMUM` and `MJD_MAXIMUM`.

    Returns
    -------
    (n,) int64 array
        Months since January 1970.

    Examples
    --------
    >>> months_of([40587.0, 40617.9, 40618.0])
    array([0, 0, 1])
    """
    days = np.asarray(mjd, np.float64).astype(np.int64)  # rounded down: there is no time before MJD 0
    return np.take(_MONTHS, days - int(MJD_MINIMUM), mode="clip")


def month_begins(months: NDArray[np.int64]) -> NDArray[np.float64]:
    """First instant of months since January 1970, MJD.

    Examples
    --------
    >>> month_begins(np.array([0, 1]))
    array([40587., 40618.])
    """
    days = months.astype("datetime64[M]").astype("datetime64[D]") - _MONTH_OF_MJD_ZERO
    return days.astype(np.int64).astype(np.float64)


@dataclass(frozen=True)
class Sums:
    """Sums of the light curves of some objects."""

    objects: NDArray[np.int64]
    """(k,) ascending, without repetition."""
    changes: NDArray[np.int64]
    """(k,) how often the points of the object were written; if it differs, so may the sums."""
    removals: NDArray[np.int64]
    """(k,) how often points of the object were removed."""
    known: NDArray[np.bool_]
    """(k,) whether the sums are known."""
    since: NDArray[np.int64]
    """(k,) first month that is known."""
    owner: NDArray[np.int64]
    """(m,) place in `objects` of each entry; ascending."""
    entries: NDArray[Any]
    """(m,) of type `ENTRY`; for each object ascending by kind and month. Before `since`, there are only months for
    which a later packet provided points, with meaningless numbers and checksums."""

    def place(self, objects: NDArray[np.int64]) -> NDArray[np.int64]:
        """Place in `objects` of each of some objects, all of which must be in it."""
        return np.searchsorted(self.objects, objects)

    def find(
        self, place: NDArray[np.int64], kind: NDArray[np.integer[Any]], month: NDArray[np.int64]
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The entry of each (object, kind, month), and whether it is known; an entry of zeros if there is no point.

        Parameters
        ----------
        place : (n,) int64 array
            Places in `objects`.
        kind : (n,) integer array
            Kinds of points.
        month : (n,) int64 array
            Months; see `months_of`.

        Returns
        -------
        entries : (n,) array of `ENTRY`
        known : (n,) bool array
        """
        found = np.zeros(len(place), ENTRY)
        known = self.known[place] & (month >= self.since[place])
        if len(self.entries):
            keys = _key(self.owner, self.entries["kind"], self.entries["month"])
            wanted = _key(place, kind, month)
            at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            hit = keys[at] == wanted
            found[hit] = self.entries[at[hit]]
        return found, known

    def months(self, kind: PointKind, place: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The months in which the objects at some places have stored points of a kind: objects and months."""
        chosen = np.zeros(len(self.objects), bool)
        chosen[place] = True
        rows = np.flatnonzero((self.entries["kind"] == kind) & chosen[self.owner])
        return self.objects[self.owner[rows]], self.entries["month"][rows].astype(np.int64)

    def removed_since(self, before: Sums) -> NDArray[np.bool_]:
        """For which objects some points of earlier sums are no longer stored.

        Parameters
        ----------
        before : Sums
            Earlier sums of these objects, and of others perhaps.
        """
        suspect: NDArray[np.bool_] = before.removals[before.place(self.objects)] != self.removals
        # A night that is rebuilt removes its points and usually writes the same ones again.
        counted = before.entries["month"] >= before.since[before.owner]
        rows = np.flatnonzero(counted & np.isin(before.objects[before.owner], self.objects[suspect]))
        entries, place = before.entries[rows], self.place(before.objects[before.owner[rows]])
        now, known = self.find(place, entries["kind"], entries["month"].astype(np.int64))
        same = known & (now["number"] == entries["number"]) & (now["checksum"] == entries["checksum"])
        found: NDArray[np.bool_] = suspect & ~before.known[before.place(self.objects)]
        found[place[~same]] = True
        return found

    def after(self, changes: Iterable[Changes], *, counted: NDArray[np.bool_] | None = None) -> Sums:
        """The sums after some points were written or removed.

        Parameters
        ----------
        changes : iterable of Changes
            Points added and removed.
        counted : (k,) bool array, optional
            Objects all of whose points are in `changes`: their sums are known afterwards.
        """
        parts = list(changes)
        fresh = np.zeros(len(self.objects), bool) if counted is None else counted
        kept = self.known & ~fresh
        owner, entries = (self.owner, self.entries) if kept.all() else self._of(kept)
        known = self.known | fresh
        since = np.where(fresh, EVER, self.since)
        added_owner = np.concatenate([np.zeros(0, np.int64), *(self.place(part.diaobjectid) for part in parts)])
        added = np.concatenate([np.zeros(0, ENTRY), *(part.entries() for part in parts)])
        # In months that are not known, the bounds of the packets that provided points are still useful.
        usable = known[added_owner] & ((added["month"] >= since[added_owner]) | np.isfinite(added["broughtbymjdtai"]))
        owner, entries = _joined(owner, entries, *_ordered(added_owner[usable], added[usable]))
        held = _drop_old_months(owner, entries, since)
        if not held.all():
            owner, entries = owner[held], entries[held]
        return Sums(self.objects, self.changes, self.removals, known, since, owner, entries)

    def of(self, objects: NDArray[np.int64]) -> Sums:
        """The sums of some of the objects, ascending, without repetition."""
        if len(objects) == len(self.objects):
            return self
        chosen = np.zeros(len(self.objects), bool)
        chosen[self.place(objects)] = True
        owner, entries = self._of(chosen)
        owner = (np.cumsum(chosen) - 1)[owner]
        return Sums(
            objects,
            self.changes[chosen],
            self.removals[chosen],
            self.known[chosen],
            self.since[chosen],
            owner,
            entries,
        )

    def _of(self, chosen: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[Any]]:
        rows = chosen[self.owner]
        return self.owner[rows], self.entries[rows]


@dataclass(frozen=True)
class Changes:
    """Points that are added to the sums or removed from them; arrays of equal length."""

    diaobjectid: NDArray[np.int64]
    kind: PointKind
    midpointmjdtai: NDArray[np.float64]
    identity: Hashes
    own: NDArray[np.bool_]
    """Whether the point's own packet provided it."""
    broughtbymjdtai: NDArray[np.float64]
    broughtby: NDArray[np.int64]
    removed: bool = False

    def entries(self) -> NDArray[Any]:
        """An entry for each point."""
        found = np.zeros(len(self.diaobjectid), ENTRY)
        found["kind"] = self.kind
        found["month"] = months_of(self.midpointmjdtai)
        # Counts are taken modulo 2³², sums modulo 2⁶⁴: a removed point is the negative of an added one.
        found["number"] = 2**32 - 1 if self.removed else 1
        found["checksum"] = np.uint64(0) - self.identity if self.removed else self.identity
        # A point from its own packet is never replaced, and does not count for the bound.
        bound = ~self.own & (not self.removed)
        found["broughtbymjdtai"] = np.where(bound, self.broughtbymjdtai, -np.inf)
        found["broughtby"] = np.where(bound, self.broughtby, np.iinfo(np.int64).min)
        return found


def read(connection: psycopg.Connection[Any], objects: NDArray[np.int64], *, lock: bool = False) -> Sums:
    """Read the sums of objects.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    objects : (n,) int64 array
        Objects; may repeat. For unknown objects, nothing is stored.
    lock : bool
        Lock the rows in the order of their identifiers until the transaction ends.
    """
    wanted = distinct(objects)
    return _decoded(wanted, *_packed(connection, wanted, "months", lock=lock))


def lock(connection: psycopg.Connection[Any], objects: NDArray[np.int64], before: Sums) -> Sums:
    """Lock the rows of objects like `read`, and read only those sums that have changed.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection in a transaction.
    objects : (n,) int64 array
        Objects; may repeat.
    before : Sums
        Sums of these objects read before, and of others perhaps.
    """
    wanted = distinct(objects)
    heads, _ = _packed(connection, wanted, "NULL::bytea", lock=True)
    earlier = before.of(wanted)
    changes = np.full(len(wanted), _ABSENT)
    changes[np.searchsorted(wanted, heads["diaobjectid"])] = heads["changes"]
    return earlier if (changes == earlier.changes).all() else read(connection, wanted)


_HEAD: Final = np.dtype([("diaobjectid", ">i8"), ("changes", ">i8"), ("removals", ">i8"), ("length", ">i4")])
_MOST_OBJECTS: Final = 100_000
"""Objects in one query, whose answer is a single row: a value can have 1 GB at most."""


def _packed(
    connection: psycopg.Connection[Any], wanted: NDArray[np.int64], months: LiteralString, *, lock: bool
) -> tuple[NDArray[Any], bytes]:
    """Rows of the table: all columns but the last, and the concatenated content of the last one.

    They arrive as a single row, since receiving a row takes a client longer than finding it takes PostgreSQL.
    """
    query = sql.SQL(
        "SELECT string_agg(int8send(diaobjectid) || int8send(changes) || int8send(removals)"
        " || int4send(coalesce(octet_length(months), -1)), ''), string_agg(months, '')"
        " FROM (SELECT diaobjectid, changes, removals, {} AS months FROM point_sums"
        " WHERE diaobjectid = ANY(%s::bigint[]) ORDER BY diaobjectid{}) AS found"
    ).format(sql.SQL(months), sql.SQL(" FOR UPDATE" if lock else ""))
    heads, contents = b"", b""
    with connection.cursor(binary=True) as cursor:
        for start in range(0, len(wanted), _MOST_OBJECTS):
            cursor.execute(query, [array_text(wanted[start : start + _MOST_OBJECTS])])
            head, content = cursor.fetchone() or (None, None)
            heads += head or b""
            contents += content or b""
    return np.frombuffer(heads, _HEAD), contents


def write(connection: psycopg.Connection[Any], sums: Sums, *, removal: bool = False) -> None:
    """Store sums whose rows are locked.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection in the transaction that holds the locks.
    sums : Sums
        The new sums.
    removal : bool
        Whether points were removed.

    Raises
    ------
    psycopg.errors.UniqueViolation
        If an object that had no row has got one in the meantime.
    """
    new = sums.changes == _ABSENT
    rows = pa.table(
        {
            "diaobjectid": sums.objects,
            "changes": sums.changes + 1,
            "removals": sums.removals + int(removal),
            "months": _encoded(sums),
        }
    )
    with connection.cursor() as cursor:
        copy.load(cursor, point_sums, rows.filter(pa.array(new)))
        if new.all():
            return
        cursor.execute("CREATE TEMPORARY TABLE IF NOT EXISTS stage_point_sums (LIKE point_sums) ON COMMIT DELETE ROWS")
        cursor.execute("DELETE FROM stage_point_sums")
        copy.load(cursor, point_sums, rows.filter(pa.array(~new)), into="stage_point_sums")
        cursor.execute(
            "UPDATE point_sums SET changes = stage.changes, removals = stage.removals, months = stage.months"
            " FROM stage_point_sums AS stage WHERE point_sums.diaobjectid = stage.diaobjectid"
        )


def _key(
    owner: NDArray[np.int64], kind: NDArray[np.integer[Any]], month: NDArray[np.integer[Any]]
) -> NDArray[np.int64]:
    return (owner.astype(np.int64) << 24) | (kind.astype(np.int64) << 20) | (month.astype(np.int64) + 2**16)


def _ordered(owner: NDArray[np.int64], entries: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    order = np.argsort(_key(owner, entries["kind"], entries["month"]), kind="stable")
    return owner[order], entries[order]


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _joined(
    owner: NDArray[np.int64], entries: NDArray[Any], added_owner: NDArray[np.int64], added: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """One entry per object, kind and month, merged from entries that are already unique and others in the same order.

    Numbers and checksums are added; of the bounds, the largest is taken. Entries without points are left out.
    """
    joined_owner = np.empty(owner.size + added_owner.size, np.int64)
    joined = np.empty(owner.size + added_owner.size, entries.dtype)
    size, one, other = 0, 0, 0
    while one < owner.size or other < added_owner.size:
        if other == added_owner.size:
            first = True
        elif one == owner.size:
            first = False
        else:
            a, b = entries[one], added[other]
            if owner[one] != added_owner[other]:
                first = owner[one] < added_owner[other]
            elif a.kind != b.kind:
                first = a.kind < b.kind
            else:
                first = a.month <= b.month
        if first:
            place, entry = owner[one], entries[one]
            one += 1
        else:
            place, entry = added_owner[other], added[other]
            other += 1
        at = size - 1
        if at >= 0 and joined_owner[at] == place and joined[at].kind == entry.kind and joined[at].month == entry.month:
            last = joined[at]
            last.number = np.uint32(last.number + entry.number)
            last.checksum = np.uint64(last.checksum + entry.checksum)
            later = entry.broughtbymjdtai == last.broughtbymjdtai and entry.broughtby > last.broughtby
            if later or entry.broughtbymjdtai > last.broughtbymjdtai:
                last.broughtbymjdtai = entry.broughtbymjdtai
                last.broughtby = entry.broughtby
            continue
        if at >= 0 and joined[at].number == 0:
            size -= 1
        joined_owner[size] = place
        joined[size] = entry
        size += 1
    if size and joined[size - 1].number == 0:
        size -= 1
    return joined_owner[:size], joined[:size]


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _drop_old_months(owner: NDArray[np.int64], entries: NDArray[Any], since: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which entries to keep: months that packets still list, or points from these. Sets `since` if one is dropped."""
    held = np.ones(owner.size, np.bool_)
    begin = 0
    while begin < owner.size:
        end, newest, oldest = begin, np.int64(entries[begin].month), np.int64(entries[begin].month)
        while end < owner.size and owner[end] == owner[begin]:
            month = np.int64(entries[end].month)
            newest, oldest = max(newest, month), min(oldest, month)
            end += 1
        first = newest - MONTHS_KEPT + 1
        if oldest < first:
            since[owner[begin]] = first
        for row in range(begin, end):
            bound = entries[row].broughtbymjdtai
            if bound > MJD_MINIMUM:
                provided = _MONTHS[min(int(bound - MJD_MINIMUM), _MONTHS.size - 1)]
                held[row] = max(np.int64(entries[row].month), provided) >= since[owner[begin]]
            else:
                held[row] = entries[row].month >= since[owner[begin]]
        begin = end
    return held


def _decoded(wanted: NDArray[np.int64], heads: NDArray[Any], content: bytes) -> Sums:
    place = np.searchsorted(wanted, heads["diaobjectid"])
    changes = np.full(len(wanted), _ABSENT)
    removals = np.zeros(len(wanted), np.int64)
    known = np.ones(len(wanted), bool)
    since = np.full(len(wanted), EVER)
    changes[place] = heads["changes"]
    removals[place] = heads["removals"]
    filled = heads["length"] >= 0
    known[place] = filled
    lengths = heads["length"][filled].astype(np.int64)
    values = np.frombuffer(content, np.uint8)
    begins = np.cumsum(lengths) - lengths
    holders = place[filled]
    since[holders] = values[begins].astype(np.int64) + (values[begins + 1].view(np.int8).astype(np.int64) << 8)
    body = np.ones(len(values), bool)
    body[begins] = body[begins + 1] = False
    entries = np.frombuffer(values[body].tobytes(), ENTRY)
    owner = np.repeat(holders, (lengths - _HEADER) // ENTRY.itemsize)
    return Sums(wanted, changes, removals, known, since, owner, entries)


def _encoded(sums: Sums) -> pa.Array:
    count = np.bincount(sums.owner, minlength=len(sums.objects))
    lengths = np.where(sums.known, _HEADER + count * ENTRY.itemsize, 0)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    content = np.zeros(int(offsets[-1]), np.uint8)
    begins = offsets[:-1][sums.known]
    since = sums.since[sums.known].astype("<i2").view(np.uint8).reshape(-1, 2)
    content[begins], content[begins + 1] = since[:, 0], since[:, 1]
    body = np.ones(len(content), bool)
    body[begins] = body[begins + 1] = False
    content[body] = sums.entries.view(np.uint8) if len(sums.entries) else np.zeros(0, np.uint8)
    whole = pa.Array.from_buffers(
        pa.large_binary(), len(sums.objects), [None, pa.py_buffer(offsets), pa.py_buffer(content)]
    )
    return pc.if_else(pa.array(sums.known), whole, pa.scalar(None, pa.large_binary()))
