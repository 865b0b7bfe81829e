"""Checks a filter, and provides the result: its tables, its columns, and its SQL for both engines.

`check` accepts Lasair's form or one SELECT. The parts of a form are parsed separately and joined as trees: the user's
conditions are one expression, which no OR can break up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from sqlglot import exp

from broker_assets.filters.errors import FilterError, Problem, Refused
from broker_assets.filters.expressions import CLOCK
from broker_assets.filters.form import Form
from broker_assets.filters.grammar import parse
from broker_assets.filters.nested import NestedQueries
from broker_assets.filters.plan import Plan
from broker_assets.filters.planning import planned
from broker_assets.filters.schema import BASE, NOW, OBJECT_COLUMN, DerivedTable
from broker_assets.filters.statement import Part, Statement, from_form, from_select, limit_depth

__all__ = ["CheckedQuery", "Clause", "FilterError", "Form", "Problem", "check"]

Engine = Literal["duckdb", "postgres"]

_NOW_POSTGRES = "((extract(epoch FROM statement_timestamp()) + 37) / 86400 + 40587)::float8"
"""MJD TAI of the clock of PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One of the conditions, all of which a row must meet."""

    text: str
    """SQL, or the meaning of a generated condition: `is in watchlist 3`."""
    columns: tuple[str, ...]
    """Columns of the result of `clause_query` with the values that it names, e.g. `objects.nDiaSources`."""
    generated: bool = False
    """Whether it comes from the tables of the form or from a join, not from the conditions."""


@dataclass(frozen=True, slots=True)
class CheckedQuery:
    """A filter that has been accepted."""

    text: str
    """The SELECT, or that of the form, as readable text."""
    tables: frozenset[str]
    """Published tables that it reads."""
    columns: Mapping[str, frozenset[str]]
    """Columns that it reads (SQL names), by table; the hidden columns of the batch engine are not in it."""
    watchlists: frozenset[int]
    areas: frozenset[int]
    annotators: frozenset[str]
    output: tuple[str, ...]
    """Names of the columns of the result, in the order of the user; they follow the hidden ones."""
    uses_now: bool
    """Whether it uses `mjdnow()` or `now()`, so that a result over all objects depends on the clock."""
    plan: Plan
    """The translation."""
    parts: Mapping[str, CheckedQuery] = field(default_factory=dict)
    """The SELECTs over the objects in WITH, FROM and UNION, by a readable name; each has its own clauses."""

    @property
    def key(self) -> exp.Select | exp.Union:
        """The tree of `text`, as sqlglot parses it."""
        return parse(self.text)

    def duckdb(self, limit: int | None = None) -> str:
        """SQL for the batch engine.

        Parameters
        ----------
        limit : int, optional
            Most rows.

        Returns
        -------
        str
            A query over the tables in `tables`. Its first two columns are `"$diaobjectid"` and `"$diasourceid"`, the
            alert; those of `output` follow.
        """
        return self.plan.query("duckdb", self.plan.keys("duckdb"), limit)

    def postgres(self, limit: int | None = None, *, now: float | None = None, among: str = "") -> str:
        """SQL for all objects as they are now.

        Parameters
        ----------
        limit : int, optional
            Most rows.
        now : float, optional
            Value of `mjdnow()`, MJD TAI; default: the clock of the server.
        among : str
            An SQL expression for an array of `diaobjectid`, to which the result is restricted, such as a placeholder
            `%(objects)s`. Every other `%` in the text is then doubled, as psycopg requires.

        Returns
        -------
        str
            A query whose first column is `"$diaobjectid"`; those of `output` follow.
        """
        return self._clock(self.plan.query("postgres", self.plan.keys("postgres"), limit, among=among), now)

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """Conditions of a row: joins and lists first, then the AND-terms of the conditions, then those of HAVING."""
        return tuple(Clause(item.text, item.names, item.generated) for item in self.plan.clauses)

    def clause_query(self, engine: Engine, *, now: float | None = None, among: str = "") -> str:
        """SQL with one row per candidate: whether it meets each clause, and the values that the clauses name.

        Parameters
        ----------
        engine : str
            `duckdb` or `postgres`.
        now, among
            See `postgres`; for PostgreSQL only.

        Returns
        -------
        str
            A query with the hidden columns of the engine; a boolean `"$clause0"`, `"$clause1"` … for each of `clauses`;
            and the columns that they name, once each. Without a join an object is one candidate; an object with several
            rows in a joined table is one for each. A clause of HAVING names no columns; it is true if it holds for one
            of the object's groups of rows that meet the conditions.
        """
        return self._clock(self.plan.clause_query(engine, among=among), now)

    @staticmethod
    def _clock(sql: str, now: float | None) -> str:
        return sql.replace(CLOCK, _NOW_POSTGRES if now is None else f"'{now!r}'::float8")


def check(form: Form | str) -> CheckedQuery:
    """Check a filter.

    Parameters
    ----------
    form : Form or str
        Lasair's form, or one SELECT.

    Returns
    -------
    CheckedQuery
        The filter, for both engines.

    Raises
    ------
    FilterError
        If anything is wrong with it; `problems` has everything that was found.

    Examples
    --------
    >>> query = check("SELECT diaObjectId, flux2mag(g_psfFlux) AS gmag FROM objects WHERE nDiaSources > 3")
    >>> query.output
    ('diaObjectId', 'gmag')
    >>> check(Form("objects.diaObjectId", "objects, watchlist:3", "nDiaSources > 3 OR ra > 9")).clauses[0].text
    'is in watchlist 3'
    """
    queries = NestedQueries()
    statement = from_form(form) if isinstance(form, Form) else _read(form, queries)
    plan = planned(statement, queries)
    if not statement.problems:
        queries.check_used(statement, Part("", form if isinstance(form, str) else ""))
    if statement.problems:
        raise FilterError(sorted(statement.problems, key=lambda item: (item.part, item.line, item.column)))
    parts = {item.name: _checked(item.text, item.plan, {}) for item in queries.over_objects}
    return _checked(statement.text, plan, parts)


def _read(text: str, queries: NestedQueries) -> Statement:
    """Read a filter in SQL; anything wrong with it is in `problems`."""
    part = Part("", text)
    said = text.strip().rstrip(";").rstrip()
    try:
        tree = parse(text)
        ctes = tree.args.get("with_")
        if ctes is not None:
            limit_depth(tree)
            queries.define(ctes)
            tree.set("with_", None)
        if isinstance(tree, exp.Union):
            limit_depth(tree)
            statement = queries.union(tree, part, said)
        else:
            statement = from_select(tree, part, said, queries)
    except Refused as problem:
        statement = Statement("")
        statement.refuse(problem, part)
    return statement


def _checked(text: str, plan: Plan, parts: Mapping[str, CheckedQuery]) -> CheckedQuery:
    by_table: dict[str, set[str]] = {BASE: {OBJECT_COLUMN}}
    restricted: dict[str, set[int | str]] = {}
    for item in plan.every():
        for source in item.sources:
            if not isinstance(source.table, DerivedTable):
                by_table.setdefault(source.table.name, set())
        for alias, column in item.used:
            table = item.table(alias)
            if column != NOW and not isinstance(table, DerivedTable):
                by_table[table.name].add(column)
        for name, found in item.restricted.items():
            restricted.setdefault(name, set()).update(found)
    return CheckedQuery(
        text=text,
        tables=frozenset(by_table),
        columns=MappingProxyType({table: frozenset(columns) for table, columns in by_table.items()}),
        watchlists=frozenset(item for item in restricted["watchlist_hits"] if isinstance(item, int)),
        areas=frozenset(item for item in restricted["area_hits"] if isinstance(item, int)),
        annotators=frozenset(item for item in restricted["annotations"] if isinstance(item, str)),
        output=plan.output,
        uses_now=any(column == NOW for item in plan.every() for _, column in item.used),
        plan=plan,
        parts=MappingProxyType(dict(parts)),
    )
