"""From the parts of a filter to its SQL: joins, conditions, groups, and a column for each condition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlglot import exp

from broker_assets.filters import operators
from broker_assets.filters.grammar import rendered
from broker_assets.filters.schema import (
    ALERT,
    BASE,
    NOW,
    OBJECT,
    OBJECT_COLUMN,
    DerivedTable,
    Kind,
    PublishedTable,
)
from broker_assets.filters.scope import Scope, Source
from broker_assets.filters.values import Value, name

OF_MESSAGES = frozenset({"UTC", "alert", "late"})
"""Names of fields in messages besides the selected values, see `delivery.messages.record`."""
MAX_OUTPUT = 500
"""Most columns of a result."""

GROUPS = name("$groups")
"""Alias of the groups in the query of clauses; no user's name begins with $."""

HAVING = "$having{}"
"""Name in it of the truth of a term of HAVING."""

UNION = "$union"
"""Alias of the queries that UNION joins, from which the filter selects."""

ALERTS = "$alerts"
"""Alias of `objects` in the query of clauses, if the filter has a query in its place."""

Columns = list[tuple[str, str]]
"""SQL and name of each hidden column."""


@dataclass(frozen=True, slots=True)
class Term:
    """A condition that rows must meet, one of the terms that AND joins."""

    value: Value
    node: exp.Expression
    generated: bool
    link: tuple[tuple[str, str], tuple[str, str]] | None
    """(alias, column) of both sides, if it equates columns of two tables."""
    restricts: tuple[str, tuple[int | str, ...]] | None
    """Alias and values, if it restricts the lists or annotators of a table."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A clause with its truth in both engines."""

    said: str | exp.Expression
    """Its meaning in words, or the condition itself."""
    value: Value
    columns: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    generated: bool

    @property
    def text(self) -> str:
        """The clause as readable text."""
        return self.said if isinstance(self.said, str) else rendered(self.said)


@dataclass(slots=True)
class Plan:
    """The translation of a filter."""

    base: str = BASE
    sources: list[Source] = field(default_factory=list)
    left: dict[str, list[Term]] = field(default_factory=dict)
    """Terms of ON of each LEFT JOIN."""
    terms: list[Term] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    output: tuple[str, ...] = ()
    groups: list[Value] = field(default_factory=list)
    grouped: bool = False
    having: list[Value] = field(default_factory=list)
    having_terms: list[exp.Expression] = field(default_factory=list)
    """The same, as parsed."""
    order: list[tuple[Value, bool, bool]] = field(default_factory=list)
    distinct: bool = False
    used: set[tuple[str, str]] = field(default_factory=set)
    restricted: dict[str, set[int | str]] = field(default_factory=dict)
    clauses: list[Condition] = field(default_factory=list)
    nested: list[Plan] = field(default_factory=list)
    """Queries within its conditions and values."""
    around: str = ""
    """Alias of the table of alerts in the enclosing query, for a query within a condition or value."""

    def table(self, alias: str) -> PublishedTable:
        """Table of an alias."""
        return next(source.table for source in self.sources if source.alias == alias)

    @property
    def object_column(self) -> str:
        """Column with the object of the base."""
        return OBJECT if isinstance(self.table(self.base), DerivedTable) else OBJECT_COLUMN

    @property
    def based(self) -> bool:
        """Whether its rows are those of `objects`."""
        table = self.table(self.base)
        return table.based if isinstance(table, DerivedTable) else table.name == BASE

    @property
    def weight(self) -> int:
        """Published tables that it reads."""
        tables = (source.table for source in self.sources)
        own = sum(table.weight if isinstance(table, DerivedTable) else 1 for table in tables)
        return own + sum(plan.weight for plan in self.nested)

    @property
    def has_queries(self) -> bool:
        """Whether it contains queries."""
        return bool(self.nested) or any(isinstance(source.table, DerivedTable) for source in self.sources)

    def every(self) -> Iterator[Plan]:
        """This plan and those of all queries within it."""
        yield self
        derived = (source.table for source in self.sources if isinstance(source.table, DerivedTable))
        for plan in (*(plan for table in derived for plan in table.plans), *self.nested):
            yield from plan.every()

    def keys(self, engine: str) -> Columns:
        """Columns that identify the subject of a row: the object, and in the batch engine the alert."""
        found = [(self._base_column(self.object_column), OBJECT)]
        return [*found, (self._base_column(ALERT), ALERT)] if engine == "duckdb" else found

    def query(self, engine: str, hidden: Columns, limit: int | None, *, among: str = "") -> str:
        """The query: the hidden columns, followed by those of the user."""
        escape = _doubled if among else str
        select = ", ".join(
            [f"{sql} AS {name(label)}" for sql, label in hidden]
            + [
                f"{self._shown(value, engine)} AS {name(label)}"
                for value, label in zip(self.values, self.output, strict=True)
            ]
        )
        where = self._where(engine)
        text = f"SELECT {'DISTINCT ' if self.distinct else ''}{select}\nFROM {self._from(engine)}"
        text = escape(text + (f"\nWHERE {_joined(where)}" if where else ""))
        if among:
            word = " AND" if where else "\nWHERE"
            text += f"{word} {escape(self._base_column(self.object_column))} = ANY({among})"
        if self.grouped:
            text += escape("\nGROUP BY " + ", ".join(dict.fromkeys(self._group_columns(engine, hidden))))
        if self.having:
            text += escape(f"\nHAVING {_joined([_of(value, engine) for value in self.having])}")
        order = [_sorted(value, engine, down, first) for value, down, first in self.order]
        if order or (limit is not None and engine == "duckdb"):
            text += escape("\nORDER BY " + ", ".join([*order, *(sql for sql, _ in hidden)]))
        return text + (f"\nLIMIT {int(limit)}" if limit is not None else "")

    def _where(self, engine: str) -> list[str]:
        where = [_of(term.value, engine) for term in self.terms]
        if engine == "duckdb":
            joined = [source.alias for source in self.sources if source.alias not in (self.base, *self.left)]
            where += map(self._same_alert, joined)
            if self.around:
                where.append(f"{self._base_column(ALERT)} = {name(self.around)}.{name(ALERT)}")
        return where

    def clause_query(self, engine: str, *, among: str = "") -> str:
        """The query of candidates: truth of each clause, and the columns they name."""
        escape = _doubled if among else str
        columns = {
            label: pair for clause in self.clauses for label, pair in zip(clause.names, clause.columns, strict=True)
        }
        first = name(self._candidate)
        keys = [(f"{first}.{name(OBJECT_COLUMN)}", OBJECT), (f"{first}.{name(ALERT)}", ALERT)]
        hidden = keys if engine == "duckdb" else keys[:1]
        select = [f"{sql} AS {name(label)}" for sql, label in hidden]
        for number, clause in enumerate(self.clauses):
            select.append(f"coalesce({_of(clause.value, engine)}, FALSE) AS {name(f'$clause{number}')}")
        scope = Scope({source.alias: source for source in self.sources}, self.base)
        for label, (alias, column) in columns.items():
            value = operators.plain(scope.column(exp.column(column, table=alias)))
            select.append(f"{_of(value, engine)} AS {name(label)}")
        text = f"SELECT {', '.join(select)}\nFROM {self._candidates(engine)}"
        if self.having:
            text += self._passing_groups(engine, hidden)
        if among:
            return escape(text) + f"\nWHERE {escape(hidden[0][0])} = ANY({among})"
        return text

    @property
    def _candidate(self) -> str:
        """Alias of `objects` in the query of clauses."""
        return ALERTS if isinstance(self.table(self.base), DerivedTable) else self.base

    def _candidates(self, engine: str) -> str:
        """Every object, joined with the rows of the other tables if there are any."""
        ordered = sorted(self.sources, key=lambda source: source.alias != self.base)
        text = ""
        if self._candidate != self.base:
            text = f"{BASE} AS {name(ALERTS)}"
        for source in ordered:
            if not text:
                text = _relation(source, engine)
                continue
            if source.alias == self.base:
                own, found = f"{name(ALERTS)}.{name(OBJECT_COLUMN)}", self._base_column(self.object_column)
                on = [f"{own} = {found}"]
                if engine == "duckdb":
                    on.append(f"{name(ALERTS)}.{name(ALERT)} = {self._base_column(ALERT)}")
                text += f"\nLEFT JOIN {_relation(source, engine)} ON {_joined(on)}"
                continue
            terms = self.left.get(source.alias) or [
                term for term in self.terms if self._attached(term) and _last(term, ordered) == source.alias
            ]
            on = [_of(term.value, engine) for term in terms]
            if engine == "duckdb":
                on.append(self._same_alert(source.alias))
            text += f"\nLEFT JOIN {_relation(source, engine)} ON {_joined(on)}"
        return text

    def _passing_groups(self, engine: str, hidden: Columns) -> str:
        """Join the truth of each term of HAVING: whether it holds for a group of the rows that meet the conditions."""
        labels, own = [name(label) for _, label in hidden], self.keys(engine)
        names = [name(HAVING.format(number)) for number in range(len(self.having))]
        select = [f"{sql} AS {label}" for (sql, _), label in zip(own, labels, strict=True)]
        select += [f"{_of(value, engine)} AS {label}" for value, label in zip(self.having, names, strict=True)]
        where = self._where(engine)
        rows = f"SELECT {', '.join(select)} FROM {self._from(engine)}"  # noqa: S608 - made of checked parts
        rows += f" WHERE {_joined(where)}" if where else ""
        rows += f" GROUP BY {', '.join(dict.fromkeys(self._group_columns(engine, own)))}"
        truth = [f"bool_or({label}) AS {label}" for label in names]
        shown = ", ".join([*labels, *truth])
        groups = f"SELECT {shown} FROM ({rows}) AS found GROUP BY {', '.join(labels)}"  # noqa: S608 - as above
        on = [f"{GROUPS}.{label} = {sql}" for (sql, _), label in zip(hidden, labels, strict=True)]
        return f"\nLEFT JOIN ({groups}) AS {GROUPS} ON {_joined(on)}"

    def _attached(self, term: Term) -> bool:
        return term.link is not None or term.restricts is not None

    def _from(self, engine: str) -> str:
        text = ""
        for source in self.sources:
            relation = _relation(source, engine)
            if not text:
                text = relation
            elif source.alias in self.left:
                on = [_of(term.value, engine) for term in self.left[source.alias]]
                if engine == "duckdb":
                    on.append(self._same_alert(source.alias))
                text += f"\nLEFT JOIN {relation} ON {_joined(on)}"
            else:
                text += f"\nCROSS JOIN {relation}"
        return text

    def _same_alert(self, alias: str) -> str:
        return f"{name(alias)}.{name(ALERT)} = {self._base_column(ALERT)}"

    def _base_column(self, column: str) -> str:
        return f"{name(self.base)}.{name(column)}"

    def _group_columns(self, engine: str, hidden: Columns) -> list[str]:
        uses_now = engine == "duckdb" and any(column == NOW for _, column in self.used)
        now = [self._base_column(NOW)] if uses_now else []
        keys = self.keys(engine)
        return [*(sql for sql, _ in (*hidden, *keys)), *now, *(_of(value, engine) for value in self.groups)]

    def _shown(self, value: Value, engine: str) -> str:
        collate = ' COLLATE "C"' if self.distinct and engine == "postgres" and value.kind is Kind.TEXT else ""
        return _of(value, engine) + collate


def _of(value: Value, engine: str) -> str:
    return value.duckdb if engine == "duckdb" else value.postgres


def _doubled(text: str) -> str:
    return text.replace("%", "%%")


def _joined(conditions: list[str]) -> str:
    return "\n  AND ".join(conditions) if conditions else "TRUE"


def _relation(source: Source, engine: str) -> str:
    table = source.table
    if engine == "duckdb":
        return f"{table.duckdb if isinstance(table, DerivedTable) else table.name} AS {name(source.alias)}"
    return f"{table.postgres} AS {name(source.alias)}"


def _sorted(value: Value, engine: str, down: bool, nulls_first: bool) -> str:
    collate = ' COLLATE "C"' if engine == "postgres" and value.kind is Kind.TEXT else ""
    return f"{_of(value, engine)}{collate} {'DESC' if down else 'ASC'} NULLS {'FIRST' if nulls_first else 'LAST'}"


def _last(term: Term, ordered: list[Source]) -> str:
    aliases = {alias for alias, _ in term.value.columns}
    return [source.alias for source in ordered if source.alias in aliases][-1]
