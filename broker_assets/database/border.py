"""Reads points wherever they are: in the database or, for months that have left it, in the cold store.

This is the only place that decides between the two. A month that has left keeps an empty partition for points that
arrive late: these are in the database until their month leaves again. Where both stores have a point, the one in the
database is newer and counts. A point that is stored again with a time in another month is noted with the month that it
left (`note_moved`), until that month is proven equal and leaves again. Points of a night that was copied back
(`thaw`) count from the database alone.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray
from psycopg import sql
from sqlalchemy.dialects import postgresql

from broker_assets.database import copy
from broker_assets.database.arrow import arrow_schema, arrow_type
from broker_assets.database.fetch import fetch, fetch_grouped
from broker_assets.database.point_identity import IDENTIFYING, MARGIN, PointKind, identities, keys, mix
from broker_assets.database.reductions import COMPARED
from broker_assets.database.tables import PARTITIONED, diaforcedsources, dianondetectionlimits, diasources

Operator = Literal["=", "<", "<=", ">=", "in", "is null"]
Test: TypeAlias = tuple[str, Operator, Any]
"""Column, operator, value."""
Conditions: TypeAlias = Sequence[Sequence[Test]]
"""All of them must hold; each holds if any of its tests does."""

TIME: Final = "midpointmjdtai"
KINDS: Final = {
    diasources: PointKind.SOURCE,
    diaforcedsources: PointKind.FORCED,
    dianondetectionlimits: PointKind.LIMIT,
}
"""Kind of the points of each table."""


class TooManyBeyond(ValueError):
    """A query needs more rows of the cold store than it is allowed."""

    def __init__(self, table: str, most: int) -> None:
        super().__init__(
            f"more than {most:,} rows of {table} are in months that have left the database: restrict diaObjectId or "
            "midpointMjdTai, or read the cold store itself"
        )


@dataclass(frozen=True)
class Border:
    """The part of a table that has left the database."""

    metadata_location: str
    """The table in the cold store."""
    months: tuple[tuple[float, float], ...]
    """Beginning and end of each month, MJD TAI."""
    thawed: frozenset[datetime.date]
    """Nights of these months that are in the database again."""
    moved: tuple[tuple[float, float, tuple[int, ...]], ...] = ()
    """Beginning and end of months, with the points (`point_keys`) whose time has moved out of them since."""

    def within(self, conditions: Conditions) -> tuple[tuple[float, float], ...]:
        """The months in which rows that fulfil conditions may be."""
        begins, ends = -np.inf, np.inf
        for alternatives in conditions:
            if len(alternatives) == 1 and alternatives[0][0] == TIME:
                _, operator, value = alternatives[0]
                begins = max(begins, value) if operator in (">=", "=") else begins
                ends = min(ends, value) if operator in ("<", "<=", "=") else ends
        return tuple((low, high) for low, high in self.months if low <= ends and high > begins)


def border_of(connection: psycopg.Connection[Any], table: sa.Table) -> Border | None:
    """The part of a table that has left the database; None if nothing has. Constant until the transaction ends."""
    # Naming the table locks it like any reader before the border is read, so no month can leave while it is used.
    rows = connection.execute(
        sql.SQL(
            "SELECT metadata_location, begins, ends, moved FROM cold_months JOIN cold_tables USING (name)"
            " WHERE name = {} AND NOT EXISTS (SELECT FROM {} WHERE false) ORDER BY begins"
        ).format(sql.Literal(table.name), sql.Identifier(table.name))
    ).fetchall()
    if not rows:
        return None
    thawed = connection.execute("SELECT night FROM cold_thawed").fetchall()
    months = tuple((row[1], row[2]) for row in rows)
    moved = tuple((row[1], row[2], tuple(row[3])) for row in rows if row[3])
    return Border(rows[0][0], months, frozenset(row[0] for row in thawed), moved)


def note_moved(
    connection: psycopg.Connection[Any], table: sa.Table, points: pa.Table, before: NDArray[np.float64]
) -> None:
    """Note that points now have a time in another month, so that their rows in the cold store are no longer read.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction that writes them.
    table : Table
        One of `tables.PARTITIONED`.
    points : Table
        Their identifying columns, and their new time.
    before : (n,) float64 array
        Their stored times, MJD TAI.
    """
    border = border_of(connection, table)
    if border is None:
        return
    now, numbers = points[TIME].to_numpy(), point_keys(table, points).view(np.int64)
    for begins, ends in border.months:
        left = (before >= begins) & (before < ends) & ~((now >= begins) & (now < ends))
        if left.any():
            connection.execute(
                "UPDATE cold_months SET moved = moved || %s::bigint[] WHERE name = %s AND begins = %s",
                (numbers[left].tolist(), table.name, begins),
            )


def rows(
    connection: psycopg.Connection[Any],
    table: sa.Table,
    columns: Sequence[str],
    conditions: Conditions,
    *,
    many: bool = False,
) -> pa.Table:
    """Rows of a table of points, from both sides of the border.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    table : Table
        One of `tables.PARTITIONED`.
    columns : sequence of str
        Columns wanted.
    conditions : sequence
        See `Conditions`.
    many : bool
        Whether many rows of each object are expected; `diaobjectid` is then one of the columns.

    Returns
    -------
    Table
        In no particular order, with the Arrow types of the columns.
    """
    schema = pa.schema([(name, arrow_type(table.c[name].type)) for name in columns])
    query = select(table, columns, conditions)
    while True:
        hot = fetch_grouped(connection, query, schema, by="diaobjectid") if many else fetch(connection, query, schema)
        # Read afterwards: a month that leaves in between is in both results, which is handled; otherwise it could be in
        # neither.
        border = border_of(connection, table)
        if border is None:
            return hot
        cold = rows_beyond(connection, table, columns, conditions, border)
        if cold is None:
            return hot
        if border_of(connection, table) == border:
            return pa.concat_tables([hot, cold])


def rows_beyond(
    connection: psycopg.Connection[Any],
    table: sa.Table,
    columns: Sequence[str],
    conditions: Conditions,
    border: Border | None,
    most: int | None = None,
) -> pa.Table | None:
    """Rows that are only in the cold store; None if there cannot be any.

    Parameters as for `rows`; it is an error if more than `most` rows have to be read.

    Raises
    ------
    TooManyBeyond
        If there are more."""
    months = border.within(conditions) if border is not None else ()
    if border is None or not months:
        return None
    found = _cold(table, columns, conditions, border, months, None if most is None else most + 1)
    if most is not None and found.num_rows > most:
        raise TooManyBeyond(table.name, most)
    if found.num_rows:
        # Only conditions on what never changes about a point: a newer row may have another night, time or flux.
        lasting = [one for one in conditions if all(test[0] in ("diaobjectid", *_identity(table)) for test in one)]
        newer = fetch(
            connection,
            select(table, _keyed(table), [*lasting, *_times(months)]),
            pa.schema([(name, arrow_type(table.c[name].type)) for name in _keyed(table)]),
        )
        found = found.filter(pa.array(~np.isin(point_keys(table, found), point_keys(table, newer))))
    if found.num_rows and border.moved:
        found = found.filter(pa.array(~_has_moved(table, found, border)))
    if found.num_rows and border.thawed:
        found = found.filter(pa.array([night not in border.thawed for night in found["night"].to_pylist()], pa.bool_()))
    schema = pa.schema([(name, arrow_type(table.c[name].type)) for name in columns])
    return found.select(columns).cast(schema)


def cold_rows(
    table: sa.Table,
    columns: Sequence[str],
    conditions: Conditions,
    metadata_location: str,
    most: int | None = None,
) -> pa.Table:
    """Rows of the cold store, whatever is in the database; at most `most`."""
    schema = pa.schema([(name, arrow_type(table.c[name].type)) for name in columns])
    return _scan(schema, conditions, metadata_location, most)


def facts_beyond(connection: psycopg.Connection[Any], name: str, schema: pa.Schema, night: datetime.date) -> pa.Table:
    """Facts of a night that the database has pruned, from the cold store; empty if it has none."""
    row = connection.execute("SELECT metadata_location FROM cold_tables WHERE name = %s", (name,)).fetchone()
    return schema.empty_table() if row is None else _scan(schema, [[("night", "=", night)]], row[0])


def _scan(schema: pa.Schema, conditions: Conditions, metadata_location: str, most: int | None = None) -> pa.Table:
    from pyiceberg.expressions import AlwaysTrue, And

    from broker_assets.database.cold_files import table_at

    wanted: Any = AlwaysTrue()
    for alternatives in conditions:
        wanted = And(wanted, _any(alternatives))
    scan = table_at(metadata_location).scan(row_filter=wanted, selected_fields=tuple(schema.names), limit=most)
    return scan.to_arrow().select(schema.names).cast(schema)


def thaw(connection: psycopg.Connection[Any], night: datetime.date) -> int:
    """Copy the points of a night back into the database, before they are written again; return how many.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction that has the night locked.
    night : date
        Night of the packets that provided the points.
    """
    count = 0
    borders = {table: border_of(connection, table) for table in PARTITIONED}
    if all(border is None or night in border.thawed for border in borders.values()):
        return 0
    for table, border in borders.items():
        count += warm(connection, table, [[("night", "=", night)]], border)
    connection.execute("INSERT INTO cold_thawed (night) VALUES (%s) ON CONFLICT DO NOTHING", (night,))
    return count


def warm(
    connection: psycopg.Connection[Any], table: sa.Table, conditions: Conditions, border: Border | None = None
) -> int:
    """Copy rows of the cold store into the database, where they then count; return how many.

    Parameters as for `rows`; rows that are already in the database are left as they are.
    """
    schema = arrow_schema(table)
    border = border_of(connection, table) if border is None else border
    found = rows_beyond(connection, table, schema.names, conditions, border)
    if found is None or not found.num_rows:
        return 0
    with connection.cursor() as cursor:
        return copy.load(cursor, table, found)


def point_keys(table: sa.Table, found: pa.Table) -> NDArray[np.uint64]:
    """A hash of each point; two different points have the same with a probability of 2⁻⁶⁴.

    Without a column `reduction`, they are points of reduction 0.
    """
    identity = identities(KINDS[table], found)
    if "reduction" in found.column_names:
        reduction = mix(np.asarray(found["reduction"].to_numpy(), np.int64))
    else:
        reduction = mix(np.zeros(found.num_rows, np.int64))
    return keys(found["diaobjectid"].to_numpy(), identity) ^ reduction


def select(table: sa.Table, columns: Sequence[str], conditions: Conditions) -> sql.Composed:
    """The query of `rows` in the database."""
    wanted = sql.SQL(" AND ").join(
        sql.SQL("({})").format(sql.SQL(" OR ").join(_sql(table, test) for test in alternatives))
        for alternatives in conditions
    )
    return sql.SQL("SELECT {} FROM {}{}").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.Identifier(table.name),
        sql.SQL(" WHERE ") + wanted if conditions else sql.SQL(""),
    )


def _sql(table: sa.Table, test: Test) -> sql.Composed:
    name, operator, value = test
    if operator == "is null":
        return sql.SQL("{} IS NULL").format(sql.Identifier(name))
    column = COMPARED if name == "reduction" else sql.Identifier(name)
    kind = sql.SQL(str(table.c[name].type.compile(dialect=_DIALECT)))  # type: ignore[arg-type]
    if operator == "in":
        return sql.SQL("{} = ANY({})").format(column, one_of(_plain(value), kind))
    # The operator is one of a fixed set.
    return sql.SQL("{} {} CAST({} AS {})").format(column, sql.SQL(operator), sql.Literal(_plain(value)), kind)


_FEW: Final = 50
"""Length of a list up to which the planner sees each value."""


def one_of(values: Sequence[Any], kind: sql.Composable = sql.SQL("bigint")) -> sql.Composable:
    """A list for `= ANY(…)`, as an array of the SQL type.

    A long list of integers is written as one array and hidden from the planner, which would otherwise look up the
    statistics of each value in each partition: for a thousand objects that takes longer than reading a hundred.

    Examples
    --------
    >>> one_of([1, 2]).as_string()
    "'{1,2}'::int2[]::bigint[]"
    >>> one_of(range(1000)).as_string()[-30:]
    "998,999}'::bigint[])::bigint[]"
    """
    if len(values) > _FEW and all(type(value) is int for value in values):
        text = sql.Literal("{" + ",".join(map(str, values)) + "}")
        return sql.SQL("(SELECT {text}::{kind}[])::{kind}[]").format(text=text, kind=kind)
    return sql.SQL("{}::{}[]").format(sql.Literal(list(values)), kind)


def _any(alternatives: Sequence[Test]) -> Any:
    from pyiceberg.expressions import AlwaysFalse, Or

    found: Any = AlwaysFalse()
    for test in alternatives:
        found = Or(found, _expression(test))
    return found


def _expression(test: Test) -> Any:
    from pyiceberg.expressions import EqualTo, GreaterThanOrEqual, In, IsNull, LessThan, LessThanOrEqual

    name, operator, value = test
    # Their type hints lack the positional arguments that are documented.
    makers: dict[str, Any] = {"=": EqualTo, "<": LessThan, "<=": LessThanOrEqual, ">=": GreaterThanOrEqual}
    makers |= {"in": In, "is null": IsNull}
    if operator == "is null":
        return makers[operator](name)
    if operator == "in":
        return makers[operator](name, _plain(value))
    plain = _plain(value)
    return makers[operator](name, plain.isoformat() if isinstance(plain, datetime.date) else plain)


def _plain(value: Any) -> Any:
    """A value as a plain Python type."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def _cold(
    table: sa.Table,
    columns: Sequence[str],
    conditions: Conditions,
    border: Border,
    months: Sequence[tuple[float, float]],
    most: int | None,
) -> pa.Table:
    """Rows of months that have left the database, with their identifying columns and night."""
    every = list(dict.fromkeys([*columns, *_keyed(table), "night"]))
    found = cold_rows(table, every, [*conditions, *_times(months, margin=0.0)], border.metadata_location, most)
    times = found[TIME].to_numpy()
    inside = np.zeros(len(times), bool)
    for begins, ends in months:
        inside |= (times >= begins) & (times < ends)
    return found if inside.all() else found.filter(pa.array(inside))


def _has_moved(table: sa.Table, found: pa.Table, border: Border) -> NDArray[np.bool_]:
    """Which rows of the cold store belong to points whose time is now in another month."""
    times, numbers = found[TIME].to_numpy(), point_keys(table, found).view(np.int64)
    result = np.zeros(len(times), bool)
    for begins, ends, moved in border.moved:
        result |= (times >= begins) & (times < ends) & np.isin(numbers, np.array(moved, np.int64))
    return result


def _times(months: Sequence[tuple[float, float]], *, margin: float = MARGIN) -> list[list[Test]]:
    """Conditions for the time between the first and the last of some months."""
    begins, ends = min(low for low, _ in months), max(high for _, high in months)
    return [[(TIME, ">=", begins - margin)], [(TIME, "<", ends + margin)]]


def _identity(table: sa.Table) -> tuple[str, ...]:
    return IDENTIFYING[KINDS[table]]


def _keyed(table: sa.Table) -> list[str]:
    return ["diaobjectid", *_identity(table), "reduction", TIME]


_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]
