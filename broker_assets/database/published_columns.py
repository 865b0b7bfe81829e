"""Describes the published tables and views, from their comments, for users who write SQL."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from broker_assets.database.query_role import PUBLISHED
from broker_assets.database.tables import VIEWS, metadata

_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class ColumnAbout:
    """A column."""

    name: str
    """Name in SQL, lower case."""
    documented: str
    """Name as documented; SQL reads it in any case."""
    kind: str
    """Type in PostgreSQL."""
    unit: str
    """Unit with frame or time scale; empty if it has none."""
    meaning: str


@dataclass(frozen=True)
class TableAbout:
    """A table or view."""

    name: str
    kind: str
    """`table` or `view`."""
    meaning: str
    key: tuple[str, ...]
    """Documented names of the primary key; empty of a view."""
    columns: tuple[ColumnAbout, ...]


@cache
def published_tables() -> tuple[TableAbout, ...]:
    """The tables and views that users' SQL may read, in the order of their publication.

    Examples
    --------
    >>> [table] = [one for one in published_tables() if one.name == "objects"]
    >>> [(one.documented, one.kind, one.unit) for one in table.columns if one.name == "decl"]
    [('decl', 'double', 'deg, ICRS')]
    """
    found = []
    for name in PUBLISHED:
        if name in VIEWS:
            query, meaning = VIEWS[name]
            read = tuple(item for item in sa.sql.visitors.iterate(query) if isinstance(item, sa.Table))
            columns = tuple(_column(column, read) for column in query.selected_columns)
            found.append(TableAbout(name, "view", meaning, (), columns))
        else:
            table = metadata.tables[name]
            key = tuple(str(column.info.get("documented", column.name)) for column in table.primary_key.columns)
            found.append(TableAbout(name, "table", table.comment or "", key, tuple(map(_column, table.columns))))
    return tuple(found)


def _column(column: Any, tables: tuple[sa.Table, ...] = ()) -> ColumnAbout:
    """A column; a column of a view has the meaning of the column of the same name in the tables that the view reads."""
    name = str(column.name)
    same = [table.c[name] for table in tables if name in table.c]
    origin = column if isinstance(column, sa.Column) or not same else same[0]
    if isinstance(origin, sa.Column):
        unit, documented = str(origin.info.get("unit", "")), str(origin.info.get("documented", name))
        meaning = str(origin.comment or "").removesuffix(f" [{unit}]")
    else:
        bases = [base for base in column.base_columns if isinstance(base, sa.Column)]
        unit, documented = "", name
        meaning = f"{bases[0].comment or ''} (`{bases[0].name}`)".strip() if bases else _of_expression(column)
    kind = column.type if not isinstance(column.type, sa.types.NullType) else origin.type
    written = "text" if isinstance(kind, sa.types.NullType) else str(kind.compile(dialect=_POSTGRESQL)).lower()
    written = written.replace("timestamp with time zone", "timestamptz").replace("double precision", "double")
    return ColumnAbout(name, documented, written, unit, meaning)


def _of_expression(column: Any) -> str:
    empty = str(getattr(column, "element", "")).startswith("NULL")
    return "not provided, always null" if empty else "computed by the view"
