"""Reads points of one reduction of the data, or of several of which one counts for each object and visit.

The tables of points have every reduction side by side; a reader says which it means. Which name a reduction has is a
matter of `tom.versions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from psycopg import sql

COMPARED: Final = sql.SQL("(reduction + 0::smallint)")
"""The column of the reduction where points of objects are looked up.

It comes last in the indices. Hidden from them, it is compared after a point is found, which takes half the time of
searching the index with it.
"""
ALERTS: Final[Mapping[int, int]] = MappingProxyType({0: 0})
"""The reduction of the alerts alone: number of a reduction, and its priority."""
TENTHS: Final = 864_000
"""Tenths of a second of a day: a visit without a number is known by its time."""


def points(
    table: str,
    columns: Sequence[str],
    where: sql.Composable,
    reductions: Mapping[int, int] = ALERTS,
    *,
    shown: sql.Composable | None = None,
) -> sql.Composed:
    """A query of points.

    Parameters
    ----------
    table : str
        `diasources`, `diaforcedsources` or `dianondetectionlimits`.
    columns : sequence of str
        Columns that it reads.
    where : psycopg.sql.Composable
        Conditions, of columns of the table.
    reductions : mapping of int to int
        Which reductions, with their priorities: of the rows of one object and visit (of limits: and band), that of the
        highest priority counts.
    shown : psycopg.sql.Composable, optional
        What the query gives; default: the columns.

    Examples
    --------
    >>> points("diasources", ["band"], sql.SQL("diaobjectid = 1")).as_string()
    'SELECT "band" FROM "diasources" WHERE diaobjectid = 1 AND (reduction + 0::smallint) = 0'
    """
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    if set(reductions) == {0}:
        return sql.SQL("SELECT {} FROM {} WHERE {} AND {} = 0").format(
            shown or names, sql.Identifier(table), where, COMPARED
        )
    order = sorted(reductions, key=lambda one: -reductions[one])
    band = sql.SQL(", band" if table == "dianondetectionlimits" else "")
    return sql.SQL(
        "SELECT {shown} FROM (SELECT DISTINCT ON (diaobjectid, exposure_of_visit{band}) {names},"
        " coalesce(visit, -round(midpointmjdtai * {tenths})::bigint) AS exposure_of_visit FROM {table}"
        " WHERE {where} AND {compared} = ANY({order}::smallint[])"
        " ORDER BY diaobjectid, exposure_of_visit{band}, array_position({order}::smallint[], reduction)) AS point"
    ).format(
        shown=shown or names,
        band=band,
        names=names,
        tenths=sql.Literal(TENTHS),
        table=sql.Identifier(table),
        where=where,
        compared=COMPARED,
        order=sql.Literal(order),
    )
