"""Compiles an Avro schema and a selection of columns into a program for `walk`.

A program is a flat table of operations (a code and its operands), a table of entries (a position in the schema where a
value is read: its width, its null branch, its destination) and lists that operations refer to. Runs of fields of
one kind are one operation. Unwanted fields are skipped, and reading ends after the last wanted field.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.packets import opcodes
from broker_assets.packets.naming import (
    WIDTHS,
    Selection,
    branch_name,
    column_names,
    is_bytes,
    is_leaf,
    item_name,
    join,
    leaves,
    minimum_size,
)
from broker_assets.packets.schema import (
    Array,
    AvroType,
    Enum,
    Fixed,
    Map,
    Primitive,
    Record,
    Union,
    UnsupportedSchema,
)

INT_RANGE = (-(2**31), 2**31 - 1)
LONG_RANGE = (-(2**63), 2**63 - 1)
# A few for each type, of which a schema has at most `schema.MAXIMUM_TYPES`.
MAXIMUM_OPERATIONS = 200_000
# Larger than any packet: the walk multiplies the smallest size of an item with the number of items.
MAXIMUM_ITEM_SIZE = 1 << 32
# Records with fewer fields are read field by field.
LAYOUT_FIELDS = 4
# This many consecutive unwanted numbers are skipped by a separate operation instead of being read and discarded.
SKIP_RUN = 6


@dataclass
class Storage:
    """Memory for the values of one column, one per row."""

    table: int
    width: int
    entry: int


@dataclass
class Output:
    """A column of the result, and how it is made from the stored values."""

    name: str
    kind: str
    """number, boolean, text, binary, fixed, enum, null, position, length, list or map"""
    type: AvroType
    nullable: bool
    storage: int = -1
    table: int = -1
    """list and map: the table of the items"""
    items: list[Output] = field(default_factory=list)
    """list: the items; map: keys and values"""


@dataclass
class TableInfo:
    """A table to fill: the root, an array of records, or (hidden) the items of a list column."""

    path: str
    parent: int
    hidden: bool
    outputs: list[Output] = field(default_factory=list)


@dataclass
class Program:
    """Input of `walk`, with zero for all addresses, and how to make a result from what it stores."""

    operations: NDArray[np.int64]
    entries: NDArray[np.int64]
    lists: NDArray[np.int64]
    layouts: NDArray[np.int64]
    tables: list[TableInfo]
    storages: list[Storage]
    frames: int
    paths: list[str]
    selected: list[str]
    """paths of the tables whose items are selected, in the order of `masks` of `walk`"""
    arrow: dict[int, pa.Schema] = field(default_factory=dict)
    """Arrow schemas of the tables, cached because making them takes longer than reading a small batch"""


class _Compiler:
    def __init__(self, selection: Selection, selected: Collection[str]) -> None:
        self.selection = selection
        self.selected = selected
        self.operations: list[list[int]] = []
        self.entries: list[list[int]] = []
        self.lists: list[int] = []
        self.tables: list[TableInfo] = [TableInfo("", -1, hidden=False)]
        self.storages: list[Storage] = []
        self.scopes: list[tuple[int, list[int]]] = []
        self.frames = 0
        self.layouts: list[list[int]] = []
        self.in_layout = False
        self.paths: list[str] = [""]
        self.selected_tables: list[str] = []
        self.label = 0  # operations before this one are not extended: something jumps to here
        self.trailing_unwanted = 0

    # Building blocks

    def add(self, code: int, *operands: int, path: int = 0) -> int:
        if len(self.operations) > MAXIMUM_OPERATIONS:
            raise UnsupportedSchema(f"schema is too large: more than {MAXIMUM_OPERATIONS} operations")
        self.operations.append([code, *operands, *[0] * (opcodes.OPERATION_COLUMNS - 2 - len(operands)), path])
        return len(self.operations) - 1

    def here(self) -> int:
        self.label = len(self.operations)
        return self.label

    def path(self, table: int, name: str) -> int:
        self.paths.append(join(self.tables[table].path, name))
        return len(self.paths) - 1

    def entry(self, path: int, kind: int, *, size: int, null_branch: int, low: int = 0, high: int = 0) -> int:
        row = [0] * opcodes.ENTRY_COLUMNS
        row[opcodes.KIND], row[opcodes.WANTED] = kind, -1
        row[opcodes.SIZE], row[opcodes.PATH], row[opcodes.LOW], row[opcodes.HIGH] = size, path, low, high
        row[opcodes.REQUIRED] = int(null_branch < 0)
        row[opcodes.NULL_BRANCH] = max(null_branch, 0)
        self.entries.append(row)
        return len(self.entries) - 1

    def store(self, table: int, entry: int, width: int) -> int:
        """Allocate memory for the values of an entry."""
        self.storages.append(Storage(table, width, entry))
        self.entries[entry][opcodes.STRIDE] = width
        self.entries[entry][opcodes.ROW_MASK] = -1
        for scope_table, scope in self.scopes:
            if scope_table == table:
                scope.append(entry)
        return len(self.storages) - 1

    def run(self, code: int, table: int, entry: int, size: int) -> None:
        """Append an entry to the last operation if that is of the same kind, else begin a new one."""
        last = self.operations[-1] if self.operations and self.label < len(self.operations) else None
        if last is not None and last[0] == code and last[4] == table and last[1] + last[2] == entry:
            last[2] += 1
            last[3] += size
        else:
            self.add(code, entry, 1, size, table)

    def fixed(self, table: int, path: int, size: int, null_branch: int, *, wanted: bool) -> int:
        most = size + (null_branch >= 0)
        last = self.operations[-1] if self.operations and self.label < len(self.operations) else None
        if wanted:
            entry = self.entry(path, opcodes.FIXED, size=size, null_branch=null_branch)
            self.run(opcodes.FIXED, table, entry, most)
            self.trailing_unwanted = 0
            return entry
        if (
            last is not None
            and last[0] == opcodes.SKIP_FIXED
            and null_branch < 0
            and self.entries[-1][opcodes.REQUIRED]
        ):
            self.entries[-1][opcodes.SIZE] += size
            last[3] += size
            return -1
        entry = self.entry(path, opcodes.FIXED, size=size, null_branch=null_branch)
        if last is not None and last[0] == opcodes.FIXED and last[4] == table and size <= 8:
            self.run(opcodes.FIXED, table, entry, most)
            self.trailing_unwanted += 1
            if self.trailing_unwanted == SKIP_RUN:
                moved = self.entries[entry + 1 - SKIP_RUN :]
                bytes_moved = sum(row[opcodes.SIZE] + 1 - row[opcodes.REQUIRED] for row in moved)
                last[2] -= SKIP_RUN
                last[3] -= bytes_moved
                self.add(opcodes.SKIP_FIXED, entry + 1 - SKIP_RUN, SKIP_RUN, bytes_moved, table)
        else:
            self.run(opcodes.SKIP_FIXED, table, entry, most)
        return entry

    def begin_layout(self, table: int) -> int:
        """Begin a stretch of fields whose positions are worth caching."""
        begun = self.add(opcodes.LAYOUT, len(self.layouts), 0, 0, table)
        self.layouts.append([len(self.entries)])
        self.here()
        return begun

    def end_layout(self, begun: int) -> None:
        """End the stretch."""
        layout = self.layouts[self.operations[begun][1]]
        first = layout[0]
        layout.append(len(self.entries) - first)
        place = 0
        for kind in (opcodes.FIXED, opcodes.VARINT, opcodes.BLOB):
            found = [
                entry
                for entry in range(first, len(self.entries))
                if self.entries[entry][opcodes.ROW_MASK] and self.entries[entry][opcodes.KIND] == kind
            ]
            layout += self.listed(found)
            for entry in found:
                self.entries[entry][opcodes.WANTED] = place
                place += 1
        self.operations[begun][2] = self.here()

    # Types

    def emit(self, kind: AvroType, table: int, name: str, *, nullable: bool, live: bool, final: bool = False) -> None:
        """Emit the reading of a type; `nullable` if its columns may be null from outside, `final` if it comes last."""
        info = self.tables[table]
        live = live and (info.hidden or self.selection.touches(kind, info.path, name))
        if isinstance(kind, Record):
            straight = not self.in_layout and leaves(kind) >= LAYOUT_FIELDS
            begun = self.begin_layout(table) if straight else -1
            if straight and not name and table and not nullable:
                self.operations[begun][3] = 1  # no other operation writes these columns of a row
            self.in_layout = self.in_layout or straight
            self.record(kind, table, name, nullable=nullable, live=live, final=final)
            if straight:
                self.in_layout = False
                self.end_layout(begun)
        elif isinstance(kind, Union):
            self.union(kind, table, name, nullable=nullable, live=live, final=final)
        elif isinstance(kind, (Array, Map)):
            self.array(kind, table, name, nullable=nullable, live=live)
        else:
            self.leaf(kind, -1, table, name, nullable=nullable, live=live)

    def record(self, kind: Record, table: int, name: str, *, nullable: bool, live: bool, final: bool) -> None:
        members = kind.fields
        if final:
            path = self.tables[table].path
            wanted = [k for k, m in enumerate(members) if self.selection.touches(m.type, path, join(name, m.name))]
            members = members[: wanted[-1] + 1] if wanted else ()
        for k, member in enumerate(members):
            last = final and k == len(members) - 1
            self.emit(member.type, table, join(name, member.name), nullable=nullable, live=live, final=last)

    def union(self, kind: Union, table: int, name: str, *, nullable: bool, live: bool, final: bool) -> None:
        inner = kind.nullable
        if inner is None:
            self.general_union(kind, table, name, live=live)
        elif not isinstance(inner, (Record, Array, Map)):
            self.leaf(inner, kind.null_branch, table, name, nullable=nullable, live=live)
        else:
            path = self.path(table, name)
            presence = -1
            presence_name = name or "@present"
            wanted = live and self.selection.has(self.tables[table].path, presence_name)
            if isinstance(inner, Record) and wanted:
                presence = self.entry(path, opcodes.NULLABLE, size=1, null_branch=-1)
                self.output(table, presence_name, "boolean", Primitive("boolean"), presence, 1, nullable=False)
            scope: list[int] = []
            branch = self.add(opcodes.NULLABLE, kind.null_branch, 0, 0, 0, presence, table, path=path)
            self.here()
            self.scopes.append((table, scope))
            self.emit(inner, table, name, nullable=True, live=live, final=final)
            self.scopes.pop()
            self.operations[branch][2] = self.here()
            self.operations[branch][3:5] = self.listed(scope)

    def general_union(self, kind: Union, table: int, name: str, *, live: bool) -> None:
        path = self.path(table, name)
        entry = -1
        if live and self.selection.has(self.tables[table].path, f"{name}@branch"):
            entry = self.entry(path, opcodes.UNION, size=-1, null_branch=-1)
            self.output(table, f"{name}@branch", "number", Primitive("int"), entry, 4, nullable=bool(self.scopes))
        start = len(self.lists)
        self.lists.extend([0] * len(kind.branches))
        self.add(opcodes.UNION, len(kind.branches), start, entry, 0, 0, table, path=path)
        fills, jumps, scopes = [], [], []
        for k, branch in enumerate(kind.branches):
            self.lists[start + k] = self.here()
            fills.append(self.add(opcodes.FILL, 0, 0, 0, 0, 0, table))
            self.here()
            scope: list[int] = []
            self.scopes.append((table, scope))
            self.emit(branch, table, f"{name}@{branch_name(branch)}", nullable=True, live=live)
            self.scopes.pop()
            scopes.append(scope)
            jumps.append(self.add(opcodes.JUMP, 0))
        end = self.here()
        for k, (fill, jump) in enumerate(zip(fills, jumps, strict=True)):
            self.operations[fill][1:3] = self.listed(
                [e for other in range(len(scopes)) if other != k for e in scopes[other]]
            )
            self.operations[jump][1] = end

    def listed(self, entries: list[int]) -> list[int]:
        start = len(self.lists)
        self.lists.extend(entries)
        return [start, len(entries)]

    def output(
        self, table: int, name: str, kind: str, avro: AvroType, entry: int, width: int, *, nullable: bool
    ) -> Output:
        made = Output(name, kind, avro, nullable, self.store(table, entry, width) if entry >= 0 else -1)
        self.tables[table].outputs.append(made)
        return made

    def leaf(self, kind: AvroType, null_branch: int, table: int, name: str, *, nullable: bool, live: bool) -> None:
        path = self.path(table, name)
        of_table = self.tables[table].path
        hidden = self.tables[table].hidden
        shown = live and (hidden or self.selection.has(of_table, name))
        nullable = nullable or null_branch >= 0
        if is_bytes(kind):
            self.bytes_leaf(kind, null_branch, table, name, path, nullable=nullable, shown=shown, live=live)
            return
        if isinstance(kind, Enum):
            entry = self.entry(
                path, opcodes.VARINT, size=-1, null_branch=null_branch, low=0, high=len(kind.symbols) - 1
            )
            self.run(opcodes.VARINT, table, entry, 0)
            made, width = "enum", 4
        elif isinstance(kind, Primitive) and kind.name in ("int", "long"):
            low, high = INT_RANGE if kind.name == "int" else LONG_RANGE
            entry = self.entry(path, opcodes.VARINT, size=-1, null_branch=null_branch, low=low, high=high)
            self.run(opcodes.VARINT, table, entry, 0)
            made, width = "number", 4 if kind.name == "int" else 8
        elif isinstance(kind, Primitive) and kind.name in WIDTHS:
            width = WIDTHS[kind.name]
            entry = self.fixed(table, path, width, null_branch, wanted=shown)
            made = "boolean" if kind.name == "boolean" else "number"
        else:
            made, entry, width = "null", -1, 0
        if shown:
            self.output(table, name, made, kind, entry, width, nullable=nullable)

    def bytes_leaf(
        self,
        kind: AvroType,
        null_branch: int,
        table: int,
        name: str,
        path: int,
        *,
        nullable: bool,
        shown: bool,
        live: bool,
    ) -> None:
        of_table = self.tables[table].path
        position, length = (live and self.selection.has(of_table, f"{name}@{part}") for part in ("position", "length"))
        size = kind.size if isinstance(kind, Fixed) else -1
        if size >= 0 and not (shown or position or length):
            self.fixed(table, path, size, null_branch, wanted=False)
            return
        text = isinstance(kind, Primitive) and kind.name == "string"
        low = opcodes.UTF8 if text and shown else opcodes.BINARY
        entry = self.entry(path, opcodes.BLOB, size=size, null_branch=null_branch, low=low)
        self.run(opcodes.BLOB, table, entry, 0)
        if not (shown or position or length):
            return
        storage = self.store(table, entry, 8)
        made = "fixed" if isinstance(kind, Fixed) else "text" if text else "binary"
        for is_wanted, suffix, output in (
            (shown, "", made),
            (position, "@position", "position"),
            (length, "@length", "length"),
        ):
            if is_wanted:
                self.tables[table].outputs.append(Output(name + suffix, output, kind, nullable, storage))

    # Arrays and maps

    def array(self, kind: Array | Map, table: int, name: str, *, nullable: bool, live: bool) -> None:
        items = kind.items if isinstance(kind, Array) else kind.values
        info = self.tables[table]
        as_list = is_leaf(kind)
        place = join(info.path, name)
        path = self.path(table, name)
        child, count = -1, -1
        if live and as_list:
            live = info.hidden or self.selection.has(info.path, name)
        elif live:
            if self.selection.has(info.path, f"{name}@count"):
                count = self.entry(path, opcodes.BLOCK, size=-1, null_branch=-1)
                self.output(table, f"{name}@count", "number", Primitive("int"), count, 4, nullable=nullable)
            live = self.selection.touches(kind, info.path, name) and self.selection.has_table(place)
            live = live or any(t == place or t.startswith(f"{place}.") for t in self.selection.columns or ())
        if live:
            child = len(self.tables)
            self.tables.append(TableInfo(place, table, hidden=as_list))
        if live and as_list:
            count = self.entry(path, opcodes.BLOCK, size=-1, null_branch=-1)
            made = "list" if isinstance(kind, Array) else "map"
            self.output(table, name, made, kind, count, 4, nullable=nullable).table = child
        size = min(minimum_size(items) + isinstance(kind, Map), MAXIMUM_ITEM_SIZE)
        frame = self.frames
        self.frames += 1
        self.add(opcodes.ARRAY, frame)
        block = self.add(opcodes.BLOCK, frame, 0, size, count, int(child < 0), table, path=path)
        body = self.here()
        self.items(kind, items, child, table, frame, block, body, path)
        self.operations[block][2] = self.here()

    def items(
        self, kind: Array | Map, items: AvroType, child: int, table: int, frame: int, block: int, body: int, path: int
    ) -> None:
        live = child >= 0
        target = child if live else table
        shown = live and not self.tables[child].hidden
        keep, ends = -1, -1
        if shown and self.tables[child].path in self.selected:
            keep = self.add(opcodes.KEEP, len(self.selected_tables), 0, path=path)
            self.selected_tables.append(self.tables[child].path)
        if live:
            self.here()
            self.add(opcodes.ITEM, child)
        if isinstance(kind, Map):
            self.leaf(Primitive("string"), -1, target, "key", nullable=False, live=live)
        self.emit(items, target, item_name(items) if shown else "item", nullable=False, live=live)
        if shown and self.selection.has(self.tables[child].path, "@end"):
            ends = self.entry(path, opcodes.ITEM_END, size=4, null_branch=-1)
            self.output(child, "@end", "number", Primitive("int"), ends, 4, nullable=False)
        self.add(opcodes.ITEM_END, frame, child, body, block, ends, path=path)
        if keep >= 0:
            self.operations[keep][2] = self.here()
            self.add(opcodes.ITEM_END, frame, -1, body, block, -1, path=path)
        if live and self.tables[child].hidden:
            outputs = self.tables[child].outputs
            owner = next(o for o in self.tables[table].outputs if o.table == child)
            owner.items = outputs


def compile_program(
    root: Record,
    columns: Mapping[str, Sequence[str]] | None,
    *,
    selected: Collection[str] = (),
    to_end: bool = True,
) -> Program:
    """Compile a record schema for reading some of its columns.

    Parameters
    ----------
    root : Record
        Resolved schema.
    columns : dict of sequences of str, or None
        Wanted columns by table, ``""`` for the root; None for all.
    selected : collection of str
        Tables of which only chosen items are read.
    to_end : bool
        Whether to walk the whole datum and to require that it ends where the payload does. Otherwise the program stops
        after the last wanted field.

    Raises
    ------
    ValueError
        If a table or column is not in the schema; the message names the first ones.
    UnsupportedSchema
        If the schema is too large when written out.
    """
    available: dict[str, set[str]] = {}
    for table, name in column_names(root, "", ""):
        available.setdefault(table, set()).add(name)
    available.setdefault("", set())
    missing = [f"table {table!r}" for table in columns or {} if table not in available]
    missing += [
        join(t, n) for t, names in (columns or {}).items() if t in available for n in names if n not in available[t]
    ]
    missing += [f"table {table!r}" for table in selected if table not in available]
    if missing:
        raise ValueError(f"not in schema {root.name}: {', '.join(missing[:10])}")
    compiler = _Compiler(Selection(columns), selected)
    compiler.record(root, 0, "", nullable=False, live=True, final=not to_end)
    compiler.add(opcodes.END if to_end else opcodes.STOP)
    return Program(
        operations=np.array(compiler.operations, np.int64).reshape(-1, opcodes.OPERATION_COLUMNS),
        entries=np.array(compiler.entries or [[0] * opcodes.ENTRY_COLUMNS], np.int64),
        lists=np.array([*compiler.lists, 0], np.int64),
        layouts=np.array(compiler.layouts or [[0] * opcodes.LAYOUT_COLUMNS], np.int64),
        tables=compiler.tables,
        storages=compiler.storages,
        frames=max(compiler.frames, 1),
        paths=compiler.paths,
        selected=compiler.selected_tables,
    )
