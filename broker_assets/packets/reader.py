"""Reads batches of Avro datums into Arrow tables.

`PacketReader` combines a schema (`schema`), a program (`program`), the compiled walk (`walk`) and Arrow
(`columns`). fastavro is only used as the reference in the tests.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.packets import opcodes, walk
from broker_assets.packets.columns import Assembler, BadValue, Buffers
from broker_assets.packets.failures import PacketFailure
from broker_assets.packets.limits import READ_BYTES
from broker_assets.packets.naming import column_names
from broker_assets.packets.program import Program, compile_program
from broker_assets.packets.schema import Record, Schema, UnsupportedSchema, resolve
from broker_assets.packets.unions import expand, merge, union_columns

MAXIMUM_PAYLOAD = 2**31 - 1  # bytes; positions are kept in 32 bits
MAXIMUM_ITEMS = 2**20
FIRST_ROWS = 1024  # rows for which every table has memory from the beginning
ROW_BYTES = 8  # a point of a history has more bytes than this; smaller items only cost another allocation
FIRST_PACKETS = 8  # this many packets are assumed to be alike when the number of rows is estimated

_REASONS = {
    opcodes.TRUNCATED: "the datum continues beyond the end of the payload",
    opcodes.BRANCH: "no such branch of the union",
    opcodes.LONG_VARINT: "a variable-length number of more than ten bytes",
    opcodes.RANGE: "a number outside the range of its type",
    opcodes.LENGTH: "a length that is negative or beyond the payload",
    opcodes.COUNT: "an array with more items than remaining bytes",
    opcodes.ITEMS: "more items in arrays than are allowed in a packet",
    opcodes.TEXT: "a string that is not UTF-8",
    opcodes.TRAILING: "bytes are left over after the datum",
    opcodes.BLOCK_SIZE: "an array block that does not have the size it claims",
    opcodes.START: "the datum begins outside the payload",
}


@dataclass(frozen=True)
class DecodedPackets:
    """The data read from a batch."""

    tables: dict[str, pa.Table]
    """``""`` is the root, others are arrays by path; the first column ``packet`` is the int32 index of the payload."""
    failures: list[PacketFailure]
    """In the order of the payloads; a packet that failed has no row in any table."""


@dataclass(frozen=True)
class Chosen:
    """Which items of a table are read. The ends of the others are known from an earlier walk: the column ``@end``."""

    mask: NDArray[np.bool_]
    """(m,) for each item whether it is read"""
    end: NDArray[np.int32]
    """(m,) byte of the payload after the item"""
    first: NDArray[np.int64]
    """(n,) for each payload the place of its first item in the mask"""
    last: NDArray[np.int64]
    """(n,) the place after its last item"""

    @classmethod
    def of(
        cls,
        mask: NDArray[np.bool_],
        end: NDArray[np.int32],
        packet: NDArray[np.integer[Any]],
        payloads: NDArray[np.integer[Any]],
    ) -> Self:
        """From a mask over the rows of a table as a reader gives them.

        Parameters
        ----------
        mask : (m,) bool array
            Which rows are wanted.
        end : (m,) int32 array
            Column ``@end`` of the rows.
        packet : (m,) integer array
            Packet of each row, ascending.
        payloads : (n,) integer array
            Packets to be read with the mask, in any order.

        Examples
        --------
        >>> end = np.array([9, 20, 7], np.int32)
        >>> chosen = Chosen.of(np.ones(3, bool), end, np.array([3, 3, 8]), np.array([3, 5, 8]))
        >>> chosen.first, chosen.last
        (array([0, 2, 2]), array([2, 2, 3]))
        """
        return cls(mask, end, np.searchsorted(packet, payloads), np.searchsorted(packet, payloads, side="right"))


@dataclass(frozen=True)
class Selected:
    """The same for all tables, as `walk` takes it."""

    masks: NDArray[np.int64]
    """Addresses."""
    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    item_ends: NDArray[np.int64]
    """Addresses."""
    seen: NDArray[np.int64]


def _bounds(what: str, rows: list[NDArray[np.int64]], count: int) -> NDArray[np.int64]:
    return np.stack([_one_each(what, row, count, np.int64) for row in rows]) if rows else np.zeros((0, count), np.int64)


def _header_size() -> int:
    """Size of the header of a CPython bytes object; the walk reads payloads in place."""
    size = bytes.__basicsize__ - 1
    probe = b"where the content of bytes begins"
    if ctypes.string_at(id(probe) + size, len(probe)) != probe:
        raise ImportError("this interpreter does not store bytes like CPython")
    return size


_HEADER = _header_size()


def available_columns(schema: Schema) -> dict[str, list[str]]:
    """Columns that can be requested, by table.

    Examples
    --------
    >>> available_columns({"type": "record", "name": "r", "fields": [{"name": "a", "type": ["null", "bytes"]}]})
    {'': ['a', 'a@position', 'a@length']}
    """
    found: dict[str, list[str]] = {"": []}
    for table, name in column_names(_root(schema), "", ""):
        found.setdefault(table, []).append(name)
    return found


def _root(schema: Schema) -> Record:
    root = resolve(schema)
    if not isinstance(root, Record):
        raise UnsupportedSchema("the schema of a packet is a record")
    return root


class PacketReader:
    """Reads packets of one schema.

    Parameters
    ----------
    schema : dict or str
        Avro schema of the datums (decoded JSON or text), a record.
    columns : dict of sequences of str, optional
        What to read: path of the table (``""`` for the packet itself, else the dotted path of an array of records)
        to the dotted names of its columns; `available_columns` lists them. None reads everything. Bytes are read as
        copies (``cutout``) or only as positions in the payload (``cutout@position``, ``cutout@length``, int64). The
        name of a union of several types is one column with the values of all its branches.
    to_end : bool, optional
        Whether every packet is walked to its end, so that anything malformed in it and any trailing bytes make it
        fail. Otherwise reading stops after the last wanted field and the rest is not examined. Default: True if
        everything is read and False if `columns` are given.
    maximum_items : int, optional
        A packet with more items in all of its arrays fails; this limits the memory that a malicious packet can claim.
    maximum_bytes : int, optional
        Memory for the rows of one call of `read`.

    Raises
    ------
    SchemaError, UnsupportedSchema
        If the schema is malformed or contains itself.
    ValueError
        If a column is not in the schema.

    Notes
    -----
    A reader may be used by several threads at once. The walk releases the interpreter lock.

    Examples
    --------
    >>> schema = {"type": "record", "name": "r", "fields": [{"name": "a", "type": ["null", "long"]}]}
    >>> PacketReader(schema).read([bytes([2, 84]), bytes([0]), bytes([2])]).tables[""].to_pydict()
    {'packet': [0, 1], 'a': [42, None]}
    """

    def __init__(
        self,
        schema: Schema,
        columns: Mapping[str, Sequence[str]] | None = None,
        *,
        to_end: bool | None = None,
        maximum_items: int = MAXIMUM_ITEMS,
        maximum_bytes: int = READ_BYTES,
    ) -> None:
        self._root = _root(schema)
        unions = union_columns(self._root) if columns is not None else {}
        self._columns = None if columns is None else expand(columns, unions)
        self._merged = {
            table: chosen
            for table, names in (columns or {}).items()
            if (chosen := {name: unions[table][name] for name in names if name in unions.get(table, {})})
        }
        self._to_end = columns is None if to_end is None else to_end
        self._maximum_items = maximum_items
        self._maximum_bytes = maximum_bytes
        self._programs: dict[tuple[str, ...], Program] = {}
        self._rows_per_packet: dict[str, float] = {}
        self._lock = threading.Lock()
        self.tables = frozenset(info.path for info in self._program(()).tables if not info.hidden)
        """Paths of the tables that are read."""

    def _program(self, selected: tuple[str, ...]) -> Program:
        with self._lock:
            if selected not in self._programs:
                self._programs[selected] = compile_program(
                    self._root, self._columns, selected=selected, to_end=self._to_end
                )
            return self._programs[selected]

    def read(
        self,
        payloads: Sequence[bytes],
        *,
        starts: NDArray[np.int64] | None = None,
        ends: NDArray[np.int64] | None = None,
        keep: Mapping[str, Chosen] | None = None,
    ) -> DecodedPackets:
        """Read a batch.

        Parameters
        ----------
        payloads : sequence of bytes
            One packet each.
        starts, ends : (n,) int64 array, optional
            First byte of the datum in each payload and the byte after it; the whole payload by default.
        keep : dict of Chosen, optional
            Items that are read, by table; the others are skipped.

        Returns
        -------
        DecodedPackets

        Raises
        ------
        ValueError
            If an array does not have one value for each payload or a column is not in the schema.
        TypeError
            If a payload is not bytes.
        ReadTooLarge
            If the rows exceed `maximum_bytes`.
        """
        payloads = tuple(payloads)
        count = len(payloads)
        if not set(map(type, payloads)) <= {bytes}:
            raise TypeError("payloads must be bytes")
        addresses = np.fromiter(map(id, payloads), np.int64, count) + _HEADER
        lengths = np.fromiter(map(len, payloads), np.int64, count)
        first = _one_each("starts", starts, count, np.int64) if starts is not None else np.zeros(count, np.int64)
        last = _one_each("ends", ends, count, np.int64) if ends is not None else lengths
        # A datum that claims to end beyond its payload is passed as one that begins after its end: it fails.
        outside = (last > lengths) | (lengths > MAXIMUM_PAYLOAD)
        if outside.any():
            last = np.where(outside, -1, last)
        keep = keep or {}
        program = self._program(tuple(sorted(keep)))
        chosen = [keep[table] for table in program.selected]
        masks = [np.ascontiguousarray(one.mask, np.bool_) for one in chosen]
        # One more, since the walk reads eight bytes at a time.
        ends_of_items = [np.append(one.end, 0).astype(np.int32) for one in chosen]
        selection = Selected(
            np.array([mask.ctypes.data for mask in masks], np.int64),
            _bounds("first", [one.first for one in chosen], count),
            _bounds("last", [one.last for one in chosen], count),
            np.array([one.ctypes.data for one in ends_of_items], np.int64),
            np.zeros(len(chosen), np.int64),
        )
        for mask, one, until in zip(masks, ends_of_items, selection.end, strict=True):
            if one.size != mask.size + 1 or (until.size and (until.max() > mask.size or selection.begin.min() < 0)):
                raise ValueError("a packet's items are outside the mask")
        unfit: dict[int, str] = {}
        while True:
            buffers, rows, failures = self._walk(program, addresses, first, last, selection)
            try:
                tables = self._assemble(program, buffers, rows, addresses)
                break
            except BadValue as error:
                # Rare enough to read the batch again without these packets.
                unfit |= dict.fromkeys(error.packets, str(error))
                first = first.copy()
                first[list(error.packets)] = -1
        found = [
            PacketFailure(packet, unfit.get(packet) or self._reason(program, *failures[packet].tolist()))
            for packet in np.flatnonzero(failures[:, 0]).tolist()
        ]
        for table, wanted in self._merged.items():
            tables[table] = merge(tables[table], wanted)
        del payloads  # the walk and the copies read from it up to here
        return DecodedPackets(tables, found)

    def end_of_datum(self, payload: bytes, start: int, end: int) -> int | str:
        """Byte after a datum that other data may follow, or why it cannot be read; for readers `to_end`.

        Parameters
        ----------
        payload : bytes
            Contains the datum.
        start, end : int
            First byte of the datum, and where it must end at the latest.
        """
        program = self._program(())
        addresses = np.array([id(payload) + _HEADER], np.int64)
        first, last = np.array([start], np.int64), np.array([end], np.int64)
        none = np.zeros(0, np.int64)
        selection = Selected(none, none.reshape(0, 1), none.reshape(0, 1), none, none)
        _, _, failures = self._walk(program, addresses, first, last, selection)
        failure, position, path = failures[0].tolist()
        if failure == opcodes.OK:
            return end
        return int(position) if failure == opcodes.TRAILING else self._reason(program, failure, position, path)

    def _walk(
        self,
        program: Program,
        addresses: NDArray[np.int64],
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
        selection: Selected,
    ) -> tuple[Buffers, NDArray[np.int64], NDArray[np.int64]]:
        count = len(addresses)
        tables = len(program.tables)
        # Previous packets may have been different; a packet cannot have more rows than its bytes allow for.
        most_rows = int((ends - starts).clip(0).sum()) // ROW_BYTES
        guess = [count + 1]
        guess += [
            min(int(count * self._rows_per_packet.get(info.path, 0) * 1.1), most_rows) + FIRST_ROWS
            for info in program.tables[1:]
        ]
        buffers = Buffers(program, guess, self._maximum_bytes)
        rows, bases, kept = (np.zeros(tables, np.int64) for _ in range(3))
        frames = np.zeros((program.frames, 3), np.int64)
        most = int(program.layouts[:, opcodes.ENTRY_COUNT].max()) + 1
        plan_offset = 2 * opcodes.LAYOUT_BYTES + 16 * most
        slot_size = plan_offset + opcodes.PLAN_HEAD + 16 * most
        slots = np.empty(len(program.layouts) * opcodes.SLOTS * slot_size, np.uint8)
        known = np.zeros((len(program.layouts), opcodes.STAMPS + opcodes.TILE), np.int64)
        failures = np.zeros((count, 3), np.int64)
        packet = 0
        while True:
            packet, full = walk.walk(
                packet,
                addresses,
                starts,
                ends,
                program.operations.ctypes.data,
                buffers.entries.ctypes.data,
                program.lists.ctypes.data,
                buffers.tables,
                buffers.columns,
                rows,
                bases,
                kept,
                frames,
                program.layouts.ctypes.data,
                known,
                slots.ctypes.data,
                slot_size,
                plan_offset,
                selection.masks,
                selection.begin,
                selection.end,
                selection.item_ends,
                selection.seen,
                failures,
                self._maximum_items,
            )
            if full < 0:
                break
            used = int(bases[full])
            expected = used / max(packet, 1) * count * 1.05 if packet >= FIRST_PACKETS else 0
            doubled = 2 * int(buffers.tables[full, opcodes.CAPACITY])
            buffers.grow(full, max(doubled, min(int(expected), most_rows)), used)
        if count >= FIRST_PACKETS:
            for info, used in zip(program.tables, bases.tolist(), strict=True):
                self._rows_per_packet[info.path] = used / count
        return buffers, bases, failures

    @staticmethod
    def _assemble(
        program: Program, buffers: Buffers, rows: NDArray[np.int64], addresses: NDArray[np.int64]
    ) -> dict[str, pa.Table]:
        assembler = Assembler(buffers, rows, addresses)
        return {info.path: assembler.table(k) for k, info in enumerate(program.tables) if not info.hidden}

    @staticmethod
    def _reason(program: Program, failure: int, position: int, path: int) -> str:
        where = f" ({program.paths[path]})" if program.paths[path] else ""
        return f"{_REASONS[failure]}: byte {position}{where}"


def _one_each(what: str, values: NDArray[Any], count: int, dtype: type[Any]) -> NDArray[Any]:
    values = np.ascontiguousarray(values, dtype)
    if values.shape != (count,):
        raise ValueError(f"{what} has the shape {values.shape} for {count} payloads")
    return values
