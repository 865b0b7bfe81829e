"""The meaning of names in a filter: its tables, their columns, and the names of selected expressions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sqlglot import exp

from broker_assets.filters import values
from broker_assets.filters.errors import Refused, nearest
from broker_assets.filters.grammar import position
from broker_assets.filters.mistakes import former
from broker_assets.filters.schema import ALIASES, NOW, TABLES, Kind, PublishedColumn, PublishedTable
from broker_assets.filters.values import Value


@dataclass(frozen=True, slots=True)
class Source:
    """A table of a query under the name by which the query calls it."""

    alias: str
    """Lower case."""
    table: PublishedTable


class Queries(Protocol):
    """Translates the queries within a query."""

    def scalar(self, node: exp.Subquery, scope: Scope) -> Value:
        """The one value of a query in parentheses."""

    def exists(self, node: exp.Exists, scope: Scope) -> Value:
        """`EXISTS (SELECT …)`."""

    def among(self, node: exp.In, value: Value, scope: Scope) -> Value:
        """`value IN (SELECT …)`."""


@dataclass(slots=True)
class Scope:
    """The meaning of names in a query."""

    sources: Mapping[str, Source]
    base: str
    """Alias of the table of the alerts."""
    names: Mapping[str, Value] = field(default_factory=dict)
    """Names of selected expressions, lower case, where they may be used."""
    aggregates: bool = False
    """Whether aggregates may be used."""
    used: set[tuple[str, str]] = field(default_factory=set)
    """Columns that were read: alias and SQL name."""
    outer: Scope | None = None
    """The scope of the enclosing query."""
    based: bool = True
    """Whether `base` has the clock, and its columns come before those of other tables."""
    queries: Queries | None = None
    """Translates nested queries; None where none are allowed."""
    selected: frozenset[str] = frozenset()
    """Names of selected expressions, lower case, whether or not they may be used."""

    def column(self, node: exp.Column) -> Value:
        """The value of a column in both engines.

        Raises
        ------
        Refused
            If no column has this name, or several have.
        """
        if node.args.get("db") or node.args.get("catalog"):
            raise Refused("a column is written as table.column", example="objects.ra", at=position(node))
        if node.table:
            return self._qualified(node)
        name = node.name.lower()
        if name in self.names:
            return self.names[name]
        for scope in self.levels():
            having = [source for source in scope.sources.values() if name in source.table.columns]
            first = next((source for source in having if scope.based and source.alias == scope.base), None)
            if first is not None or len(having) == 1:
                source = first or having[0]
                return scope._read(source, source.table.columns[name])
            if having:
                listed = " or ".join(f"{source.alias}.{node.name}" for source in having)
                said = f"{node.name} is a column of several tables."
                raise Refused(said, suggestion=f"Write {listed}.", at=position(node))
        if name in self.selected:
            said = f"{node.name} is the name of a selected value, which the conditions come before."
            raise Refused(said, suggestion="Write what it stands for, or put HAVING before it.", at=position(node))
        known = [item for scope in self.levels() for source in scope.sources.values() for item in source.table.names()]
        raise Refused(
            f"no table of the query has a column {node.name}.",
            suggestion=former(node.name)
            or _elsewhere(node.name)
            or nearest(node.name, known)
            or "A text is written in quotes.",
            at=position(node),
        )

    def _qualified(self, node: exp.Column) -> Value:
        name, qualifier = node.name, self.table_named(node.table)
        scope = next((scope for scope in self.levels() if qualifier in scope.sources), None)
        if scope is None:
            raise Refused(
                f"the query has no table {node.table}.",
                suggestion=former(qualifier)
                or (f"Add {qualifier} to FROM, joined by its columns." if qualifier in TABLES else "")
                or nearest(qualifier, [alias for scope in self.levels() for alias in scope.sources])
                or "An annotator fink is joined as annotations AS fink, with fink.topic = 'fink'.",
                at=position(node),
            )
        source = scope.sources[qualifier]
        found = source.table.columns.get(name.lower())
        if found is None:
            raise Refused(
                f"{source.table.name} has no column {name}.",
                suggestion=former(name) or _elsewhere(name) or nearest(name, source.table.names()),
                example=f"{source.alias}.{source.table.names()[0]}",
                at=position(node),
            )
        return scope._read(source, found)

    def table_named(self, written: str) -> str:
        """The table before the dot of a column: the form may call `objects` by its former name."""
        name = written.lower()
        return name if any(name in scope.sources for scope in self.levels()) else ALIASES.get(name, name)

    def levels(self) -> Iterator[Scope]:
        """This scope and those around it."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer

    def around(self) -> Scope:
        """The scope for a query within this one, in which names of selected expressions are not visible."""
        return Scope(self.sources, self.base, used=self.used, outer=self.outer, based=self.based)

    def is_object(self, alias: str, column: str) -> bool:
        """Whether a column of this level or of one around it is the object of its row."""
        scope = next(scope for scope in self.levels() if alias in scope.sources)
        return column != NOW and scope.sources[alias].table.columns[column].is_object

    def _read(self, source: Source, column: PublishedColumn) -> Value:
        self.used.add((source.alias, column.name))
        plain = f"{values.name(source.alias)}.{values.name(column.name)}"
        duckdb, postgres, low, high = plain, plain, column.low, column.high
        if column.computed:
            pass
        elif column.kind is Kind.INTEGER:
            low, high = -(2 ** (column.bits - 1)), 2 ** (column.bits - 1) - 1
            if column.bits < 64:
                duckdb, postgres = f"CAST({plain} AS BIGINT)", f"{plain}::bigint"
        elif column.kind is Kind.REAL:
            duckdb, postgres = f"CAST({plain} AS DOUBLE)", f"{plain}::float8"
        elif column.kind is Kind.TIME:
            if column.bits == 32:
                duckdb, postgres = f"CAST({plain} AS TIMESTAMP)", f"{plain}::timestamp"
            else:
                # Arrow's times have a zone, whose conversions need an extension.
                duckdb, postgres = f"make_timestamp(epoch_us({plain}))", f"({plain} AT TIME ZONE 'UTC')"
        elif column.kind is Kind.DOCUMENT:
            postgres = f"{plain}::jsonb"
        return Value(column.kind, duckdb, postgres, frozenset({(source.alias, column.name)}), low, high)


def _elsewhere(name: str) -> str:
    """A sentence that names the published tables that have a column of this name; empty if none has."""
    having = [table.name for table in TABLES.values() if name.lower() in table.columns]
    return f"It is a column of {' and of '.join(having)}." if having else ""
