"""Builds the plan of a filter from its parts, and notes everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from sqlglot import exp

from broker_assets.filters import operators
from broker_assets.filters.conditions import conditions_of
from broker_assets.filters.errors import Refused
from broker_assets.filters.expressions import flattened, translate
from broker_assets.filters.grammar import position, rendered
from broker_assets.filters.plan import MAX_OUTPUT, OF_MESSAGES, Plan, Term
from broker_assets.filters.requirements import check_groups, check_joins, check_lists
from broker_assets.filters.schema import BASE, DerivedTable
from broker_assets.filters.scope import Queries, Scope
from broker_assets.filters.statement import Part, Piece, Statement
from broker_assets.filters.values import Value, as_condition


class Translator(Queries, Protocol):
    """Translates the queries within a query, and keeps their plans for the enclosing plan."""

    plans: list[Plan]


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a nested query."""

    around: Scope | None = None
    """Scope of the enclosing query, if it is in a condition or value; None for one in FROM."""
    link: exp.Column | None = None
    """The left side of `IN`, if it is the right side."""
    total: bool = False
    """Whether aggregates without GROUP BY apply to all of its rows."""


def planned(statement: Statement, queries: Translator, place: Place | None = None) -> Plan:
    """Translate a filter; anything wrong with it is added to its problems.

    Parameters
    ----------
    statement : Statement
        The filter, or a query within it.
    queries : Translator
        Translates the queries within it.
    place : Place, optional
        Place of a query within a filter.
    """
    plan = Plan(
        distinct=statement.distinct, restricted={"watchlist_hits": set(), "area_hits": set(), "annotations": set()}
    )
    if statement.problems:
        return plan
    plan.sources = [joined.source for joined in statement.sources]
    around = place.around if place is not None else None
    try:
        plan.base = _base(statement)
        for joined in statement.sources:
            if around is not None and any(joined.source.alias in scope.sources for scope in around.levels()):
                said = f"a table of the query around this one is called {joined.source.alias} too; use AS"
                raise Refused(said, example=f"{joined.source.table.name} AS x", at=joined.at)
    except Refused as problem:
        statement.refuse(problem, statement.sources[0].part)
        return plan
    plan.around = around.base if around is not None else ""
    scope = Scope(
        {source.alias: source for source in plan.sources}, plan.base, used=plan.used, outer=around, based=plan.based,
        selected=frozenset(piece.node.alias.lower() for piece in statement.items if isinstance(piece.node, exp.Alias)),
    )  # fmt: skip
    builder = _Builder(statement, plan, scope, queries, place)
    builder.conditions()
    builder.items()
    if not statement.problems:  # names of selected expressions may be missing
        builder.groups()
        builder.order()
    if not statement.problems:
        check_lists(statement, plan)
        check_joins(statement, plan, scope, nested=place is not None)
    if not statement.problems:
        check_groups(statement, plan, scope)
    if not statement.problems and around is None and plan.based:
        plan.clauses = conditions_of(plan, scope)
    return plan


def _base(statement: Statement) -> str:
    """Alias of the table to which the others are joined: the objects, or a query over them if there is one."""
    inner = [joined.source for joined in statement.sources if not joined.left]
    objects = [source for source in inner if source.table.name == BASE and not isinstance(source.table, DerivedTable)]
    derived = [source for source in inner if isinstance(source.table, DerivedTable)]
    about = [source for source in inner if any(column.is_object for column in source.table.columns.values())]
    found = [*objects, *(source for source in derived if source.table.based), *about]  # type: ignore[attr-defined]
    if not found:
        joined = statement.sources[0]
        raise Refused(f"{joined.source.alias} is not about objects; join a table that has diaObjectId", at=joined.at)
    return found[0].alias


class _Builder:
    """One pass over the parts of a statement."""

    def __init__(
        self, statement: Statement, plan: Plan, scope: Scope, queries: Translator, place: Place | None
    ) -> None:
        self.statement, self.plan, self.scope = statement, plan, scope
        self.queries, self.place = queries, place
        self.named: dict[str, Value] = {}

    def attempt(self, part: Part, action: Callable[[], None]) -> None:
        """Note a problem and continue."""
        before, self.queries.plans = self.queries.plans, self.plan.nested
        try:
            action()
        except Refused as problem:
            self.statement.refuse(problem, part)
        finally:
            self.queries.plans = before

    def conditions(self) -> None:
        """Terms of WHERE and ON."""
        for joined in self.statement.sources:
            if joined.left:
                self.plan.left[joined.source.alias] = []
            if joined.on is not None:
                target = self.plan.left[joined.source.alias] if joined.left else self.plan.terms
                self._terms(joined.on, target, own=joined.left)
        for piece in self.statement.conditions:
            self._terms(piece, self.plan.terms)
        link = self.place.link if self.place is not None else None
        first = self.statement.items[0] if self.statement.items else None
        if link is not None and first is not None:
            chosen = first.node.unalias()
            if isinstance(chosen, exp.Column) and not isinstance(chosen.this, exp.Star):
                self.attempt(first.part, lambda: self._linked(link, chosen))

    def _linked(self, link: exp.Column, chosen: exp.Column) -> None:
        """Add the equality of a value with `IN` as a condition of the query, if both are objects."""
        around = self.place.around if self.place is not None else None
        if around is None:
            return
        one, other = around.column(link), self.scope.column(chosen)
        pairs = [next(iter(value.columns), None) for value in (one, other)]
        if None in pairs or not all(self.scope.is_object(*pair) for pair in pairs if pair is not None):
            return
        node = exp.EQ(this=link.copy(), expression=chosen.copy())
        self.plan.terms.append(Term(operators.compare("=", one, other), node, True, (pairs[0], pairs[1]), None))  # type: ignore[arg-type]

    def _terms(self, piece: Piece, target: list[Term], *, own: bool = False) -> None:
        """Terms of a condition; of ON of a LEFT JOIN, which only names tables of its own query."""
        for node in flattened(piece.node, exp.And):
            self.attempt(piece.part, lambda node=node: target.append(self._term(node, piece, own)))  # type: ignore[misc]

    def _term(self, node: exp.Expression, piece: Piece, own: bool) -> Term:
        scope = self.scope if own else replace(self.scope, queries=self.queries)
        value = _placed(node, lambda: as_condition(translate(node, scope), "this term of the conditions"))
        if own and any(alias not in self.scope.sources for alias, _ in value.columns):
            raise Refused("ON of a LEFT JOIN names tables of its own query only", at=position(node))
        inner = node
        while isinstance(inner, exp.Paren):
            inner = inner.this
        return Term(value, inner, piece.generated, self._link(inner), self._restriction(inner))

    def _link(self, node: exp.Expression) -> tuple[tuple[str, str], tuple[str, str]] | None:
        if not (
            isinstance(node, exp.EQ) and isinstance(node.this, exp.Column) and isinstance(node.expression, exp.Column)
        ):
            return None
        sides = [next(iter(self.scope.column(side).columns), None) for side in (node.this, node.expression)]
        if sides[0] is None or sides[1] is None or sides[0][0] == sides[1][0]:
            return None
        return sides[0], sides[1]

    def _restriction(self, node: exp.Expression) -> tuple[str, tuple[int | str, ...]] | None:
        if isinstance(node, exp.EQ):
            column, given = (node.this, [node.expression])
            if not isinstance(column, exp.Column):
                column, given = node.expression, [node.this]
        elif isinstance(node, exp.In):
            column, given = node.this, node.expressions
        else:
            return None
        if not isinstance(column, exp.Column):
            return None
        read = next(iter(self.scope.column(column).columns), None)
        source = self.scope.sources.get(read[0]) if read is not None else None
        if read is None or source is None or source.table.restricted != read[1]:
            return None
        if any(isinstance(item.unnest(), exp.Subquery) for item in given):
            return None
        constants = [translate(item, self.scope).constant for item in given]
        wanted = str if read[1] == "topic" else int
        if not constants or not all(isinstance(item, wanted) for item in constants):
            return None
        return read[0], tuple(item for item in constants if isinstance(item, int | str))

    def items(self) -> None:
        """The selected expressions."""
        names: list[str] = []
        total = self.place is not None and self.place.total
        self.scope.aggregates = bool(self.statement.group) or total
        for piece in self.statement.items:
            self.attempt(piece.part, lambda piece=piece: self._item(piece, names))  # type: ignore[misc]
        self.scope.aggregates = False
        self.plan.output = tuple(names)
        if any(value.aggregate for value in self.plan.values) and not self.statement.group and self._row_values():
            said = "a query with an aggregate and without GROUP BY selects aggregates only"
            self.statement.refuse(
                Refused(said, at=position(self.statement.items[0].node)), self.statement.items[0].part
            )

    def _row_values(self) -> bool:
        return any(value.columns or not value.aggregate for value in self.plan.values)

    def _item(self, piece: Piece, names: list[str]) -> None:
        node = piece.node
        starred = isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star))
        if starred:
            self._star(node, names)
            return
        alias = node.args["alias"].name if isinstance(node, exp.Alias) else ""
        inner = node.this if isinstance(node, exp.Alias) else node
        if isinstance(node, exp.Alias):
            self._refuse_missing_comma(node, piece.part)
        scope = self.scope if self.scope.aggregates else replace(self.scope, queries=self.queries)
        value = _placed(node, lambda: operators.plain(translate(inner, scope)))
        label = alias or (self._documented(inner) if isinstance(inner, exp.Column) else rendered(inner)[:63])
        self._add(label, value, names, position(node))
        if alias:
            self.named[alias.lower()] = value

    def _refuse_missing_comma(self, node: exp.Alias, part: Part) -> None:
        """`ra decl` would be a value called decl that is the right ascension: AS says that this is meant."""
        alias, at = node.alias, position(node.args["alias"])
        if at is None or (isinstance(node.this, exp.Column) and node.this.name.lower() == alias.lower()):
            return
        if not any(alias.lower() in source.table.columns for source in self.scope.sources.values()):
            return
        before = part.text[: at - part.shift].split()
        if before and before[-1].upper() != "AS":
            raise Refused(
                f"{alias} is a column; is a comma missing before it?",
                suggestion=f"Write AS {alias} if this is the name of the value.",
                at=at,
            )

    def _documented(self, node: exp.Column) -> str:
        alias, column = next(iter(self.scope.column(node).columns))
        source = self.scope.sources.get(alias)
        return source.table.columns[column].documented if source is not None else node.name

    def _add(self, label: str, value: Value, names: list[str], at: int | None) -> None:
        if len(label.encode()) > 63 or label.startswith("$") or not label.isprintable() or not label.strip():
            raise Refused(
                "the name of a selected value has 1 to 63 characters and does not begin with $",
                example="ra AS x",
                at=at,
            )
        if label in OF_MESSAGES:
            raise Refused(
                f"every message has a value {label} of its own.", suggestion="Give it another name: x AS y.", at=at
            )
        if label.lower() in (known.lower() for known in names):
            raise Refused(
                f"two selected values are called {label}.", suggestion="Give one another name: x AS y.", at=at
            )
        if len(names) >= MAX_OUTPUT:
            raise Refused(f"a filter may select {MAX_OUTPUT} values", at=at)
        names.append(label)
        self.plan.values.append(value)

    def _star(self, node: exp.Expression, names: list[str]) -> None:
        if isinstance(node, exp.Star) and any(value for value in node.args.values()):
            raise Refused("nothing may follow *", at=position(node))
        wanted = self.scope.table_named(node.table) if isinstance(node, exp.Column) else ""
        if wanted and wanted not in self.scope.sources:
            raise Refused(f"the query has no table {wanted}", at=position(node))
        for source in self.scope.sources.values():
            for column in source.table.columns.values() if wanted in ("", source.alias) else ():
                if column.documented.lower() not in (known.lower() for known in names):
                    value = self.scope.column(exp.column(column.name, table=source.alias))
                    self._add(column.documented, operators.plain(value), names, position(node))

    def groups(self) -> None:
        """GROUP BY and HAVING."""
        statement, plan = self.statement, self.plan
        plan.grouped = bool(statement.group)
        scope = replace(self.scope, names=self.named)
        for piece in statement.group:
            self.attempt(piece.part, lambda piece=piece: self._grouped(piece, scope))  # type: ignore[misc]
        if statement.having is None:
            return
        scope = replace(self.scope, names=self.named, aggregates=plan.grouped)
        for node in flattened(statement.having.node, exp.And):
            self.attempt(statement.having.part, lambda node=node: self._having(node, scope))  # type: ignore[misc]

    def _grouped(self, piece: Piece, scope: Scope) -> None:
        value = self._numbered(piece.node, scope)
        if value.aggregate:
            raise Refused("GROUP BY is by values of rows, not by an aggregate", at=position(piece.node))
        if value.columns:  # a constant defines no groups, and engines refuse some
            self.plan.groups.append(value)

    def _having(self, node: exp.Expression, scope: Scope) -> None:
        value = _placed(node, lambda: as_condition(translate(node, scope), "this term of HAVING"))
        if self.plan.grouped:
            self.plan.having.append(value)
            self.plan.having_terms.append(node)
        else:
            self.plan.terms.append(Term(value, node, False, None, None))

    def _numbered(self, node: exp.Expression, scope: Scope) -> Value:
        if isinstance(node, exp.Literal) and not node.args["is_string"] and node.this.isdigit():
            if not 1 <= int(node.this) <= len(self.plan.values):
                raise Refused(f"there is no selected value number {node.this[:10]}", at=position(node))
            return self.plan.values[int(node.this) - 1]
        return _placed(node, lambda: operators.plain(translate(node, scope)))

    def order(self) -> None:
        """ORDER BY."""
        scope = replace(self.scope, names=self.named, aggregates=self.plan.grouped)
        for piece in self.statement.order:
            self.attempt(piece.part, lambda piece=piece: self._ordered(piece, scope))  # type: ignore[misc]

    def _ordered(self, piece: Piece, scope: Scope) -> None:
        node = piece.node
        if not isinstance(node, exp.Ordered) or node.args.get("with_fill"):
            raise Refused("ORDER BY is followed by values, each with ASC or DESC", at=position(node))
        value = self._numbered(node.this, scope)
        if self.plan.distinct and value.duckdb not in (item.duckdb for item in self.plan.values):
            raise Refused("with DISTINCT a filter is ordered by what it selects", at=position(node))
        if not value.columns and not value.aggregate:
            return  # a constant orders nothing, and DuckDB refuses some
        self.plan.order.append((value, bool(node.args.get("desc")), bool(node.args.get("nulls_first"))))


def _placed(node: exp.Expression, action: Callable[[], Value]) -> Value:
    try:
        return action()
    except Refused as problem:
        if problem.at is None:
            problem.at = position(node)
        raise
