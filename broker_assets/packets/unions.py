"""The value of a field that is a union of several types, as one column.

The compiled reader has a column for each branch (`naming`). A field that was a number or null and, after a change of
the schema, may also have another type, is still one field for readers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from broker_assets.packets.naming import branch_name, is_leaf, join
from broker_assets.packets.schema import Array, AvroType, Enum, Fixed, Map, Primitive, Record, Union

Branches = dict[str, dict[str, list[str]]]
"""Table to the name of a union to the columns of its branches."""


def union_columns(root: Record) -> Branches:
    """The unions of several types that can be one column: those with a branch that is a number, text or bytes."""
    found: Branches = {}
    _collect(root, "", "", found)
    return found


def _collect(kind: AvroType, table: str, name: str, found: Branches) -> None:
    if isinstance(kind, Union) and kind.nullable is not None:
        kind = kind.nullable
    if isinstance(kind, Union):
        branches = [
            f"{name}@{branch_name(branch)}"
            for branch in kind.branches
            if isinstance(branch, (Primitive, Enum, Fixed)) and branch_name(branch) != "null"
        ]
        if branches and name:
            found.setdefault(table, {})[name] = branches
    elif isinstance(kind, Record):
        for member in kind.fields:
            _collect(member.type, table, join(name, member.name), found)
    elif isinstance(kind, (Array, Map)) and not is_leaf(kind):
        items = kind.items if isinstance(kind, Array) else kind.values
        items = items.nullable or items if isinstance(items, Union) else items
        if isinstance(items, Record):
            _collect(items, join(table, name), "", found)


def expand(columns: Mapping[str, Sequence[str]], unions: Branches) -> dict[str, list[str]]:
    """Columns to read in order to get the wanted ones.

    Examples
    --------
    >>> expand({"": ["a", "b"]}, {"": {"b": ["b@long", "b@string"]}})
    {'': ['a', 'b@long', 'b@string']}
    """
    return {
        table: [part for name in names for part in unions.get(table, {}).get(name, [name])]
        for table, names in columns.items()
    }


def merge(rows: pa.Table, wanted: Mapping[str, Sequence[str]]) -> pa.Table:
    """Replace the columns of branches by one for each union.

    It has the common type of its branches: of numbers the wider one, else text, which a reader that expects a number
    can parse. A value that cannot be text, such as bytes that are not UTF-8, becomes null.

    Parameters
    ----------
    rows : Table
        With the columns of branches.
    wanted : mapping of str to sequence of str
        Columns of the branches of a union, by its name.
    """
    for name, parts in wanted.items():
        columns = [rows[part] for part in parts]
        kind = _common([column.type for column in columns])
        rows = rows.drop_columns([part for part in parts if part in rows.column_names])
        rows = rows.append_column(name, pc.coalesce(*(_cast(column, kind) for column in columns)))
    return rows


def _common(kinds: Sequence[pa.DataType]) -> pa.DataType:
    if len(set(kinds)) == 1:
        return kinds[0]
    if all(pa.types.is_integer(kind) for kind in kinds):
        return pa.int64()
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds):
        # Large identifiers would lose digits as floats.
        return pa.float64() if not any(kind == pa.int64() for kind in kinds) else pa.string()
    return pa.string()


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    try:
        return pc.cast(column, kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.chunked_array([pa.nulls(len(column), kind)])
