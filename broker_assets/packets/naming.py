"""Names of the columns and tables of a schema, and the selection of those wanted.

Records within a record are flattened with dots, ``diaSource.psfFlux``. An array whose items contain
records or unions is a separate table, named by its path. What a path cannot express has a name with ``@``:
``x@position`` and ``x@length`` of bytes, ``x@count`` of an array that is a table, ``x@branch`` and ``x@long`` of a
union of several types, ``@present`` of a record in an array of records that may be null. If items are not records,
their column is ``item``; values of maps that are tables have ``key``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from broker_assets.packets.schema import Array, AvroType, Enum, Fixed, Map, Primitive, Record, Union

WIDTHS = {"boolean": 1, "float": 4, "double": 8}


def join(path: str, name: str) -> str:
    """Dotted path of a member."""
    return f"{path}.{name}" if path else name


def is_leaf(kind: AvroType) -> bool:
    """Whether a type is one column (as is a list or map of such types)."""
    if isinstance(kind, (Array, Map)):
        return is_leaf(kind.items if isinstance(kind, Array) else kind.values)
    if isinstance(kind, Union):
        return kind.nullable is not None and is_leaf(kind.nullable)
    return not isinstance(kind, Record)


def branch_name(branch: AvroType) -> str:
    """Name of a branch of a union in the names of columns."""
    if isinstance(branch, (Primitive, Fixed, Enum, Record)):
        return branch.name.rpartition(".")[2]
    return type(branch).__name__.lower()


def column_names(kind: AvroType, table: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield (table, column) for everything that can be requested of a type at a given position."""
    if isinstance(kind, Union) and kind.nullable is not None and not is_leaf(kind):
        inner = kind.nullable
        if isinstance(inner, Record):
            yield table, name or "@present"
        yield from column_names(inner, table, name)
    elif isinstance(kind, Union) and kind.nullable is None:
        yield table, f"{name}@branch"
        for branch in kind.branches:
            yield from column_names(branch, table, f"{name}@{branch_name(branch)}")
    elif isinstance(kind, Record):
        for member in kind.fields:
            yield from column_names(member.type, table, join(name, member.name))
    elif is_leaf(kind):
        yield table, name
        inner = kind.nullable if isinstance(kind, Union) and kind.nullable is not None else kind
        if is_bytes(inner):
            yield table, f"{name}@position"
            yield table, f"{name}@length"
    else:
        yield table, f"{name}@count"
        if isinstance(kind, Map):
            yield join(table, name), "key"
            yield from column_names(kind.values, join(table, name), item_name(kind.values))
        elif isinstance(kind, Array):
            yield join(table, name), "@end"
            yield from column_names(kind.items, join(table, name), item_name(kind.items))


def item_name(kind: AvroType) -> str:
    """Name of the items of a table: None for records, whose fields are the columns."""
    inner = kind.nullable if isinstance(kind, Union) and kind.nullable is not None else kind
    return "" if isinstance(inner, Record) else "item"


def is_bytes(kind: AvroType) -> bool:
    """Whether values are runs of bytes."""
    return isinstance(kind, Fixed) or (isinstance(kind, Primitive) and kind.name in ("bytes", "string"))


def leaves(kind: AvroType) -> float:
    """Number of fields of a record whose fields are one value each, minus infinity if it has others."""
    if isinstance(kind, Record):
        return sum(leaves(member.type) for member in kind.fields)
    if isinstance(kind, Union):
        return -np.inf if kind.nullable is None or isinstance(kind.nullable, Record) else leaves(kind.nullable)
    return -np.inf if isinstance(kind, (Array, Map)) else 1


def minimum_size(kind: AvroType) -> int:
    """Minimum number of bytes of a value of a type."""
    if isinstance(kind, Record):
        return sum(minimum_size(member.type) for member in kind.fields)
    if isinstance(kind, Fixed):
        return kind.size
    if isinstance(kind, Union):
        return 1 + min((minimum_size(branch) for branch in kind.branches), default=0)
    if isinstance(kind, Primitive):
        return 0 if kind.name == "null" else WIDTHS.get(kind.name, 1)
    return 1


class Selection:
    """Selection of columns of tables."""

    def __init__(self, columns: Mapping[str, Sequence[str]] | None) -> None:
        self.columns = None if columns is None else {table: frozenset(names) for table, names in columns.items()}

    def has(self, table: str, name: str) -> bool:
        """Whether a column is wanted."""
        if self.columns is None:
            return not name.endswith(("@position", "@length", "@end"))
        return name in self.columns.get(table, ())

    def has_table(self, table: str) -> bool:
        """Whether an array is wanted as a table."""
        return self.columns is None or table in self.columns

    def touches(self, kind: AvroType, table: str, name: str) -> bool:
        """Whether anything of a type at a position is wanted."""
        if self.columns is None:
            return True
        return any(self.has(t, n) or (t != table and t in self.columns) for t, n in column_names(kind, table, name))
