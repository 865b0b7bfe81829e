"""Requirements of a translated query: its lists are named, its tables are joined, its groups have single values.

In the batch engine rows of different alerts are never joined. To get the same rows over all objects, tables must be
joined by equal columns; a nested query must be joined by the object, and so must its tables.
"""

from __future__ import annotations

from sqlglot import exp

from broker_assets.filters.errors import Refused
from broker_assets.filters.grammar import position
from broker_assets.filters.plan import Plan
from broker_assets.filters.schema import NOW, DerivedTable
from broker_assets.filters.scope import Scope, Source
from broker_assets.filters.statement import Joined, Part, Statement


def check_lists(statement: Statement, plan: Plan) -> None:
    """Require that every use of a table of lists names the lists."""
    for joined in statement.sources:
        table = joined.source.table
        if not table.restricted:
            continue
        terms = plan.left.get(joined.source.alias, plan.terms)
        found = [term.restricts[1] for term in terms if term.restricts and term.restricts[0] == joined.source.alias]
        if not found:
            value = "'fink'" if table.restricted == "topic" else "7"
            example = f"{joined.source.alias}.{table.restricted} = {value}"
            where = "ON" if joined.left else "the conditions"
            said = f"{table.name} must be restricted to named ones, by a term of {where} of its own"
            statement.refuse(Refused(said, example=example, at=joined.at), joined.part)
        for values in found:
            plan.restricted[table.name].update(values)


def check_joins(statement: Statement, plan: Plan, scope: Scope, *, nested: bool) -> None:
    """Require that every table is joined to the others, and to the enclosing query, by equal columns."""
    around = scope.outer
    reached = {plan.base if around is None else ""}
    links: list[tuple[str, str, bool]] = []
    for terms in (plan.terms, *plan.left.values()):
        for link in (term.link for term in terms if term.link is not None):
            alike = all(scope.is_object(*side) for side in link)
            names = [alias if alias in scope.sources else "" for alias, _ in link]
            links += [(names[0], names[1], alike), (names[1], names[0], alike)]
    strict = {source.alias for source in plan.sources if _is_strict(source, nested)}
    for _ in (*plan.sources, None):
        reached |= {other for one, other, alike in links if one in reached and (alike or other not in strict)}
    for joined in statement.sources:
        if joined.source.alias not in reached:
            _unjoined(statement, plan, around, joined)


def _is_strict(source: Source, nested: bool) -> bool:
    """Whether a table must be joined by its object, not just by any equal columns."""
    if isinstance(source.table, DerivedTable):
        return True
    return nested and any(column.is_object for column in source.table.columns.values())


def _unjoined(statement: Statement, plan: Plan, around: Scope | None, joined: Joined) -> None:
    alias = joined.source.alias
    other = plan.base if around is None else around.base
    own = next((column for column in joined.source.table.columns.values() if column.is_object), None)
    if own is None and isinstance(joined.source.table, DerivedTable):
        said = f"{alias} is joined by its object, which its query does not select"
        problem = Refused(said, example="(SELECT diaObjectId, … FROM …)", at=joined.at)
    else:
        label = own.documented if own is not None else "diaObjectId"
        said = f"{alias} is not joined to {other} by equal columns"
        problem = Refused(said, example=f"{other}.diaObjectId = {alias}.{label}", at=joined.at)
    statement.refuse(problem, joined.part)


def check_groups(statement: Statement, plan: Plan, scope: Scope) -> None:
    """Require that every selected, sorted or tested expression of a grouped filter has one value for each group."""
    if not plan.grouped:
        return
    grouped = {next(iter(value.columns)) for value in plan.groups if len(value.columns) == 1}
    texts = {value.duckdb for value in plan.groups}
    for value in [*plan.values, *plan.having, *(value for value, _, _ in plan.order)]:
        if value.duckdb in texts:
            continue
        for alias, column in sorted(value.columns - grouped):
            if column == NOW or (alias, column) == (plan.base, plan.object_column):
                continue
            source = scope.sources.get(alias)
            if source is None:
                said = "with GROUP BY a query within a query selects nothing of the query around it"
                at = position(statement.items[0].node)
                statement.refuse(Refused(said, at=at), statement.items[0].part)
                return
            if source.table.single:
                read = scope.column(exp.column(column, table=alias))
                plan.groups.append(read)
                grouped.add((alias, column))
                continue
            said = f"{alias}.{source.table.columns[column].documented} has several values in a group"
            part = statement.items[0].part if statement.items else Part("", statement.text)
            statement.refuse(Refused(said, example=f"min({alias}.{column})", at=part.shift), part)
            return
