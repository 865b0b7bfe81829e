"""Export of a night to the cold store, reads from both stores together, and bytes per row in each store.

Each figure is compared with the plain method: rows one by one as Python objects, and a search through the file for each
object. Times are CPU seconds of this process, without those of the database.
"""

from __future__ import annotations

import datetime
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from broker_assets.cold.catalogue import ColdStore
from broker_assets.cold.months import detach, prove
from broker_assets.cold.nights import point_table, write_night
from broker_assets.database import border, copy, migrations, partitions
from broker_assets.database.arrow import arrow_schema
from broker_assets.database.engine import connect
from broker_assets.database.reading import light_curve
from broker_assets.database.tables import PARTITIONED, diaforcedsources, diasources
from broker_assets.local.postgres import EmbeddedPostgres

OBJECTS = int(os.environ.get("BENCH_OBJECTS", "40000"))
FORCED = 10
NIGHT = datetime.date(2026, 1, 20)
MJD = 61060.2


def points(table: Any, identifier: str, number: int) -> pa.Table:
    """Points of all objects, as many of each; those columns that packets of Rubin fill have values."""
    random = np.random.default_rng(1)
    rows = OBJECTS * number
    own = np.repeat(np.arange(1, OBJECTS + 1) * 170_000_000_000, number)
    columns: dict[str, Any] = {
        "diaobjectid": own,
        identifier: np.arange(rows) + 4_000_000_000,
        "midpointmjdtai": MJD + random.random(rows) * 8,
        "band": np.array(list("ugrizy"))[random.integers(0, 6, rows)],
        "survey": np.full(rows, 1),
        "reduction": np.zeros(rows), "night": [NIGHT] * rows,
        "broughtby": np.arange(rows) + 4_000_000_000, "broughtbymjdtai": np.full(rows, MJD),
    }  # fmt: skip
    schema = arrow_schema(table)
    for item in schema:
        if item.name in columns or item.name.startswith("archive") or item.name in ("ingestid", "ssobjectid"):
            continue
        if pa.types.is_floating(item.type):
            columns[item.name] = random.normal(100, 30, rows)
        elif pa.types.is_boolean(item.type):
            columns[item.name] = random.random(rows) < 0.01
        elif pa.types.is_integer(item.type):
            columns[item.name] = random.integers(0, 200, rows)
    if "archivefileid" in schema.names:
        columns |= {
            "archivefileid": np.ones(rows),
            "archiveposition": np.arange(rows) * 900,
            "archivelength": np.full(rows, 900),
        }
    return pa.table(
        {
            n: pa.array(v, schema.field(n).type, from_pandas=True) if n != "night" else pa.array(v)
            for n, v in columns.items()
        }
    )


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of this process, and the result."""
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result


def naive_export(connection: psycopg.Connection[Any], table: Any, target: Path, limit: int) -> None:
    """Rows one by one as dictionaries, then a file."""
    from psycopg.rows import dict_row

    schema = pa.schema([item.with_nullable(True) for item in arrow_schema(table)])
    with connection.cursor(row_factory=dict_row) as cursor:
        names = ", ".join(schema.names)
        rows = [dict(row) for row in cursor.execute(f"SELECT {names} FROM {table.name} LIMIT {limit}")]
    pq.write_table(pa.Table.from_pylist(rows, schema), target, compression="zstd")


def main() -> None:
    """Measure, and print a table."""
    with tempfile.TemporaryDirectory(prefix="bench-cold-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o711)
        with EmbeddedPostgres(folder / "postgres") as server:
            migrations.upgrade(server.url())
            store = ColdStore(server.url(), (folder / "cold").as_uri())
            with connect(server.url(), autocommit=True) as connection:
                measure(folder, store, connection)


def measure(folder: Path, store: ColdStore, connection: psycopg.Connection[Any]) -> None:
    """All figures of one database."""
    given = {
        diasources: points(diasources, "diasourceid", 1),
        diaforcedsources: points(diaforcedsources, "diaforcedsourceid", FORCED),
    }
    partitions.ensure(connection, np.arange(MJD - 40, MJD + 40))
    for table, rows in given.items():
        with connection.cursor() as cursor:
            copy.load(cursor, table, rows)
    connection.execute("ANALYZE")
    lines: list[list[str]] = []
    write_night(store, NIGHT, [point_table(diasources)])  # libraries are loaded
    for table, rows in given.items():
        seconds, _ = timed(partial(write_night, store, NIGHT, [point_table(table)]))
        few = min(10_000, rows.num_rows)
        plain, _ = timed(partial(naive_export, connection, table, folder / "naive.parquet", few))
        iceberg = store.table(table.name)
        assert iceberg is not None
        size = sum(iceberg.inspect.files()["file_size_in_bytes"].to_pylist())
        hot = connection.execute(
            "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = %s::regclass",
            (table.name,),
        ).fetchone()
        lines += [
            [
                f"export, {table.name}",
                f"{rows.num_rows / seconds:,.0f} rows/s",
                f"{few / plain:,.0f} rows/s (row by row)",
            ],
            [
                f"bytes of a row, {table.name}",
                f"{size / rows.num_rows:.0f} cold",
                f"{(hot or [0])[0] / rows.num_rows:.0f} hot, with indices",
            ],
        ]
    seconds, proof = timed(lambda: prove(connection, diaforcedsources, np.datetime64("2026-01")))
    lines.append(["proof of a month", f"{proof.rows / seconds:,.0f} rows/s", "equal" if proof.equal else "differs"])
    some = given[diasources]["diaobjectid"].to_numpy()[:: OBJECTS // 100][:100]
    before, hot_curves = timed(lambda: light_curve(connection, some))
    write_night(store, NIGHT, [point_table(table) for table in PARTITIONED])
    detach(connection, [np.datetime64("2026-01")])
    after, cold_curves = timed(lambda: light_curve(connection, some))
    assert cold_curves == hot_curves
    one, _ = timed(lambda: [light_curve(connection, [int(item)]) for item in some[:10]])
    files = sorted((folder / "cold" / "broker" / "diaforcedsources" / "data").rglob("*.parquet"))

    def look_through() -> list[dict[str, Any]]:
        whole = pq.read_table(files[0], columns=["diaobjectid", "midpointmjdtai", "psfflux"]).to_pylist()
        return [row for row in whole if row["diaobjectid"] == int(some[0])]

    plain, _ = timed(look_through)
    lines += [
        ["100 light curves, all in the database", f"{before * 1000:.0f} ms", ""],
        ["100 light curves, month in the cold store", f"{after * 1000:.0f} ms", "equal rows"],
        [
            "one light curve, month in the cold store",
            f"{one * 100:.0f} ms",
            f"{plain * 1000:,.0f} ms (file row by row)",
        ],
    ]
    assert border.border_of(connection, diasources) is not None
    for what, ours, beside in (["what", "ours", "beside it"], *lines):
        print(f"{what:44} {ours:>18}  {beside}")


if __name__ == "__main__":
    main()
