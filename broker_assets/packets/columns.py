"""Makes Arrow arrays from the buffers filled by `walk`."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.packets import opcodes, raw
from broker_assets.packets.limits import ReadTooLarge
from broker_assets.packets.program import Output, Program
from broker_assets.packets.schema import Array, AvroType, Enum, Fixed, Map, Primitive, Union

MAXIMUM_BINARY = 2**31 - 1  # bytes of one Arrow array with 32-bit offsets

_LOGICAL = {
    ("int", "date"): pa.date32(),
    ("int", "time-millis"): pa.time32("ms"),
    ("long", "time-micros"): pa.time64("us"),
    ("long", "timestamp-millis"): pa.timestamp("ms", "UTC"),
    ("long", "timestamp-micros"): pa.timestamp("us", "UTC"),
    ("long", "timestamp-nanos"): pa.timestamp("ns", "UTC"),
    ("long", "local-timestamp-millis"): pa.timestamp("ms"),
    ("long", "local-timestamp-micros"): pa.timestamp("us"),
    ("long", "local-timestamp-nanos"): pa.timestamp("ns"),
}
_PLAIN = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
}


class BadValue(ValueError):
    """A value that no Arrow type can represent, in the packets `packets`."""

    def __init__(self, packets: set[int], reason: str) -> None:
        super().__init__(reason)
        self.packets = packets


def arrow_type(kind: AvroType) -> pa.DataType:
    """Arrow type of a column of an Avro type.

    Examples
    --------
    >>> arrow_type(Primitive("long", "timestamp-micros"))
    TimestampType(timestamp[us, tz=UTC])
    """
    if isinstance(kind, Union) and kind.nullable is not None:
        return arrow_type(kind.nullable)
    if isinstance(kind, Array):
        return pa.list_(arrow_type(kind.items))
    if isinstance(kind, Map):
        return pa.map_(pa.string(), arrow_type(kind.values))
    if isinstance(kind, Enum):
        return pa.string()
    if isinstance(kind, (Primitive, Fixed)) and is_decimal(kind):
        return (pa.decimal128 if kind.precision <= 38 else pa.decimal256)(kind.precision, kind.scale)
    if isinstance(kind, Fixed):
        return pa.binary(kind.size) if kind.size else pa.binary()
    if isinstance(kind, Primitive):
        return _LOGICAL.get((kind.name, kind.logical or ""), _PLAIN[kind.name])
    raise TypeError(f"{kind!r} is not one column")


def is_decimal(kind: Primitive | Fixed) -> bool:
    """Whether bytes are a decimal number; a malformed annotation is ignored, as the specification requires."""
    holds_bytes = isinstance(kind, Fixed) or kind.name == "bytes"
    return holds_bytes and kind.logical == "decimal" and 0 < kind.precision <= 76 and 0 <= kind.scale <= kind.precision


class Buffers:
    """Memory for the columns of all tables of a program, enlarged as rows arrive."""

    def __init__(self, program: Program, capacities: list[int], maximum_bytes: int) -> None:
        self.program = program
        self.maximum_bytes = maximum_bytes
        self.entries = program.entries.copy()
        self.tables = np.zeros((len(program.tables), opcodes.TABLE_COLUMNS), np.int64)
        self.columns = np.zeros((max(len(program.storages), 1), opcodes.COLUMN_COLUMNS), np.int64)
        self.column_of: dict[int, int] = {}
        self.arenas: list[NDArray[np.uint8]] = [np.empty(0, np.uint8)] * len(program.tables)
        self.packet: list[int] = [0] * len(program.tables)
        self.parent: list[int] = [0] * len(program.tables)
        self.starts: list[tuple[int, int]] = [(0, 0)] * len(program.storages)
        self._lay_out_tiles()
        for table, info in enumerate(program.tables):
            self.tables[table, opcodes.PARENT_TABLE] = max(info.parent, 0)
            self.grow(table, capacities[table], 0)

    def _lay_out_tiles(self) -> None:
        storages = self.program.storages
        order = sorted(range(len(storages)), key=lambda k: storages[k].table)
        # An odd number of cache lines for each, so that a row does not use only a few cache sets.
        sizes = [(storages[k].width * opcodes.TILE // 64 + 2) // 2 * 128 + 64 for k in order]
        self.scratch = np.zeros(256 + sum(sizes) + len(sizes) * (opcodes.TILE + 64), np.uint8)
        address = self.scratch.ctypes.data + -self.scratch.ctypes.data % 64
        self.entries[:, opcodes.VALUE_ADDRESS] = address
        self.entries[:, opcodes.VALID_ADDRESS] = address + 64
        address += 128
        for column, (k, size) in enumerate(zip(order, sizes, strict=True)):
            storage = storages[k]
            if self.tables[storage.table, opcodes.COLUMN_COUNT] == 0:
                self.tables[storage.table, opcodes.FIRST_COLUMN] = column
            self.tables[storage.table, opcodes.COLUMN_COUNT] += 1
            self.column_of[k] = column
            row = self.columns[column]
            row[opcodes.WIDTH], row[opcodes.IS_BITS] = storage.width, storage.width == 1
            row[opcodes.TILE_VALUES], row[opcodes.TILE_VALID] = address, address + size
            self.entries[storage.entry, opcodes.VALUE_ADDRESS] = address
            self.entries[storage.entry, opcodes.VALID_ADDRESS] = address + size
            address += size + opcodes.TILE + 64

    def grow(self, table: int, capacity: int, rows: int) -> None:
        """Allocate memory for `capacity` rows and keep the first `rows`.

        Raises
        ------
        ReadTooLarge
            If all tables together would exceed the limit.
        """
        capacity = -(-capacity // opcodes.TILE) * opcodes.TILE
        old = self.arenas[table]
        size = 0

        def place(length: int) -> int:
            nonlocal size
            start = size
            size += (length + 63) // 64 * 64 + 64
            return start

        def moved(start: int, length: int, kept: int) -> int:
            new = place(length)
            moves.append((start, new, kept))
            return new

        moves: list[tuple[int, int, int]] = []
        # These are not in the tile: the numbers of its rows are stored here, too.
        numbered = min(rows + opcodes.TILE, int(self.tables[table, opcodes.CAPACITY]))
        self.packet[table] = moved(self.packet[table], 4 * capacity + opcodes.SLACK, 4 * numbered)
        self.parent[table] = moved(self.parent[table], 4 * capacity + opcodes.SLACK, 4 * numbered)
        for k, storage in enumerate(self.program.storages):
            if storage.table == table:
                bits = (capacity // 8, -(-rows // opcodes.TILE) * 8)
                value, valid = self.starts[k]
                sizes = bits if storage.width == 1 else (capacity * storage.width, rows * storage.width)
                self.starts[k] = moved(value, *sizes), moved(valid, *bits)
        others = sum(len(arena) for k, arena in enumerate(self.arenas) if k != table)
        if others + size > self.maximum_bytes:
            path = self.program.tables[table].path
            raise ReadTooLarge(f"{capacity} rows{f' of {path}' if path else ''} exceed {self.maximum_bytes} bytes")
        room = np.empty(size + 64, np.uint8)
        aligned = -room.ctypes.data % 64
        arena = room[aligned : aligned + size]
        for source, target, length in moves if len(old) else ():
            arena[target : target + length] = old[source : source + length]
        self.arenas[table] = arena
        address = arena.ctypes.data
        self.tables[table, opcodes.PACKET_ADDRESS] = address + self.packet[table]
        has_parent = self.program.tables[table].parent > 0
        self.tables[table, opcodes.PARENT_ADDRESS] = address + self.parent[table] if has_parent else 0
        self.tables[table, opcodes.CAPACITY] = capacity
        for k, storage in enumerate(self.program.storages):
            if storage.table == table:
                row = self.columns[self.column_of[k]]
                row[opcodes.COLUMN_VALUES], row[opcodes.COLUMN_VALID] = (address + start for start in self.starts[k])

    def packets(self, table: int, rows: int) -> NDArray[np.int32]:
        """Packet of each row."""
        return self._slice(table, self.packet[table], 4 * rows).view(np.int32)

    def parents(self, table: int, rows: int) -> NDArray[np.int32]:
        """Row of the parent table of each row."""
        return self._slice(table, self.parent[table], 4 * rows).view(np.int32)

    def seal(self) -> None:
        """Make Arrow buffers from the arenas; the buffers of the columns are slices of these."""
        self.sealed = [pa.py_buffer(arena) for arena in self.arenas]
        self.has_null = self.columns[:, opcodes.HAS_NULL].tolist()

    def values(self, storage: int, rows: int) -> pa.Buffer:
        """Stored values, zero where null; packed bits of booleans."""
        stored = self.program.storages[storage]
        length = (rows + 7) // 8 if stored.width == 1 else rows * stored.width
        return self.sealed[stored.table].slice(self.starts[storage][0], length)

    def bitmap(self, storage: int, rows: int) -> pa.Buffer | None:
        """Packed bits for values that are not null, None if none is."""
        if not self.has_null[self.column_of[storage]]:
            return None
        return self.sealed[self.program.storages[storage].table].slice(self.starts[storage][1], (rows + 7) // 8)

    def _slice(self, table: int, start: int, length: int) -> NDArray[np.uint8]:
        return self.arenas[table][start : start + length]


def _is_null(bitmap: pa.Buffer | None, rows: int) -> NDArray[np.bool_] | None:
    if bitmap is None:
        return None
    null: NDArray[np.bool_] = np.unpackbits(np.frombuffer(bitmap, np.uint8), count=rows, bitorder="little") == 0
    return null


class Assembler:
    """Makes Arrow arrays from the buffers of one batch."""

    def __init__(self, buffers: Buffers, rows: NDArray[np.int64], addresses: NDArray[np.int64]) -> None:
        self.buffers = buffers
        buffers.seal()
        self.rows = rows
        self.addresses = addresses

    def table(self, table: int) -> pa.Table:
        """One table of the result.

        Raises
        ------
        BadValue
            If a decimal has more digits than its type.
        """
        count = int(self.rows[table])
        schema = self.buffers.program.arrow.get(table)
        if schema is not None and count == 0:
            return schema.empty_table()
        names, arrays = ["packet"], [pa.array(self.buffers.packets(table, count))]
        info = self.buffers.program.tables[table]
        if info.parent > 0:
            names.append("parent")
            arrays.append(pa.array(self.buffers.parents(table, count)))
        for output in info.outputs:
            names.append(output.name)
            arrays.append(self.column(output, table))
        if schema is None:
            fields = [pa.field("packet", pa.int32(), nullable=False)]
            fields += [pa.field(name, array.type) for name, array in zip(names[1:], arrays[1:], strict=True)]
            schema = self.buffers.program.arrow[table] = pa.schema(fields)
        return pa.Table.from_arrays(arrays, schema=schema)

    def column(self, output: Output, table: int) -> pa.Array | pa.ChunkedArray:
        """One column."""
        rows = int(self.rows[table])
        if output.kind == "null":
            return pa.nulls(rows)
        bitmap = self.buffers.bitmap(output.storage, rows) if output.nullable else None
        values = self.buffers.values(output.storage, rows)
        if output.kind in ("number", "boolean"):
            return pa.Array.from_buffers(arrow_type(output.type), rows, [bitmap, values])
        if output.kind == "enum":
            symbols = output.type.symbols if isinstance(output.type, Enum) else ()
            codes = pa.Array.from_buffers(pa.int32(), rows, [bitmap, values])
            return pa.DictionaryArray.from_arrays(codes, pa.array(symbols, pa.string())).dictionary_decode()
        if output.kind in ("list", "map"):
            return self._nested(output, rows, np.frombuffer(values, np.int32), bitmap)
        references = np.frombuffer(values, np.int64)
        if output.kind == "position":
            return pa.array(references & 0xFFFFFFFF, mask=_is_null(bitmap, rows))
        if output.kind == "length":
            return pa.array(references >> 32, mask=_is_null(bitmap, rows))
        return self._bytes(output, table, references, bitmap)

    def _nested(self, output: Output, rows: int, counts: NDArray[np.int32], bitmap: pa.Buffer | None) -> pa.Array:
        offsets = np.zeros(rows + 1, np.int32)
        np.cumsum(counts, out=offsets[1:])
        children = [self.column(item, output.table) for item in output.items]
        children = [c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in children]
        kind = arrow_type(output.type)
        if output.kind == "list":
            inner = children[0]
        else:
            inner = pa.MapArray.from_arrays(pa.array(offsets), children[0], children[1], type=kind).values
        return pa.Array.from_buffers(kind, rows, [bitmap, pa.py_buffer(offsets)], children=[inner])

    def _bytes(
        self,
        output: Output,
        table: int,
        references: NDArray[np.int64],
        bitmap: pa.Buffer | None,
    ) -> pa.Array | pa.ChunkedArray:
        rows = len(references)
        kind = arrow_type(output.type)
        size = output.type.size if isinstance(output.type, Fixed) else 0
        offsets = np.zeros(rows + 1, np.int64)
        np.cumsum(references >> 32, out=offsets[1:])
        packets = self.buffers.packets(table, rows)
        if size:
            offsets = np.arange(rows + 1, dtype=np.int64) * size
        elif offsets[-1] > MAXIMUM_BINARY:
            return self._chunks(output, table, references, offsets, bitmap)
        if offsets[-1] > self.buffers.maximum_bytes:  # a null of a `fixed` has as many bytes as a value
            raise ReadTooLarge(f"the values of {output.name} exceed {self.buffers.maximum_bytes} bytes")
        data = np.zeros(offsets[-1], np.uint8) if size else np.empty(offsets[-1], np.uint8)
        raw.gather(self.addresses, packets, references, offsets, data.ctypes.data)
        if isinstance(output.type, (Primitive, Fixed)) and is_decimal(output.type):
            return _decimals(output.name, output.type, packets, references >> 32, offsets, data, _is_null(bitmap, rows))
        content = pa.py_buffer(data)
        if size:
            return pa.Array.from_buffers(kind, rows, [bitmap, content])
        return pa.Array.from_buffers(kind, rows, [bitmap, pa.py_buffer(offsets.astype(np.int32)), content])

    def _chunks(
        self,
        output: Output,
        table: int,
        references: NDArray[np.int64],
        offsets: NDArray[np.int64],
        bitmap: pa.Buffer | None,
    ) -> pa.ChunkedArray:
        """Split more bytes than one array can contain into as few arrays as possible."""
        packets = self.buffers.packets(table, len(references))
        null = _is_null(bitmap, len(references))
        chunks, start = [], 0
        while start < len(references):
            stop = int(np.searchsorted(offsets, offsets[start] + MAXIMUM_BINARY, side="right")) - 1
            part = np.ascontiguousarray(offsets[start : stop + 1] - offsets[start])
            data = np.empty(part[-1], np.uint8)
            raw.gather(self.addresses, packets[start:stop], references[start:stop], part, data.ctypes.data)
            part_bitmap = None if null is None else pa.py_buffer(np.packbits(~null[start:stop], bitorder="little"))
            bound = [part_bitmap, pa.py_buffer(part.astype(np.int32)), pa.py_buffer(data)]
            chunks.append(pa.Array.from_buffers(arrow_type(output.type), stop - start, bound))
            start = stop
        return pa.chunked_array(chunks)


def _decimals(
    name: str,
    kind: Primitive | Fixed,
    packets: NDArray[np.int32],
    lengths: NDArray[np.int64],
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    null: NDArray[np.bool_] | None,
) -> pa.Array:
    content = data.tobytes()
    values: list[Decimal | None] = []
    bad: set[int] = set()
    for row, (start, length) in enumerate(zip(offsets[:-1].tolist(), lengths.tolist(), strict=True)):
        if null is not None and null[row]:
            values.append(None)
            continue
        number = int.from_bytes(content[start : start + length], "big", signed=True)
        if abs(number) >= 10**kind.precision:
            bad.add(int(packets[row]))
            continue
        digits = tuple(int(digit) for digit in str(abs(number)))
        values.append(Decimal((int(number < 0), digits, -kind.scale)))
    if bad:
        raise BadValue(bad, f"{name}: a decimal of more than {kind.precision} digits")
    return pa.array(values, arrow_type(kind))
