"""The conditions of a filter one by one, as in its explanation."""

from __future__ import annotations

from sqlglot import exp

from broker_assets.filters import operators
from broker_assets.filters.plan import GROUPS, HAVING, UNION, Condition, Plan
from broker_assets.filters.schema import NOW, OBJECT, DerivedTable, Kind
from broker_assets.filters.scope import Scope, Source
from broker_assets.filters.values import Value
from broker_assets.filters.values import name as quoted_name


def conditions_of(plan: Plan, scope: Scope) -> list[Condition]:
    """The conditions of a row, generated ones first."""
    found = []
    if isinstance(plan.table(plan.base), DerivedTable):
        column = f"{quoted_name(plan.base)}.{quoted_name(OBJECT)} IS NOT NULL"
        said = "is in one of the SELECTs of UNION" if plan.base == UNION else f"is in {plan.base}"
        found.append(Condition(said, Value(Kind.BOOLEAN, column, column), (), (), True))
    for source in plan.sources:
        if source.alias == plan.base or source.alias in plan.left:
            continue
        column = next(
            side[1] for term in plan.terms if term.link is not None for side in term.link if side[0] == source.alias
        )
        present = operators.opposite(operators.is_null(scope.column(exp.column(column, table=source.alias))))
        found.append(Condition(_meaning(plan, source), present, (), (), True))
    for term in plan.terms:
        if plan._attached(term):
            continue
        columns = tuple(sorted(pair for pair in term.value.columns if pair[1] != NOW))
        names = tuple(f"{alias}.{scope.sources[alias].table.columns[column].documented}" for alias, column in columns)
        found.append(Condition(term.node, term.value, columns, names, term.generated))
    for number, node in enumerate(plan.having_terms):
        truth = f"{GROUPS}.{quoted_name(HAVING.format(number))}"
        found.append(Condition(node, Value(Kind.BOOLEAN, truth, truth), (), (), False))
    return found


def _meaning(plan: Plan, source: Source) -> str:
    values = [
        str(value)
        for term in plan.terms
        if term.restricts and term.restricts[0] == source.alias
        for value in term.restricts[1]
    ]
    listed = " or ".join(values)
    return {
        "watchlist_hits": f"is in watchlist {listed}",
        "area_hits": f"is in area {listed}",
        "annotations": f"has an annotation of {listed}",
    }.get(source.table.name, f"has a row in {source.alias}")
