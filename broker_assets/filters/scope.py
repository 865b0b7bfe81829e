"""What names mean in a filter: its tables, their columns, and the names of what it selects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from broker_assets.filters import values
from broker_assets.filters.errors import Refused, nearest
from broker_assets.filters.grammar import position
from broker_assets.filters.schema import Kind, PublishedColumn, PublishedTable
from broker_assets.filters.values import Value


@dataclass(frozen=True, slots=True)
class Source:
    """A table of a query under the name by which the query calls it."""

    alias: str
    """Lower case."""
    table: PublishedTable


@dataclass(slots=True)
class Scope:
    """What names mean in a query."""

    sources: Mapping[str, Source]
    base: str
    """Alias of the table of the alerts."""
    names: Mapping[str, Value] = field(default_factory=dict)
    """Names of selected expressions, lower case, where they may be used."""
    aggregates: bool = False
    """Whether aggregates may be used."""
    used: set[tuple[str, str]] = field(default_factory=set)
    """Columns that were read: alias and SQL name."""

    def column(self, node: exp.Column) -> Value:
        """What a column is in both engines.

        Raises
        ------
        Refused
            If there is none of this name, or several.
        """
        if node.args.get("db") or node.args.get("catalog"):
            raise Refused("a column is written as table.column", example="objects.ra", at=position(node))
        name, qualifier = node.name, node.table.lower()
        if qualifier:
            source = self.sources.get(qualifier)
            if source is None:
                raise Refused(
                    f"the query has no table {node.table}.",
                    suggestion=nearest(qualifier, self.sources),
                    at=position(node),
                )
            found = source.table.columns.get(name.lower())
            if found is None:
                raise Refused(
                    f"{source.table.name} has no column {name}.",
                    suggestion=nearest(name, source.table.names()),
                    example=f"{source.alias}.{source.table.names()[0]}",
                    at=position(node),
                )
            return self._read(source, found)
        if name.lower() in self.names:
            return self.names[name.lower()]
        having = [source for source in self.sources.values() if name.lower() in source.table.columns]
        first = next((source for source in having if source.alias == self.base), None)
        if first is not None or len(having) == 1:
            source = first or having[0]
            return self._read(source, source.table.columns[name.lower()])
        if having:
            listed = " or ".join(f"{source.alias}.{name}" for source in having)
            raise Refused(f"{name} is a column of several tables.", suggestion=f"Write {listed}.", at=position(node))
        known = [item for source in self.sources.values() for item in source.table.names()]
        raise Refused(
            f"no table of the query has a column {name}.",
            suggestion=nearest(name, known) or "A text is written in quotes.",
            at=position(node),
        )

    def _read(self, source: Source, column: PublishedColumn) -> Value:
        self.used.add((source.alias, column.name))
        plain = f"{values.name(source.alias)}.{values.name(column.name)}"
        duckdb, postgres, low, high = plain, plain, -values.LARGEST - 1, values.LARGEST
        if column.kind is Kind.INTEGER:
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
