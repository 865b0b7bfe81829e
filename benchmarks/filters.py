"""A thousand users' filters on a batch of alerts, compared with a statement for each of them in PostgreSQL.

    python benchmarks/filters.py [--filters 1000] [--alerts 10000] [--repeats 3]

Filters are of four kinds: conditions on columns of `objects` that select columns (six of ten), the same with
expressions, joined with a watchlist (of a hundred), and joined with the context. "Together" is everything that the
stream does: tables are sent to the separate process, statements run in it, and rows converted to JSON. The naive method
is Lasair's: the rows of the batch are in tables of a database, and each filter is a statement on them.
"""

from __future__ import annotations

import argparse
import random
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa

from broker_assets.database import copy, migrations
from broker_assets.database.arrow import arrow_schema
from broker_assets.database.engine import connect
from broker_assets.database.tables import associations, objects, watchlist_hits
from broker_assets.filters.engine.sandbox import Sandbox
from broker_assets.filters.evaluation import evaluate
from broker_assets.filters.query import CheckedQuery, Form, check
from broker_assets.filters.schema import ALERT, NOW, TABLES
from broker_assets.local.postgres import EmbeddedPostgres

WATCHLISTS = 100
TARGET_SECONDS = 3.0
COLUMNS = [
    *(f"{band}_psfFlux" for band in "ugrizy"), "jump1", "jump2", "ebv", "glat", "medianR", "latestR", "absMag",
    "latestPairColourMag", "BBBTemp", "BBBRiseRate", "g_psfFluxMean", "r_psfFluxMean",
]  # fmt: skip
COUNTS = ["nDiaSources", "nSourcesGood", "nPosDiaSources", "ngSources", "nrSources"]


def batch(alerts: int) -> dict[str, pa.Table]:
    """The tables of a batch: numbers at random."""
    generator = np.random.default_rng(1)
    identifier = np.arange(alerts) + 10**15
    columns: dict[str, Any] = {ALERT: identifier, NOW: np.full(alerts, 61000.0), "diaobjectid": identifier}
    for item in arrow_schema(objects):
        if item.name not in TABLES["objects"].columns or item.name in columns:
            continue
        if pa.types.is_floating(item.type):
            values = pa.array(generator.normal(size=alerts), mask=generator.random(alerts) < 0.1)
        elif pa.types.is_integer(item.type):
            values = pa.array(generator.integers(0, 50, alerts))
        else:
            continue
        columns[item.name] = values.cast(item.type, safe=False)
    hits = generator.integers(0, alerts, alerts // 2)
    classes = generator.choice(["SN", "NT", "AGN", "VS", "ORPHAN"], alerts)
    return {
        "objects": pa.table(columns),
        "watchlist_hits": pa.table(
            {
                ALERT: identifier[hits], "diaobjectid": identifier[hits], "wl_id": hits % WATCHLISTS,
                "arcsec": generator.random(len(hits)), "name": [f"cone {n}" for n in hits],
            }
        ),
        "sherlock_classifications": pa.table(
            {
                ALERT: identifier, "diaobjectid": identifier, "classification": classes,
                "z": pa.array(generator.random(alerts), pa.float32()),
            }
        ),
    }  # fmt: skip


def filters(number: int) -> list[CheckedQuery]:
    """Filters that pass some per cent of the alerts, as those of users do."""
    chance = random.Random(1)
    found = []
    for _ in range(number):
        one, two, three = chance.sample(COLUMNS, 3)
        count = chance.choice(COUNTS)
        terms = (
            f"objects.{one} > {chance.uniform(1.5, 3.5):.3f} AND objects.{count} > {chance.randrange(40)}"
            f" AND (objects.{two} < {chance.uniform(-1, 1):.3f} OR objects.{three} IS NULL)"
        )
        kind = chance.random()
        selected = f"objects.diaObjectId, objects.{one}, objects.{two}, objects.{count}"
        if kind < 0.6:
            form = Form(selected, "objects", terms)
        elif kind < 0.8:
            form = Form(f"objects.diaObjectId, flux2mag(objects.{one}) AS m, mjdnow() - objects.{two} AS t", "", terms)
        elif kind < 0.95:
            watched = f"{selected}, watchlist_hits.name"
            form = Form(watched, f"objects, watchlist:{chance.randrange(WATCHLISTS)}", f"objects.{count} > 5")
        else:
            seen = f"{terms} AND sherlock_classifications.classification IN ('SN', 'NT')"
            form = Form(f"{selected}, sherlock_classifications.z", "objects, sherlock_classifications", seen)
        found.append(check(form))
    return found


def stored(connection: psycopg.Connection[Any], tables: dict[str, pa.Table]) -> None:
    """The tables of the batch in PostgreSQL."""
    rows = tables["objects"].drop_columns([ALERT, NOW])
    known = tables["sherlock_classifications"]
    number = rows.num_rows
    rows = rows.set_column(rows.schema.get_field_index("survey"), "survey", pa.array(np.ones(number, np.int16)))
    rows = rows.append_column("associationid", rows["diaobjectid"])
    zeros = pa.array(np.zeros(number))
    context = pa.table(
        {
            "diaobjectid": known["diaobjectid"], "associationid": known["diaobjectid"], "ra": zeros, "decl": zeros,
            "healpix": pa.array(np.zeros(number, np.int64)), "classification": known["classification"],
            "z": known["z"], "annotator": pa.repeat("a", number), "description": pa.repeat("d", number),
        }
    )  # fmt: skip
    hits = tables["watchlist_hits"].drop_columns([ALERT])
    hits = hits.append_column("cone_id", pa.array(np.arange(hits.num_rows)))
    with connection.cursor() as cursor:
        copy.load(cursor, objects, rows)
        copy.load(cursor, associations, context)
        copy.load(cursor, watchlist_hits, hits)
    connection.execute("ANALYZE")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--filters", type=int, default=1000)
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    tables, queries = batch(given.alerts), filters(given.filters)
    read = {name for query in queries for name in query.columns["objects"]}
    sent = dict(tables)
    sent["objects"] = tables["objects"].select([ALERT, NOW, *sorted(read & set(tables["objects"].column_names))])
    together = []
    with Sandbox() as sandbox:
        evaluate(sandbox, sent, queries[:1])  # starts the process
        for _ in range(given.repeats):
            began = time.perf_counter()
            results = evaluate(sandbox, sent, queries)
            together.append(time.perf_counter() - began)
        peak = _peak(sandbox)
    problems = [result.message for result in results if result.problem]
    matches = sum(len(result.alerts) for result in results)
    with TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "postgres") as server:
        migrations.upgrade(server.url())
        with connect(server.url(), autocommit=True) as connection:
            stored(connection, tables)
            began = time.perf_counter()
            rows = sum(len(connection.execute(query.postgres(now=61000.0)).fetchall()) for query in queries)  # type: ignore[call-overload]
            alone = time.perf_counter() - began
    print(f"{given.filters} filters, {given.alerts} alerts, {matches} matches ({rows} rows), {len(problems)} problems")
    print(f"{'together, in DuckDB apart':34s} {min(together):6.2f} s  (of {', '.join(f'{t:.2f}' for t in together)})")
    print(f"{'a statement each, in PostgreSQL':34s} {alone:6.2f} s")
    print(f"{'target':34s} {TARGET_SECONDS:6.2f} s  {'met' if min(together) < TARGET_SECONDS else 'NOT met'}")
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"memory of the process apart, peak: {peak:.0f} MiB; of this one: {own:.0f} MiB")
    for problem in sorted(set(problems))[:5]:
        print(problem)


def _peak(sandbox: Sandbox) -> float:
    """Peak of the resident memory of the process apart, MiB."""
    process = sandbox.process
    if process is None:
        return 0.0
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    main()
