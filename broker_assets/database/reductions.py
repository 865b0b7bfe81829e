"""Reads points of one reduction of the data, or of several, of which one counts for each object and visit.

The tables of points contain all reductions; a reader says which it wants. Names of reductions are in `tom.versions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from psycopg import sql

from broker_assets.database.point_identity import TENTHS_OF_A_SECOND

COMPARED: Final = sql.SQL("(reduction + 0::smallint)")
"""The reduction in conditions on points that are looked up by object.

It is the last column of the indices. Written as an expression, which no index has, it is compared after a point is
found; that takes half as long as searching the index with it.
"""
ALERTS: Final[Mapping[int, int]] = MappingProxyType({0: 0})
"""The reduction of the alerts alone: number of a reduction, and its priority."""


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
        Columns that are read.
    where : psycopg.sql.Composable
        Conditions on columns of the table.
    reductions : mapping of int to int
        The reductions to read, with their priorities: of the rows of an object and visit (for limits, of an object,
        visit and band), that of the highest priority counts.
    shown : psycopg.sql.Composable, optional
        Select list of the query; default: the columns.

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
        tenths=sql.Literal(TENTHS_OF_A_SECOND),
        table=sql.Identifier(table),
        where=where,
        compared=COMPARED,
        order=sql.Literal(order),
    )
