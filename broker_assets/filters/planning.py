"""Build the plan of a filter from its parts, noting everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from broker_assets.filters import operators
from broker_assets.filters.errors import Refused
from broker_assets.filters.expressions import flattened, translate
from broker_assets.filters.grammar import position, rendered
from broker_assets.filters.plan import GROUPS, HAVING, MAX_OUTPUT, OBJECT_COLUMN, Condition, Plan, Term
from broker_assets.filters.schema import BASE, NOW, Kind
from broker_assets.filters.scope import Scope, Source
from broker_assets.filters.statement import Joined, Part, Piece, Statement
from broker_assets.filters.values import Value, as_condition
from broker_assets.filters.values import name as quoted_name


def planned(statement: Statement) -> Plan:
    """Translate a filter; what is wrong with it is added to its problems."""
    plan = Plan(
        distinct=statement.distinct, restricted={"watchlist_hits": set(), "area_hits": set(), "annotations": set()}
    )
    if statement.problems:
        return plan
    plan.sources = [joined.source for joined in statement.sources]
    plan.base = next(source.alias for source in plan.sources if source.table.name == BASE)
    scope = Scope({source.alias: source for source in plan.sources}, plan.base, used=plan.used)
    builder = _Builder(statement, plan, scope)
    builder.conditions()
    builder.items()
    if not statement.problems:  # names of what is selected may be missing
        builder.groups()
        builder.order()
    if not statement.problems:
        builder.check_lists()
        builder.check_joins()
    if not statement.problems:
        builder.check_groups()
        plan.clauses = builder.clauses()
    return plan


class _Builder:
    """One pass over the parts of a statement."""

    def __init__(self, statement: Statement, plan: Plan, scope: Scope) -> None:
        self.statement, self.plan, self.scope = statement, plan, scope
        self.named: dict[str, Value] = {}
        self.ordered_by: list[Value] = []

    def attempt(self, part: Part, action: Callable[[], None]) -> None:
        """Note what is wrong instead of ending."""
        try:
            action()
        except Refused as problem:
            self.statement.refuse(problem, part)

    def conditions(self) -> None:
        """Terms of WHERE and ON."""
        for joined in self.statement.sources:
            if joined.left:
                self.plan.left[joined.source.alias] = []
            if joined.on is not None:
                target = self.plan.left[joined.source.alias] if joined.left else self.plan.terms
                self._terms(joined.on, target)
        for piece in self.statement.conditions:
            self._terms(piece, self.plan.terms)

    def _terms(self, piece: Piece, target: list[Term]) -> None:
        for node in flattened(piece.node, exp.And):
            self.attempt(piece.part, lambda node=node: target.append(self._term(node, piece)))  # type: ignore[misc]

    def _term(self, node: exp.Expression, piece: Piece) -> Term:
        value = _placed(node, lambda: as_condition(translate(node, self.scope), "this term of the conditions"))
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
        if read is None or self.scope.sources[read[0]].table.restricted != read[1]:
            return None
        constants = [translate(item, self.scope).constant for item in given]
        wanted = str if read[1] == "topic" else int
        if not constants or not all(isinstance(item, wanted) for item in constants):
            return None
        return read[0], tuple(item for item in constants if isinstance(item, int | str))

    def items(self) -> None:
        """What is selected."""
        names: list[str] = []
        self.scope.aggregates = bool(self.statement.group)
        for piece in self.statement.items:
            self.attempt(piece.part, lambda piece=piece: self._item(piece, names))  # type: ignore[misc]
        self.scope.aggregates = False
        self.plan.output = tuple(names)

    def _item(self, piece: Piece, names: list[str]) -> None:
        node = piece.node
        starred = isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star))
        if starred:
            self._star(node, names)
            return
        alias = node.args["alias"].name if isinstance(node, exp.Alias) else ""
        inner = node.this if isinstance(node, exp.Alias) else node
        value = _placed(node, lambda: operators.plain(translate(inner, self.scope)))
        label = alias or (self._documented(inner) if isinstance(inner, exp.Column) else rendered(inner)[:63])
        self._add(label, value, names, position(node))
        if alias:
            self.named[alias.lower()] = value

    def _documented(self, node: exp.Column) -> str:
        alias, column = next(iter(self.scope.column(node).columns))
        return self.scope.sources[alias].table.columns[column].documented

    def _add(self, label: str, value: Value, names: list[str], at: int | None) -> None:
        if len(label.encode()) > 63 or label.startswith("$") or not label.isprintable() or not label.strip():
            raise Refused(
                "the name of a selected value has 1 to 63 characters and does not begin with $",
                example="ra AS x",
                at=at,
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
            raise Refused("* is followed by nothing else", at=position(node))
        wanted = node.table.lower() if isinstance(node, exp.Column) else ""
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
        scope = Scope(self.scope.sources, self.scope.base, self.named, used=plan.used)
        for piece in statement.group:
            self.attempt(piece.part, lambda piece=piece: self._grouped(piece, scope))  # type: ignore[misc]
        if statement.having is None:
            return
        scope = Scope(self.scope.sources, self.scope.base, self.named, aggregates=plan.grouped, used=plan.used)
        for node in flattened(statement.having.node, exp.And):
            self.attempt(statement.having.part, lambda node=node: self._having(node, scope))  # type: ignore[misc]

    def _grouped(self, piece: Piece, scope: Scope) -> None:
        value = self._numbered(piece.node, scope)
        if value.aggregate:
            raise Refused("GROUP BY is by values of rows, not by an aggregate", at=position(piece.node))
        if value.columns:  # a constant makes no groups, and engines refuse some
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
        scope = Scope(
            self.scope.sources, self.scope.base, self.named, aggregates=self.plan.grouped, used=self.plan.used
        )
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

    def check_lists(self) -> None:
        """Every use of a table of lists names the lists."""
        for joined in self.statement.sources:
            table = joined.source.table
            if not table.restricted:
                continue
            terms = self.plan.left.get(joined.source.alias, self.plan.terms)
            found = [term.restricts[1] for term in terms if term.restricts and term.restricts[0] == joined.source.alias]
            if not found:
                value = "'fink'" if table.restricted == "topic" else "7"
                example = f"{joined.source.alias}.{table.restricted} = {value}"
                where = "ON" if joined.left else "the conditions"
                said = f"{table.name} must be restricted to named ones, by a term of {where} of its own"
                self.statement.refuse(Refused(said, example=example, at=joined.at), joined.part)
            for values in found:
                self.plan.restricted[table.name].update(values)

    def check_joins(self) -> None:
        """Every table is joined to the others by equal columns."""
        reached = {self.plan.base}
        links = [
            (one[0], other[0])
            for terms in (self.plan.terms, *self.plan.left.values())
            for term in terms
            if term.link is not None
            for one, other in (term.link, term.link[::-1])
        ]
        for _ in self.plan.sources:
            reached |= {other for one, other in links if one in reached}
        for joined in self.statement.sources:
            if joined.source.alias not in reached:
                self._unjoined(joined)

    def _unjoined(self, joined: Joined) -> None:
        alias = joined.source.alias
        example = f"{self.plan.base}.diaObjectId = {alias}.diaObjectId"
        self.statement.refuse(
            Refused(f"{alias} is not joined to {self.plan.base} by equal columns", example=example, at=joined.at),
            joined.part,
        )

    def check_groups(self) -> None:
        """What is selected, sorted or tested in a grouped filter has one value for each group."""
        plan = self.plan
        if not plan.grouped:
            return
        grouped = {next(iter(value.columns)) for value in plan.groups if len(value.columns) == 1}
        texts = {value.duckdb for value in plan.groups}
        for value in [*plan.values, *plan.having, *(value for value, _, _ in plan.order)]:
            if value.duckdb in texts:
                continue
            for alias, column in sorted(value.columns - grouped):
                source = self.scope.sources[alias]
                if column == NOW or (alias, column) == (plan.base, OBJECT_COLUMN):
                    continue
                if source.table.single:
                    read = self.scope.column(exp.column(column, table=alias))
                    plan.groups.append(read)
                    grouped.add((alias, column))
                    continue
                said = f"{alias}.{source.table.columns[column].documented} has several values in a group"
                part = self.statement.items[0].part if self.statement.items else Part("", self.statement.text)
                self.statement.refuse(Refused(said, example=f"min({alias}.{column})", at=part.shift), part)
                return

    def clauses(self) -> list[Condition]:
        """The conditions of a row, generated ones first."""
        plan, found = self.plan, []
        for source in plan.sources:
            if source.alias == plan.base or source.alias in plan.left:
                continue
            column = next(
                side[1] for term in plan.terms if term.link is not None for side in term.link if side[0] == source.alias
            )
            present = operators.opposite(operators.is_null(self.scope.column(exp.column(column, table=source.alias))))
            found.append(Condition(self._meaning(source), present, (), (), True))
        for term in plan.terms:
            if plan._attached(term):
                continue
            columns = tuple(sorted(pair for pair in term.value.columns if pair[1] != NOW))
            names = tuple(
                f"{alias}.{self.scope.sources[alias].table.columns[column].documented}" for alias, column in columns
            )
            found.append(Condition(term.node, term.value, columns, names, term.generated))
        for number, node in enumerate(plan.having_terms):
            truth = f"{GROUPS}.{quoted_name(HAVING.format(number))}"
            found.append(Condition(node, Value(Kind.BOOLEAN, truth, truth), (), (), False))
        return found

    def _meaning(self, source: Source) -> str:
        values = [
            str(value)
            for term in self.plan.terms
            if term.restricts and term.restricts[0] == source.alias
            for value in term.restricts[1]
        ]
        listed = " or ".join(values)
        return {
            "watchlist_hits": f"is in watchlist {listed}",
            "area_hits": f"is in area {listed}",
            "annotations": f"has an annotation of {listed}",
        }.get(source.table.name, f"has a row in {source.alias}")


def _placed(node: exp.Expression, action: Callable[[], Value]) -> Value:
    try:
        return action()
    except Refused as problem:
        if problem.at is None:
            problem.at = position(node)
        raise
