"""Rows per second into PostgreSQL, exactly once, with keys: our method compared with the usual ones.

`python benchmarks/bulk_insert.py [--rows N] [--url URL] [--way NAME …]`; without `--url` an embedded PostgreSQL with
its durable defaults is used. Every method inserts the same rows in one transaction, in batches, with the same keys and
the same guarantee: a row that exists already is neither duplicated nor an error. Three kinds of row:

forced    `diaforcedsources`, the 16 columns that a Rubin packet fills
narrow    `diasources`, 20 columns: identity, position, fluxes, flags, provenance
wide      `diasources`, every column filled
"""

from __future__ import annotations

import argparse
import datetime
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql

from broker_assets.database import engine, migrations, partitions
from broker_assets.database.alerts import AlertRows, write
from broker_assets.database.arrow import arrow_schema
from broker_assets.database.copy import encode_blocks
from broker_assets.database.staging import Conflict, append, insert, unique_sorted
from broker_assets.database.tables import diaforcedsources, diasources, point_sums

NIGHT = datetime.date(2026, 1, 1)
FORCED = "diaforcedsourceid diaobjectid midpointmjdtai visit detector band ra decl psfflux psffluxerr scienceflux"
FORCED_COLUMNS = [*FORCED.split(), "sciencefluxerr", "timeprocessedmjdtai", "survey", "night", "ingestid"]
BROUGHT = ["reduction", "broughtby", "broughtbymjdtai"]
NARROW_COLUMNS = [
    "diasourceid",
    "diaobjectid",
    "midpointmjdtai",
    "visit",
    "detector",
    "band",
    "ra",
    "decl",
    "psfflux",
    "psffluxerr",
    "snr",
    "reliability",
    "extendedness",
    "isnegative",
    "survey",
    "night",
    "ingestid",
    "archivefileid",
    "archiveposition",
    "archivelength",
]
KEYS = {
    "diasources": ("diaobjectid", "midpointmjdtai", "diasourceid", "reduction"),
    "diaforcedsources": ("diaobjectid", "midpointmjdtai", "diaforcedsourceid", "reduction"),
}
KINDS: dict[str, tuple[sa.Table, list[str]]] = {
    "forced": (diaforcedsources, [*FORCED_COLUMNS, *BROUGHT]),
    "narrow": (diasources, [*NARROW_COLUMNS, *BROUGHT]),
    "wide": (diasources, list(diasources.c.keys())),
}


def make_rows(kind: str, count: int, *, seed: int) -> pa.Table:
    """Rows of a night: `count` distinct objects of a million, some points each, in no order."""
    table, names = KINDS[kind]
    random = np.random.default_rng(seed)
    columns: dict[str, pa.Array] = {}
    for field in arrow_schema(table):
        if field.name not in names:
            continue
        if pa.types.is_floating(field.type):
            values = pa.array(random.normal(100, 10, count), pa.float64()).cast(field.type)
        elif pa.types.is_boolean(field.type):
            values = pa.array(random.random(count) < 0.1)
        elif pa.types.is_integer(field.type):
            values = pa.array(random.integers(0, 30_000, count), field.type)
        elif pa.types.is_date(field.type):
            values = pa.array([NIGHT] * count, field.type)
        else:
            values = pa.array(["r"] * count, field.type)
        columns[field.name] = values
    columns["diaobjectid"] = pa.array(random.integers(1, 1_000_000, count))
    columns["midpointmjdtai"] = pa.array(61042 + random.random(count))
    # Like those of Rubin, which begin with the visit: those of a night are close together.
    columns[KEYS[table.name][2]] = pa.array((1 << 58) + seed * count + random.permutation(count))
    columns["reduction"] = pa.array(np.zeros(count, np.int16))
    columns["broughtbymjdtai"] = columns["midpointmjdtai"]
    return pa.table({name: columns[name] for name in names})


def _statement(table: sa.Table, names: list[str]) -> sql.Composed:
    return sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO NOTHING").format(
        sql.Identifier(table.name),
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.SQL(", ").join([sql.Placeholder()] * len(names)),
        sql.SQL(", ").join(map(sql.Identifier, KEYS[table.name])),
    )


def _tuples(rows: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True))


def executemany(connection: psycopg.Connection[Any], table: sa.Table, rows: pa.Table) -> None:
    """One INSERT for each row, pipelined by psycopg 3."""
    with connection.cursor() as cursor:
        cursor.executemany(_statement(table, rows.column_names), _tuples(rows))


def multiple_values(connection: psycopg.Connection[Any], table: sa.Table, rows: pa.Table) -> None:
    """One INSERT for a page of rows, as `execute_values` of psycopg2 does."""
    names = rows.column_names
    page = max(1, min(500, 60_000 // len(names)))
    tuples = _tuples(rows)
    row = sql.SQL("({})").format(sql.SQL(", ").join([sql.Placeholder()] * len(names)))
    with connection.cursor() as cursor:
        for start in range(0, len(tuples), page):
            part = tuples[start : start + page]
            statement = sql.SQL("INSERT INTO {} ({}) VALUES {} ON CONFLICT ({}) DO NOTHING").format(
                sql.Identifier(table.name),
                sql.SQL(", ").join(map(sql.Identifier, names)),
                sql.SQL(", ").join([row] * len(part)),
                sql.SQL(", ").join(map(sql.Identifier, KEYS[table.name])),
            )
            cursor.execute(statement, [value for item in part for value in item])


def temporary_table_text(connection: psycopg.Connection[Any], table: sa.Table, rows: pa.Table) -> None:
    """COPY in text, row by row, into a temporary table, and INSERT … SELECT … ON CONFLICT."""
    names = sql.SQL(", ").join(map(sql.Identifier, rows.column_names))
    target = sql.Identifier(table.name)
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE TEMPORARY TABLE incoming (LIKE {}) ON COMMIT DROP").format(target))
        with cursor.copy(sql.SQL("COPY incoming ({}) FROM STDIN").format(names)) as stream:
            for row in _tuples(rows):
                stream.write_row(row)
        cursor.execute(
            sql.SQL("INSERT INTO {0} ({1}) SELECT {1} FROM incoming ON CONFLICT ({2}) DO NOTHING").format(
                target, names, sql.SQL(", ").join(map(sql.Identifier, KEYS[table.name]))
            )
        )
        cursor.execute("DROP TABLE incoming")


def ours_staged(connection: psycopg.Connection[Any], table: sa.Table, rows: pa.Table) -> None:
    """Binary COPY into a temporary table, and INSERT … SELECT … ON CONFLICT: for rows that may be there."""
    with connection.cursor() as cursor:
        key = KEYS[table.name]
        insert(cursor, table, unique_sorted(rows, key), Conflict.ignore(key))


def ours_straight(connection: psycopg.Connection[Any], table: sa.Table, rows: pa.Table) -> None:
    """Binary COPY straight into the table: for rows that are known to be new."""
    with connection.cursor() as cursor:
        append(cursor, table, unique_sorted(rows, KEYS[table.name]))


def ours_whole(connection: psycopg.Connection[Any], table: sa.Table, rows: pa.Table) -> None:
    """`alerts.write`, which compares with the stored points, sorts, keeps the sums, and counts night by night."""
    if table is diaforcedsources:
        write(connection, AlertRows(sources=pa.table({}), forced_sources=rows), ingestid=1)
    else:
        write(connection, AlertRows(sources=rows), ingestid=1)


WAYS: dict[str, tuple[Callable[..., None], int]] = {
    "executemany": (executemany, 20),
    "multiple_values": (multiple_values, 20),
    "temporary_table_text": (temporary_table_text, 4),
    "ours_staged": (ours_staged, 1),
    "ours_straight": (ours_straight, 1),
    "ours_whole": (ours_whole, 1),
}
"""Each method, and the factor by which it is given fewer rows: the slow ones are not worth waiting for."""


@contextmanager
def _database(url: str | None) -> Iterator[str]:
    if url:
        yield url
        return
    from broker_assets.local.postgres import EmbeddedPostgres

    with tempfile.TemporaryDirectory(prefix="broker-bench-") as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            yield server.url("broker")


def measure(url: str, way: str, kind: str, count: int, *, batch: int = 100_000) -> float:
    """Rows a second of one way, into an empty table, committed."""
    function, fewer = WAYS[way]
    table, _ = KINDS[kind]
    batches = [
        make_rows(kind, min(batch, count // fewer), seed=seed) for seed in range(max(1, count // fewer // batch))
    ]
    with engine.connect(url) as connection:
        with connection.transaction():
            # With the sums of what it held: those of rows that are gone cost more than none.
            for emptied in (table, point_sums):
                connection.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(emptied.name)))
        partitions.ensure(connection, [61042.0], tables=(table,))
        warm = make_rows(kind, 100, seed=12345)
        with connection.transaction():
            function(connection, table, warm)
        begin = time.perf_counter()
        for rows in batches:
            with connection.transaction():
                function(connection, table, rows)
        seconds = time.perf_counter() - begin
        found = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table.name))).fetchone()
    written = sum(rows.num_rows for rows in batches)
    if found != (written + warm.num_rows,):
        raise RuntimeError(f"{way} wrote {found} of {written + warm.num_rows} rows")
    return float(written / seconds)


def encoding(kind: str, count: int) -> float:
    """Rows a second that the encoder alone gives."""
    table, _ = KINDS[kind]
    rows = make_rows(kind, count, seed=1)
    sum(len(block) for block in encode_blocks(rows.slice(0, 10), table))
    begin = time.perf_counter()
    sum(len(block) for block in encode_blocks(rows, table))
    return count / (time.perf_counter() - begin)


def run(
    url: str | None = None, *, rows: int = 200_000, ways: list[str] | None = None, kinds: list[str] | None = None
) -> dict[str, dict[str, float]]:
    """Rows a second: kind of row, way."""
    with _database(url) as address:
        migrations.upgrade(address)
        return {
            kind: {"encoding alone": encoding(kind, min(rows, 100_000))}
            | {
                way: measure(address, way, kind, rows if kind != "wide" else rows // 4, batch=min(rows, 100_000))
                for way in (ways or WAYS)
            }
            for kind in (kinds or KINDS)
        }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000, help="rows for each of our ways")
    parser.add_argument("--url", help="database to fill and EMPTY; default an embedded one")
    parser.add_argument("--way", action="append", choices=list(WAYS), help="only this way")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="only this kind of row")
    options = parser.parse_args()
    result = run(options.url, rows=options.rows, ways=options.way, kinds=options.kind)
    for kind, rates in result.items():
        print(f"{kind}: {len(KINDS[kind][1])} columns")
        slowest = min(rates.values())
        for way, rate in rates.items():
            print(f"  {way:24s} {rate:12,.0f} rows/s {rate / slowest:8.1f}×")


if __name__ == "__main__":
    main()
