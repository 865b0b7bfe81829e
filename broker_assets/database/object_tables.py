"""Objects as Arrow tables under their documented names: some by identifier, or all in order of identifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, Final

import psycopg
import pyarrow as pa
from psycopg import sql

from broker_assets.database.arrow import arrow_type
from broker_assets.database.fetch import fetch
from broker_assets.database.table_formats import field, unit_of
from broker_assets.database.tables import SURVEYS, objects

TOGETHER: Final = 5_000
"""Rows that are read at a time."""
_NAMES: Final = {code: name for name, code in SURVEYS.items()}
_UCDS: Final = {
    "diaobjectid": "meta.id;meta.main",
    "ra": "pos.eq.ra;meta.main",
    "decl": "pos.eq.dec;meta.main",
}


class UnknownColumnError(ValueError):
    """The table of objects has no such column."""


@cache
def _by_lower_name() -> dict[str, str]:
    return {column.name: str(column.info["documented"]) for column in objects.columns}


def object_columns(wanted: Sequence[str], *, lenient: bool = False) -> tuple[str, ...]:
    """Columns by their SQL names, always including `diaobjectid` and `survey`.

    Parameters
    ----------
    wanted : sequence of str
        Names in any case.
    lenient : bool
        Whether unknown ones are left out.

    Raises
    ------
    UnknownColumnError
        If there is no such column.

    Examples
    --------
    >>> object_columns(["ra", "nDiaSources"])
    ('diaobjectid', 'survey', 'ra', 'ndiasources')
    """
    names = ["diaobjectid", "survey", *(name.strip().lower() for name in wanted)]
    unknown = [name for name in names if name not in _by_lower_name()]
    if unknown and not lenient:
        raise UnknownColumnError(f"objects have no column {unknown[0][:60]!r}")
    return tuple(dict.fromkeys(name for name in names if name in _by_lower_name()))


@cache
def object_schema(names: tuple[str, ...]) -> pa.Schema:
    """Fields of such a table: documented names, units and meanings."""
    fields = []
    for name in names:
        column = objects.c[name]
        kind = pa.string() if name == "survey" else arrow_type(column.type)
        meaning = str(column.comment or "")
        fields.append(
            field(
                str(column.info["documented"]),
                kind,
                unit=unit_of(str(column.info["unit"])),
                description=meaning,
                ucd=_UCDS.get(name, ""),
            )
        )
    return pa.schema(fields)


def object_table(connection: psycopg.Connection[Any], names: tuple[str, ...], identifiers: Sequence[int]) -> pa.Table:
    """Some objects, in the order given; those that do not exist are left out."""
    query = sql.SQL("SELECT {} FROM objects WHERE diaobjectid = ANY({}::bigint[])").format(
        sql.SQL(", ").join(map(sql.Identifier, names)), sql.Literal([int(one) for one in identifiers])
    )
    found = _documented(fetch(connection, query, _stored(names)), names)
    place = {int(one): number for number, one in enumerate(identifiers)}
    order = sorted(range(found.num_rows), key=lambda row: place[found["diaObjectId"][row].as_py()])
    return found.take(pa.array(order, pa.int64())) if found.num_rows else found


def objects_of(
    names: tuple[str, ...], *, survey: int | None = None, since: float | None = None, least: int = 0
) -> tuple[sql.Composed, dict[str, Any]]:
    """A query for objects, with its parameters, for `paging.page`.

    Parameters
    ----------
    names : tuple of str
        Of `object_columns`.
    survey : int, optional
        Only this one.
    since : float, optional
        Last detected at or after, MJD TAI.
    least : int
        Least number of detections."""
    query = sql.SQL(
        "SELECT {} FROM objects WHERE (%(survey)s::smallint IS NULL OR survey = %(survey)s)"
        " AND (%(since)s::float8 IS NULL OR lastdiasourcemjdtai >= %(since)s)"
        " AND (%(least)s = 0 OR ndiasources >= %(least)s)"
    ).format(sql.SQL(", ").join(map(sql.Identifier, names)))
    return query, {"survey": survey, "since": since, "least": least}


def object_batches(
    use: Callable[[], AbstractContextManager[psycopg.Connection[Any]]],
    names: tuple[str, ...],
    *,
    survey: int | None = None,
    since: float | None = None,
    least: int = 0,
    limit: int,
) -> Iterator[pa.RecordBatch]:
    """All objects by identifier, a few thousand rows at a time, up to a limit; see `objects_of`."""
    condition = sql.SQL("TRUE")
    for value, text in (
        (survey, "survey = {}"),
        (since, "lastdiasourcemjdtai >= {}::float8"),
        (least or None, "ndiasources >= {}"),
    ):
        if value is not None:
            condition = condition + sql.SQL(" AND ") + sql.SQL(text).format(sql.Literal(value))  # type: ignore[assignment]
    after, left = -(2**63), limit
    while left > 0:
        query = sql.SQL("SELECT {} FROM objects WHERE diaobjectid > {} AND {} ORDER BY diaobjectid LIMIT {}").format(
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.Literal(after),
            condition,
            sql.Literal(min(TOGETHER, left)),
        )
        with use() as connection:
            rows = fetch(connection, query, _stored(names))
        if not rows.num_rows:
            return
        after, left = rows["diaobjectid"][-1].as_py(), left - rows.num_rows
        yield from _documented(rows, names).combine_chunks().to_batches()


def documented_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `objects` under documented names, the survey by its name."""
    names = _by_lower_name()
    return {names.get(name, name): _NAMES.get(value) if name == "survey" else value for name, value in row.items()}


def _stored(names: tuple[str, ...]) -> pa.Schema:
    return pa.schema([(name, arrow_type(objects.c[name].type)) for name in names])


def _documented(rows: pa.Table, names: tuple[str, ...]) -> pa.Table:
    place = names.index("survey")
    named = pa.array([_NAMES.get(code) for code in rows["survey"].to_pylist()], pa.string())
    schema = object_schema(names)
    return rows.set_column(place, "survey", named).rename_columns(schema.names).cast(schema)
