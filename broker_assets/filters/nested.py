"""Queries within a filter: in FROM, in WITH, in conditions and values, and the SELECTs that UNION joins.

Each is read and planned like the filter itself: the same tables, columns, functions and rules for lists. A query in
FROM or WITH becomes a table (`schema.DerivedTable`), one in a condition or value an expression of both engines. Its
rows are those of the alert's object: in the batch engine it reads only the rows of the alert, so over all objects it
must be joined by the object, which `requirements` checks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from sqlglot import exp

from broker_assets.filters import operators, values
from broker_assets.filters.errors import Refused
from broker_assets.filters.grammar import position, rendered
from broker_assets.filters.plan import UNION, Columns, Plan
from broker_assets.filters.planning import Place, planned
from broker_assets.filters.schema import (
    ALIASES,
    NOW,
    OBJECT_COLUMN,
    TABLES,
    DerivedTable,
    Kind,
    PublishedColumn,
)
from broker_assets.filters.scope import Scope, Source
from broker_assets.filters.statement import MAX_READS, Joined, Part, Piece, Statement, from_select
from broker_assets.filters.values import Value

MAX_LEVELS = 4
"""Deepest nesting of queries."""
MAX_QUERIES = 20
"""Most queries within a filter."""

_PART = Part("", "")
"""Represents the part of the enclosing query, in which its problems are located."""


@dataclass(frozen=True)
class Named:
    """A SELECT within a filter over the objects, with a readable name."""

    name: str
    text: str
    plan: Plan


@dataclass
class NestedQueries:
    """The queries within one filter."""

    plans: list[Plan] = field(default_factory=list)
    """Plans of queries in conditions and values."""
    over_objects: list[Named] = field(default_factory=list)
    """The SELECTs of FROM, WITH and UNION that read the objects, for the explanation of the filter."""
    _with: dict[str, DerivedTable] = field(default_factory=dict)
    _unused: dict[str, int | None] = field(default_factory=dict)
    """Names in WITH that have not been read yet, with their positions."""
    _level: int = 0
    _number: int = 0
    _weight: int = 0

    # Tables -----------------------------------------------------------------------------------------------------------

    def define(self, node: exp.With) -> None:
        """Read the queries of WITH; each may name those before it."""
        if node.args.get("recursive"):
            raise Refused("WITH RECURSIVE is not accepted: a query may not refer to itself", at=position(node))
        for query in node.expressions:
            alias = query.args["alias"]
            name, at = alias.name.lower(), position(alias)
            if {key for key, value in query.args.items() if value} - {"this", "alias"}:
                raise Refused("a query of WITH is: name AS (SELECT …)", at=at)
            if alias.args.get("columns"):
                raise Refused("names of columns are not accepted after the name of a query", example="x AS y", at=at)
            if name in self._with or ALIASES.get(name, name) in TABLES:
                raise Refused(f"there is a table {name} already; give the query another name", at=at)
            self._with[name] = self._table(query.this, alias.name)
            self._unused[name] = at

    def named(self, name: str) -> DerivedTable | None:
        """The query in WITH with a name."""
        self._unused.pop(name, None)
        return self._with.get(name)

    def check_used(self, statement: Statement, part: Part) -> None:
        """Refuse queries in WITH that nothing reads."""
        for name, at in self._unused.items():
            statement.refuse(Refused(f"nothing reads the query {name} of WITH", at=at), part)

    def derived(self, node: exp.Subquery) -> DerivedTable:
        """A query in FROM."""
        return self._table(node.this, node.args["alias"].name)

    def union(self, node: exp.Union, part: Part, text: str) -> Statement:
        """A filter of several SELECTs, as one that selects from all of them."""
        statement = Statement(text)
        order = node.args.get("order")
        try:
            node.set("order", None)
            node.set("with_", None)
            table = self._table(node, UNION)
            if not table.based:
                raise Refused("every SELECT of UNION reads objects", at=position(node))
        except Refused as problem:
            statement.refuse(problem, part)
            return statement
        statement.sources = [Joined(Source(UNION, table), False, None, 0, part)]
        for column in table.columns.values():
            chosen = exp.Alias(
                this=exp.column(column.name, table=UNION), alias=exp.to_identifier(column.documented, quoted=True)
            )
            statement.items.append(Piece(chosen, part))
        if order is not None:
            statement.order = [Piece(item, part) for item in order.expressions]
        return statement

    def _table(self, node: exp.Expression, name: str) -> DerivedTable:
        """A query as a table for the enclosing query."""
        leaves: list[tuple[exp.Select, Plan]] = []
        number = len(self.over_objects)
        with self._deeper(node):
            for select in _selects(node):
                statement = from_select(select, _PART, "", self, whole=False)
                plan = planned(statement, self, Place())
                if statement.refusals:
                    raise Refused("", several=statement.refusals)
                leaves.append((select, plan))
        plans = [plan for _, plan in leaves]
        columns = _columns(leaves)
        based = all(plan.based for plan in plans)
        weight = sum(plan.weight for plan in plans)
        self._check_weight(weight, node)
        for place, (select, plan) in enumerate(leaves):
            if plan.based:
                called = "" if name == UNION else name
                if len(leaves) > 1:
                    called += f"{', ' if called else ''}SELECT {place + 1} of {len(leaves)}"
                while any(item.name == called for item in self.over_objects):
                    called += "'"
                self.over_objects.insert(number, Named(called, rendered(select), plan))
                number += 1
        texts = {}
        for engine in ("duckdb", "postgres"):
            texts[engine] = f"({_text(node, iter(plans), engine, based)})"
            if len(texts[engine]) > values.MAX_SQL:
                raise Refused("the query is too complex", at=position(node))
        return DerivedTable(
            name=name,
            columns=columns,
            comment="",
            postgres=texts["postgres"],
            duckdb=texts["duckdb"],
            based=based,
            weight=weight,
            plans=tuple(plans),
        )

    # Values -----------------------------------------------------------------------------------------------------------

    def scalar(self, node: exp.Subquery, scope: Scope) -> Value:
        """The one value of a query in parentheses."""
        if {key for key, value in node.args.items() if value} - {"this"}:
            raise Refused("nothing follows a query within a query", at=position(node))
        inner = node.unnest()
        if not isinstance(inner, exp.Select):
            raise Refused("a value is one SELECT without UNION", at=position(node))
        grouped = inner.args.get("group") is not None
        plan = self._plan(inner, Place(scope.around(), total=not grouped))
        _one(plan, inner)
        value = plan.values[0]
        single = not grouped and all(source.table.single for source in plan.sources)
        if not value.aggregate and not single:
            raise Refused(
                "a query that is a value has one row: it selects an aggregate, without GROUP BY.",
                suggestion="IN and EXISTS take several rows.",
                example="(SELECT max(c.score) FROM object_classes AS c WHERE c.diaObjectId = objects.diaObjectId)",
                at=position(node),
            )
        return replace(_value(value.kind, "({})", plan), low=value.low, high=value.high)

    def exists(self, node: exp.Exists, scope: Scope) -> Value:
        """`EXISTS (SELECT …)`."""
        found = []
        for select in _selects(node.this):
            place = Place(scope.around())
            plan = self._plan(select, place)
            plan.values, plan.output, plan.distinct = [values.integer(1)], ("x",), False
            found.append(_value(Kind.BOOLEAN, "EXISTS ({})", plan))
        return found[0] if len(found) == 1 else operators.joined("OR", found)

    def among(self, node: exp.In, value: Value, scope: Scope) -> Value:
        """`value IN (SELECT …)`."""
        link = node.this.unnest()
        found = []
        for select in _selects(node.args["query"]):
            plan = self._plan(select, Place(scope.around(), link if isinstance(link, exp.Column) else None))
            _one(plan, select)
            one, other = operators.comparable(value, plan.values[0])
            plan.values = [other]
            chosen = _value(Kind.BOOLEAN, "{}", plan)
            found.append(
                values.both(
                    Kind.BOOLEAN,
                    f"({one.duckdb} IN ({chosen.duckdb}))",
                    f"({one.postgres} IN ({chosen.postgres}))",
                    one,
                    chosen,
                )
            )
        return found[0] if len(found) == 1 else operators.joined("OR", found)

    def _plan(self, node: exp.Select, place: Place) -> Plan:
        with self._deeper(node):
            statement = from_select(node, _PART, "", self, whole=False)
            plan = planned(statement, self, place)
        if statement.refusals:
            raise Refused("", several=statement.refusals)
        self._weight += plan.weight
        self._check_weight(self._weight, node)
        self.plans.append(plan)
        return plan

    @staticmethod
    def _check_weight(weight: int, node: exp.Expression) -> None:
        if weight > MAX_READS:
            said = f"a filter may read {MAX_READS} tables, those of queries within it included"
            raise Refused(said, at=position(node))

    @contextmanager
    def _deeper(self, node: exp.Expression) -> Iterator[None]:
        self._number += 1
        if self._number > MAX_QUERIES:
            raise Refused(f"a filter may have {MAX_QUERIES} queries within it", at=position(node))
        if self._level >= MAX_LEVELS:
            raise Refused(f"queries are nested more than {MAX_LEVELS} levels deep", at=position(node))
        self._level += 1
        try:
            yield
        finally:
            self._level -= 1


def _selects(node: exp.Expression) -> Iterator[exp.Select]:
    """The SELECTs of a query, in the order of the text."""
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, exp.Subquery):
            if {key for key, value in item.args.items() if value} - {"this", "alias"}:
                raise Refused("nothing follows a query in parentheses", at=position(item))
            waiting.append(item.this)
        elif isinstance(item, exp.Union):
            for key, value in item.args.items():
                if value and key not in ("this", "expression", "distinct"):
                    said = f"{key.upper().strip('_')} is not accepted with UNION"
                    at = position(value if isinstance(value, exp.Expression) else item)
                    raise Refused("ORDER BY is at the end of the filter" if key == "order" else said, at=at)
            waiting += [item.expression, item.this]
        elif isinstance(item, exp.Select):
            yield item
        else:
            raise Refused(
                "a query is one SELECT, or several with UNION between them",
                example="SELECT diaObjectId FROM object_classes WHERE score > 0.5",
                at=position(item),
            )


def _columns(leaves: list[tuple[exp.Select, Plan]]) -> Mapping[str, PublishedColumn]:
    """Columns of a query as a table; for several SELECTs each has a common type, which their plans then use."""
    first = leaves[0][1]
    for select, plan in leaves:
        if len(plan.output) != len(first.output):
            raise Refused(
                f"the SELECTs of UNION have as many columns; here are {len(first.output)} and {len(plan.output)}",
                at=position(select),
            )
    found: dict[str, PublishedColumn] = {}
    for number, label in enumerate(first.output):
        chosen = [plan.values[number] for _, plan in leaves]
        identity = all(_is_object(plan, value) for (_, plan), value in zip(leaves, chosen, strict=True))
        if len(leaves) > 1:
            try:
                chosen = values.unified([_untyped(value) for value in chosen], f"column {label} of UNION")
            except Refused as problem:
                problem.at = position(leaves[-1][0].expressions[min(number, len(leaves[-1][0].expressions) - 1)])
                raise
        low, high = min(value.low for value in chosen), max(value.high for value in chosen)
        for (_, plan), value in zip(leaves, chosen, strict=True):
            plan.values[number] = operators.plain(value)
        found[label.lower()] = PublishedColumn(
            label.lower(), label, chosen[0].kind, computed=True, identity=identity, low=low, high=high
        )
    for _, plan in leaves:
        plan.output = tuple(found)
        if not plan.based:
            _mark_object(plan)
    return MappingProxyType(found)


def _untyped(value: Value) -> Value:
    """A plain NULL takes the type of the other SELECTs."""
    return replace(value, kind=Kind.NULL) if value.duckdb == values.NULLS[Kind.TEXT][0] else value


def _is_object(plan: Plan, value: Value) -> bool:
    """Whether a value is the unchanged object of the row."""
    if len(value.columns) != 1 or value.aggregate:
        return False
    ((alias, column),) = value.columns
    known = {source.alias: source for source in plan.sources if source.alias not in plan.left}
    if alias not in known or column == NOW or not known[alias].table.columns[column].is_object:
        return False
    return value.duckdb == f"{values.name(alias)}.{values.name(column)}"


def _mark_object(plan: Plan) -> None:
    """Note that the object of the base is read: it is a hidden column of a query in FROM."""
    if plan.object_column == OBJECT_COLUMN:
        plan.used.add((plan.base, OBJECT_COLUMN))


def _text(node: exp.Expression, plans: Iterator[Plan], engine: str, based: bool) -> str:
    """SQL of the SELECTs of a query, in order, with the operators that join them."""
    if isinstance(node, exp.Union):
        one, other = _text(node.this, plans, engine, based), _text(node.expression, plans, engine, based)
        return f"({one}) UNION{'' if node.args.get('distinct') else ' ALL'} ({other})"
    if isinstance(node, exp.Subquery):
        return _text(node.this, plans, engine, based)
    plan = next(plans)
    hidden: Columns = plan.keys(engine)
    if based and engine == "duckdb":
        hidden = [*hidden, (f"{values.name(plan.base)}.{values.name(NOW)}", NOW)]
    return plan.query(engine, hidden, None)


def _one(plan: Plan, node: exp.Select) -> None:
    if len(plan.values) != 1:
        raise Refused(f"a query within a query selects one value here, not {len(plan.values)}", at=position(node))


def _value(kind: Kind, template: str, plan: Plan) -> Value:
    """The text of a nested query, with the columns that it reads from the enclosing ones."""
    own = {source.alias for source in plan.sources}
    terms = [term.value for terms in (plan.terms, *plan.left.values()) for term in terms]
    read = [*terms, *plan.values, *plan.having, *plan.groups]
    columns = frozenset(pair for value in read for pair in value.columns if pair[0] not in own)
    return Value(
        kind,
        template.format(plan.query("duckdb", [], None)),
        template.format(plan.query("postgres", [], None)),
        columns,
    )
