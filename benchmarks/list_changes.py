"""The cost of an hourly refresh of TNS that changes 300 of 200,000 cones, with a million objects stored.

The refresh, the index and the re-match are timed separately. They are compared with what a broker without revisions
does: match every object against the whole list again. The nights that become stale are counted; there should be none.
"""

from __future__ import annotations

import argparse
import datetime
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
import psycopg
import pyarrow as pa

from broker_assets.database import copy, engine, migrations
from broker_assets.database.tables import objects as objects_table
from broker_assets.local.postgres import EmbeddedPostgres
from broker_assets.sky.cells import cells_at
from broker_assets.sky.in_force import CONES
from broker_assets.sky.indices import refresh_cone_index
from broker_assets.sky.rematch import lists_to_rematch, rematch
from broker_assets.tns.bulk import BulkFile
from broker_assets.tns.refresh import Kind, apply_bulk_file, tns_watchlist

Result = TypeVar("Result")
TARGET = 5.0
HITS = 0.1
"""Part of the objects that lie within 2 arcsec of a TNS object."""


def sky(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions all over the sky."""
    return random.uniform(0, 360, count), np.degrees(np.arcsin(random.uniform(-1, 1, count)))


def bulk_file(ra: np.ndarray, dec: np.ndarray, rows: np.ndarray, digest: str) -> BulkFile:
    """Rows of TNS as they are after reading."""
    stamp = datetime.datetime(2026, 11, 19, tzinfo=datetime.UTC)
    number = len(rows)
    empty = pa.nulls(number, pa.string())
    return BulkFile(
        pa.table(
            {
                "objid": rows + 1,
                "ra": ra[rows],
                "decl": dec[rows],
                "tns_name": [f"2026{row:x}" for row in rows.tolist()],
                "tns_prefix": ["AT"] * number,
                "disc_mag": pa.nulls(number, pa.float32()),
                "disc_mag_filter": empty,
                "type": empty,
                "z": pa.nulls(number, pa.float64()),
                "disc_int_name": empty,
                "disc_date": pa.array([stamp] * number, pa.timestamp("us", tz="UTC")),
                "lastmodified_date": pa.array([stamp] * number, pa.timestamp("us", tz="UTC")),
                "sender": empty,
                "reporters": empty,
                "source_group": empty,
                "htm16": rows,
            }
        ),
        (),
        "",
        digest,
    )


def load(
    connection: psycopg.Connection, ra: np.ndarray, dec: np.ndarray, random: np.random.Generator, count: int
) -> None:
    """Store objects, a part of them beside cones."""
    object_ra, object_dec = sky(random, count)
    near = random.choice(count, min(int(count * HITS), len(ra)), replace=False)
    chosen = random.choice(len(ra), len(near), replace=False)
    object_dec[near] = np.clip(dec[chosen] + random.normal(0, 0.5 / 3600, len(near)), -90, 90)
    object_ra[near] = ra[chosen]
    rows = pa.table(
        {
            "diaobjectid": np.arange(1, count + 1),
            "survey": pa.array(np.ones(count), pa.int16()),
            "ra": object_ra,
            "decl": object_dec,
            "healpix": cells_at(object_ra, object_dec),
            "lastdiasourcemjdtai": np.full(count, 61000.0),
        }
    )
    with connection.cursor() as cursor:
        copy.load(cursor, objects_table, rows)
    connection.execute("ANALYZE objects")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--cones", type=int, default=200_000)
    parser.add_argument("--changed", type=int, default=300)
    arguments = parser.parse_args()
    random = np.random.default_rng(11)
    ra, dec = sky(random, arguments.cones)
    with tempfile.TemporaryDirectory(prefix="broker-lists-") as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            migrations.upgrade(server.url())
            with engine.connect(server.url(), autocommit=True) as connection:
                load(connection, ra, dec, random, arguments.objects)
                indices = Path(folder) / CONES
                apply(connection, bulk_file(ra, dec, np.arange(arguments.cones), "full"), "full")
                refresh_cone_index(connection, indices)
                watchlist = tns_watchlist(connection)
                first, whole = timed(
                    f"every object against all {arguments.cones:,} cones (the way without revisions)",
                    lambda: rematch(connection, "watchlist", watchlist, whole=True),
                    connection,
                )
                connection.execute("INSERT INTO artefact (asset, \"partition\", data_version, code_version) VALUES"
                                   " ('watchlist_facts', '2026-11-19', '1-1', '2')")  # fmt: skip
                changed = random.choice(arguments.cones, arguments.changed, replace=False)
                dec[changed] = np.clip(dec[changed] + 1.0 / 3600, -90, 90)
                hour = bulk_file(ra, dec, np.sort(changed), "hour")
                moved = f"hourly file that moves {arguments.changed} objects"
                spent = [
                    timed(moved, lambda: apply(connection, hour, "hour"), connection)[1],
                    timed("index of the cones", lambda: refresh_cone_index(connection, indices), connection)[1],
                ]
                assert [item[0] for item in lists_to_rematch(connection)] == ["watchlist"]
                done, seconds = timed(
                    "re-match of what changed", lambda: rematch(connection, "watchlist", watchlist), connection
                )
                spent.append(seconds)
                row = connection.execute("SELECT count(*) FROM artefact WHERE data_version <> '1-1'").fetchone()
                print(
                    f"in all {sum(spent):.2f} s (target {TARGET:g} s); {done.candidates:,} objects looked at instead "
                    f"of {first.candidates:,}, {done.total:,} hits of {first.total:,} before, {row[0] if row else '?'} "
                    f"nights stale; the way without revisions takes {whole / sum(spent):.1f} times as long"
                )


def apply(connection: psycopg.Connection, file: BulkFile, kind: Kind) -> object:
    """Apply a file."""
    until = datetime.datetime(2026, 11, 20, tzinfo=datetime.UTC)
    return apply_bulk_file(connection, file, name=f"{kind}.csv.zip", kind=kind, covers_until=until)


def timed(what: str, work: Callable[[], Result], connection: psycopg.Connection) -> tuple[Result, float]:
    """Time a step, and print it with the processor seconds of this process and of the server."""
    server = psutil.Process(connection.info.backend_pid)
    start, processor, theirs = time.perf_counter(), time.process_time(), sum(server.cpu_times()[:2])
    done = work()
    seconds = time.perf_counter() - start
    print(
        f"{what:<66}{seconds:8.2f} s  (processor: {time.process_time() - processor:.2f} s ours, "
        f"{sum(server.cpu_times()[:2]) - theirs:.2f} s of the server)"
    )
    return done, seconds


if __name__ == "__main__":
    main()
