"""What a user's query asks of the tables of points, so that no more of the cold store is read than it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
import sqlglot
from sqlglot import exp

from broker_assets.database.border import TIME, Conditions, Operator, Test
from broker_assets.database.tables import diaforcedsources, diasources

TABLES: Final[Mapping[str, sa.Table]] = {table.name: table for table in (diasources, diaforcedsources)}
_BOUND: Final = re.compile(r"(?<!%)%\(\w+\)s")
_COLUMNS: Final = frozenset({"diaobjectid", TIME, "diasourceid", "diaforcedsourceid"})
_OPERATORS: Final[Mapping[type[exp.Expression], tuple[Operator, Operator]]] = {
    exp.EQ: ("=", "="),
    exp.LT: ("<", ">="),
    exp.LTE: ("<=", ">="),
    exp.GT: (">=", "<"),
    exp.GTE: (">=", "<="),
}
"""As it is written, and with the sides exchanged; what is not exact asks for more rows and not for fewer."""


def asked(statement: str) -> dict[sa.Table, Conditions]:
    """Tables of points in a statement of PostgreSQL, and what the rows that it needs of them fulfil.

    Parameters
    ----------
    statement : str
        As translated; it may have placeholders.

    Returns
    -------
    dict
        Conditions are empty where nothing is known: every row may be needed.

    Examples
    --------
    >>> found = asked("SELECT psfflux FROM diasources WHERE diaobjectid = 7 AND midpointmjdtai > 60000.5")
    >>> found[diasources]
    [[('diaobjectid', '=', 7)], [('midpointmjdtai', '>=', 60000.5)]]
    """
    if not any(name in statement.lower() for name in TABLES):
        return {}
    # Values that are bound elsewhere are nothing to go by.
    tree = sqlglot.parse_one(_BOUND.sub("NULL", statement).replace("%%", "%"), read="postgres")
    found: dict[sa.Table, Conditions] = {}
    uses = [table for table in tree.find_all(exp.Table) if table.name.lower() in TABLES]
    for table in uses:
        target = TABLES[table.name.lower()]
        alone = sum(other.name.lower() == target.name for other in uses) == 1
        found[target] = _of_use(table) if alone else []
    return found


def _of_use(table: exp.Table) -> Conditions:
    select = table.find_ancestor(exp.Select)
    where = select.args.get("where") if select is not None else None
    if select is None or where is None:
        return []
    only = len(list(select.find_all(exp.Table))) == 1
    found: list[list[Test]] = []
    for term in _terms(where.this):
        found += [[test] for test in _tests(term, table.alias_or_name.lower(), only=only)]
    return found


def _terms(condition: Any) -> list[Any]:
    condition = condition.unnest()
    return [*_terms(condition.left), *_terms(condition.right)] if isinstance(condition, exp.And) else [condition]


def _tests(term: Any, alias: str, *, only: bool) -> list[Test]:
    def column(side: Any) -> str | None:
        if not isinstance(side, exp.Column) or side.name.lower() not in _COLUMNS:
            return None
        return side.name.lower() if side.table.lower() == alias or (not side.table and only) else None

    if isinstance(term, exp.Between) and (name := column(term.this)):
        low, high = _number(term.args["low"], name), _number(term.args["high"], name)
        return [(name, ">=", low), (name, "<=", high)] if low is not None and high is not None else []
    if isinstance(term, exp.In) and (name := column(term.this)) and term.expressions:
        values = [_number(item, name) for item in term.expressions]
        return [] if None in values else [(name, "in", values)]
    for kind, (written, exchanged) in _OPERATORS.items():
        if type(term) is kind:
            left, right = term.args["this"], term.args["expression"]
            for side, other, operator in ((left, right, written), (right, left, exchanged)):
                name, value = column(side), None
                if name:
                    value = _number(other, name)
                if name and value is not None:
                    # `c < n` with the sides exchanged is `n > c`: the bound itself is asked for as well.
                    exact: Operator = "<=" if operator == "<" else operator
                    return [(name, exact, value)]
    return []


def _number(value: Any, column: str) -> float | int | None:
    """A literal as a number of the column's kind; None if it is something else."""
    if isinstance(value, exp.Cast | exp.Paren):
        return _number(value.this, column)
    if isinstance(value, exp.Neg):
        inner = _number(value.this, column)
        return None if inner is None else -inner
    if not isinstance(value, exp.Literal):
        return None
    try:
        number = float(value.this)
    except ValueError:
        return None
    if column == TIME:
        return number
    return int(value.this) if str(value.this).lstrip("+-").isdigit() else None
