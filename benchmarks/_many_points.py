"""Tables of points with tens of millions of rows, filled in minutes.

A month is a table of its own that is copied frozen and indexed in the transaction that creates it, by as many processes
of PostgreSQL as there are processors, and then becomes a partition. With `CONFIGURATION` none of this goes through the
write-ahead log; the measurements afterwards only read. Rows are in order of time, as a survey delivers them: each point
of an object is on a different page.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray
from psycopg import sql

from broker_assets.database import copy, engine, partitions
from broker_assets.database.tables import diaforcedsources, diasources

FIRST, DAYS, SEASON = 60_280.0, 730.0, 100.0
"""When the first object is first seen (MJD TAI); days over which objects appear; days that each is observed."""
CONFIGURATION = {"wal_level": "minimal", "max_wal_senders": "0", "max_wal_size": "16GB"}
"""Settings of the server: the rest are the durable defaults."""
TABLES = ((diasources, "diasourceid"), (diaforcedsources, "diaforcedsourceid"))


@dataclass(frozen=True)
class Points:
    """What is filled in."""

    objects: int
    points: int
    """Detections of each object, and as many forced points."""
    survey: int
    reductions: tuple[tuple[int, int], ...] = ((0, 1),)
    """Number of a reduction, and of how many visits it has one."""
    numbered: bool = True
    """Whether visits have numbers."""


def fill_points(url: str, what: Points) -> float:
    """Fill `diasources` and `diaforcedsources`; gives the seconds that it took.

    Object n is observed from `FIRST + DAYS * n / objects` on, its last point is `SEASON` days later.
    """
    begin = time.perf_counter()
    months = partitions.months(np.arange(FIRST, FIRST + DAYS + SEASON + 1))
    # The largest first: no processor waits for the last one.
    work = [(table, identifier, month) for month in months for table, identifier in TABLES]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for done in [pool.submit(_fill_month, url, what, *one) for one in work]:
            done.result()
    with engine.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE diasources, diaforcedsources")
    return time.perf_counter() - begin


def season(objects: int) -> str:
    """SQL of the time at which object `n` is first seen."""
    return f"({FIRST!r} + {DAYS!r} * n / {objects!r}::float8)"


def _fill_month(url: str, what: Points, table: sa.Table, identifier: str, month: np.datetime64) -> None:
    low, high = partitions.month_start(month), partitions.month_start(month + 1)
    names = {
        "month": sql.Identifier(partitions.partition_name(table, month)), "parent": sql.Identifier(table.name),
        "low": sql.Literal(low), "high": sql.Literal(high),
    }  # fmt: skip
    with engine.connect(url) as connection:

        def run(statement: str, **more: sql.Composable) -> Any:
            return connection.execute(sql.SQL(statement).format(**names, **more))

        run("SET maintenance_work_mem = '512MB'")
        run("CREATE TABLE {month} (LIKE {parent} INCLUDING COMMENTS INCLUDING DEFAULTS INCLUDING STORAGE)")
        for reduction, every in what.reductions:
            for rows in _rows(what, identifier, low, high, reduction, every):
                _copy(connection, table, names["month"], rows)
        for (definition,) in run(
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = {name}::regclass",
            name=sql.Literal(table.name),
        ).fetchall():
            head, _, method = definition.partition(" USING ")
            unique = sql.SQL("UNIQUE " if "UNIQUE" in head else "")
            run("CREATE {unique}INDEX ON {month} USING {method}", unique=unique, method=sql.SQL(method))
        run("ALTER TABLE {month} ADD CHECK (midpointmjdtai >= {low} AND midpointmjdtai < {high})")
        run("ALTER TABLE {parent} ATTACH PARTITION {month} FOR VALUES FROM ({low}) TO ({high})")


def _copy(connection: psycopg.Connection[Any], table: sa.Table, into: sql.Composable, rows: pa.Table) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, rows.column_names))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY, FREEZE)").format(into, columns)
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        for block in copy.encode_blocks(rows, table):
            stream.write(block)


_TOGETHER = 500_000
"""Rows that are made at a time."""


def _rows(what: Points, identifier: str, low: float, high: float, reduction: int, every: int) -> Iterator[pa.Table]:
    random = np.random.default_rng([reduction, int(low)])
    waiting: list[tuple[int, NDArray[np.int64], NDArray[np.float64]]] = []
    for visit in range(1, what.points + 1, every):
        begin = FIRST + SEASON * visit / what.points
        ends = ((np.array([low, high]) - begin) * what.objects / DAYS).astype(np.int64)
        numbers = np.arange(max(ends[0] - 1, 1), min(ends[1] + 1, what.objects) + 1)
        times = begin + DAYS * numbers / what.objects
        inside = (times >= low) & (times < high)
        if inside.any():
            waiting.append((visit, numbers[inside], times[inside]))
        if sum(len(one[1]) for one in waiting) >= _TOGETHER:
            yield _table(what, identifier, waiting, reduction, random)
            waiting = []
    if waiting:
        yield _table(what, identifier, waiting, reduction, random)


def _table(what: Points, identifier: str, parts: list[Any], reduction: int, random: np.random.Generator) -> pa.Table:
    objects = np.concatenate([numbers for _, numbers, _ in parts])
    exposure = objects * 1000 + np.concatenate([np.full(len(numbers), visit) for visit, numbers, _ in parts])
    count = len(objects)
    columns = {
        identifier: exposure,
        "diaobjectid": objects,
        "midpointmjdtai": np.concatenate([times for _, _, times in parts]),
        "band": pa.repeat("r", count),
        "psfflux": random.random(count, np.float32) * np.float32(1000),
        "psffluxerr": np.full(count, 10, np.float32),
        "survey": np.full(count, what.survey, np.int16),
        "reduction": np.full(count, reduction, np.int16),
    }
    return pa.table(columns | ({"visit": exposure} if what.numbered else {}))
