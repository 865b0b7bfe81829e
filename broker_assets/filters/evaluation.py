"""Runs all filters over a batch: those that read the same tables in shared passes, the others one by one.

Most of the cost of a statement is planning. Filters that join the same tables therefore become truth columns of one
statement, together with the values that they select; if they read only `objects` and select plain columns, the values
are taken from the Arrow table. Filters with groups, outer joins or an order run alone. A filter on a list or annotator
that no alert of the batch has is not run at all.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.filters.engine.sandbox import STARVED, EngineError, Outcome, Sandbox
from broker_assets.filters.query import CheckedQuery
from broker_assets.filters.schema import ALERT, BASE, OBJECT, DerivedTable, Kind
from broker_assets.filters.values import Value, name

SHARED: Final = 50
"""Most filters in one statement."""

_RESTRICTED: Final = {"watchlist_hits": "wl_id", "area_hits": "ar_id", "annotations": "topic"}


@dataclass(frozen=True)
class Matches:
    """The result of a filter over the alerts of a batch."""

    alerts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """(n,) `diasourceid` of the alerts that passed, ascending."""
    rows: tuple[str, ...] = ()
    """The first row of the result for each alert, as a JSON object."""
    numbers: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    """(n,) number of rows of the result for the alert."""
    beyond: tuple[int, ...] = ()
    """Alerts that passed but whose rows exceed what one statement may return."""
    seconds: float | None = None
    """Time, if it ran by itself."""
    problem: str | None = None
    """See `engine.sandbox`."""
    message: str = ""


def evaluate(sandbox: Sandbox, tables: Mapping[str, pa.Table], queries: Sequence[CheckedQuery]) -> list[Matches]:
    """Run filters over the tables of a batch.

    Parameters
    ----------
    sandbox : Sandbox
        Sandbox in which statements run; it is locked until all have run.
    tables : mapping of str to pyarrow.Table
        See `batch_tables.BatchTables.at`; `objects` has one row for each alert.
    queries : sequence of CheckedQuery
        The filters.

    Returns
    -------
    list of Matches
        One for each filter.
    """
    found: dict[int, Matches] = {}
    waiting: list[int] = []
    shared: dict[tuple[object, ...], list[int]] = {}
    for number, query in enumerate(queries):
        if not tables[BASE].num_rows or _cannot_match(query, tables):
            found[number] = Matches()
        elif can_share(query):
            shared.setdefault(_pass_of(query), []).append(number)
        else:
            waiting.append(number)
    if not shared and not waiting:
        return [found[number] for number in range(len(queries))]
    groups = [
        numbers[begin : begin + SHARED] for numbers in shared.values() for begin in range(0, len(numbers), SHARED)
    ]
    with sandbox.lock:
        try:
            sandbox.load(tables)
            waiting += _run_shared(sandbox, tables[BASE], queries, groups, found)
            statements = [queries[number].duckdb() for number in waiting]
            for number, outcome in zip(waiting, sandbox.run(statements), strict=True):
                found[number] = _matches(queries[number], outcome)
        except EngineError as error:
            for number in range(len(queries)):
                found.setdefault(number, Matches(problem=STARVED, message=str(error)))
    return [found[number] for number in range(len(queries))]


def can_share(query: CheckedQuery) -> bool:
    """Whether each row of a filter's result follows from one row of its joined tables, in any order."""
    plan = query.plan
    return not (plan.has_queries or plan.left or plan.grouped or plan.distinct or plan.having or plan.order)


def _pass_of(query: CheckedQuery) -> tuple[object, ...]:
    """Key of filters that run in one statement: the tables with their aliases, and whether values are plain."""
    sources = tuple(sorted((source.alias, source.table.name) for source in query.plan.sources))
    return (query.plan.base, *sources, _is_plain(query))


def _is_plain(query: CheckedQuery) -> bool:
    """Whether a filter over `objects` selects only unchanged columns."""
    return len(query.plan.sources) == 1 and all(_plain(value) for value in query.plan.values)


def _cannot_match(query: CheckedQuery, tables: Mapping[str, pa.Table]) -> bool:
    """Whether no alert has what a filter requires of a joined table."""
    plan = query.plan
    for source in plan.sources:
        if source.alias in plan.left or source.alias == plan.base or isinstance(source.table, DerivedTable):
            continue
        table = tables[source.table.name]
        if not table.num_rows:
            return True
        column = _RESTRICTED.get(source.table.name)
        if column is None:
            continue
        present = set(pc.unique(table[column]).to_pylist())
        for term in plan.terms:
            if term.restricts and term.restricts[0] == source.alias and not present & set(term.restricts[1]):
                return True
    return False


def _run_shared(
    sandbox: Sandbox,
    objects: pa.Table,
    queries: Sequence[CheckedQuery],
    groups: Sequence[Sequence[int]],
    found: dict[int, Matches],
) -> list[int]:
    """Run groups of filters that share a pass; return those that need a statement of their own."""
    alone: list[int] = []
    outcomes = sandbox.run([_shared_statement([queries[number] for number in group]) for group in groups])
    alerts = objects[ALERT].to_numpy()
    order = np.argsort(alerts, kind="stable")
    for group, outcome in zip(groups, outcomes, strict=True):
        if outcome.problem == STARVED:
            found |= {number: Matches(problem=STARVED, message=outcome.message) for number in group}
            continue
        if outcome.rows is None or outcome.beyond:
            alone += group  # one of them may be at fault: run each by itself
            continue
        rows = outcome.rows
        place = order[np.searchsorted(alerts[order], rows[ALERT].to_numpy())]
        for number_in_group, number in enumerate(group):
            query = queries[number]
            truth = pc.fill_null(rows[f"$truth{number_in_group}"], False).to_numpy()
            if not truth.any():
                found[number] = Matches()
            elif _is_plain(query):
                found[number] = _taken(query, objects, np.sort(place[truth]))
            else:
                names = [f"$value{number_in_group}_{column}" for column in range(len(query.output))]
                chosen = rows.select([ALERT, *names]).filter(pa.array(truth))
                found[number] = _grouped(query, chosen.rename_columns([ALERT, *query.output]), ())
    return alone


def _shared_statement(queries: Sequence[CheckedQuery]) -> str:
    """One statement for filters with equal `_pass_of`."""
    plan = queries[0].plan
    base = name(plan.base)
    columns = [f"{base}.{name(ALERT)} AS {name(ALERT)}"]
    truths = []
    for place, query in enumerate(queries):
        truths.append(f"({' AND '.join(term.value.duckdb for term in query.plan.terms) or 'TRUE'})")
        columns.append(f"{truths[-1]} AS {name(f'$truth{place}')}")
    where = ""
    if not _is_plain(queries[0]):
        where = f" WHERE {' OR '.join(truths)}"  # without values, it would cost more than it saves
        for place, query in enumerate(queries):
            values = query.plan.values
            columns += [f"{value.duckdb} AS {name(f'$value{place}_{column}')}" for column, value in enumerate(values)]
    tables = f"{BASE} AS {base}"
    for source in plan.sources:
        if source.alias != plan.base:
            same = f"{name(source.alias)}.{name(ALERT)} = {base}.{name(ALERT)}"
            tables += f" JOIN {source.table.name} AS {name(source.alias)} ON {same}"
    return f"SELECT {', '.join(columns)} FROM {tables}{where}"  # noqa: S608 - of checked parts


def _plain(value: Value) -> bool:
    """Whether a value is an unchanged column; JSON writes integers and numbers of all sizes in the same way."""
    if len(value.columns) != 1 or value.kind not in (Kind.INTEGER, Kind.REAL, Kind.TEXT, Kind.BOOLEAN):
        return False
    (alias, column) = next(iter(value.columns))
    stored = f"{name(alias)}.{name(column)}"
    return value.duckdb in (stored, f"CAST({stored} AS DOUBLE)", f"CAST({stored} AS BIGINT)")


def _taken(query: CheckedQuery, objects: pa.Table, at: NDArray[np.int64]) -> Matches:
    """The matches of a filter that selects plain columns."""
    rows = objects.take(pa.array(at))
    columns = [rows[next(iter(value.columns))[1]] for value in query.plan.values]
    table = pa.Table.from_arrays([rows[ALERT], *columns], names=[ALERT, *query.output])
    return _grouped(query, table, ())


def _matches(query: CheckedQuery, outcome: Outcome) -> Matches:
    if outcome.rows is None:
        return Matches(seconds=outcome.seconds, problem=outcome.problem, message=outcome.message)
    grouped = _grouped(query, outcome.rows.drop_columns([OBJECT]), outcome.beyond)
    return Matches(grouped.alerts, grouped.rows, grouped.numbers, grouped.beyond, outcome.seconds)


def _grouped(query: CheckedQuery, rows: pa.Table, beyond: tuple[int, ...]) -> Matches:
    """Rows of a result by alert.

    The first row of an alert is that in the user's order; without an order it is the smallest as text, so that it does
    not depend on how the engine joins.
    """
    alerts = rows[ALERT].to_numpy()
    texts = np.array(row_texts(rows.drop_columns([ALERT]), query.output), object)
    order = np.argsort(alerts, kind="stable") if query.plan.order else np.lexsort((texts.astype(str), alerts))
    known, first, numbers = np.unique(alerts[order], return_index=True, return_counts=True)
    chosen = texts[order][first]
    left = tuple(sorted(set(beyond) - set(known.tolist())))
    return Matches(known.astype(np.int64), tuple(chosen.tolist()), numbers.astype(np.int32), left)


def row_texts(rows: pa.Table, names: Sequence[str]) -> list[str]:
    """Each row as a JSON object with the names in this order.

    Numbers that are not finite are null; 32-bit numbers have the digits that distinguish them, also where the engine
    returns them with 64 bits.

    Examples
    --------
    >>> row_texts(pa.table({"a": [1], "b": [0.30000001192092896]}), ["a", "flux"])
    ['{"a": 1, "flux": 0.3}']
    """
    columns = [_json_values(rows.column(place)) for place in range(len(names))]
    return [
        json.dumps(dict(zip(names, values, strict=True)), ensure_ascii=False, default=_json_value)
        for values in zip(*columns, strict=True)
    ]


def _json_values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_floating(column.type):
        return [json_number(value) for value in column.to_pylist()]
    values: list[Any] = column.to_pylist()
    return values


def json_number(value: float | None) -> float | None:
    """A number for JSON: null if it is not finite, with the digits of a 32-bit float if it is one.

    Examples
    --------
    >>> json_number(float("nan")), json_number(0.10000000149011612), json_number(61000.123456)
    (None, 0.1, 61000.123456)
    """
    if value is None or not math.isfinite(value):
        return None
    with np.errstate(over="ignore"):
        short = np.float32(value)
    return float(str(short)) if float(short) == value else value


def _json_value(value: Any) -> str:
    if isinstance(value, datetime.date | datetime.datetime):
        return value.isoformat()
    return str(value)
