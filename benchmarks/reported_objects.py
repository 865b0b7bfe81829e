"""Objects that brokers reported: those that are hot, and light curves of one object and of a thousand.

`python benchmarks/reported_objects.py [--objects N] [--points N]`, on an embedded PostgreSQL with its durable defaults.
Each is compared, in the same run, with the original's method: one query for detections, one for all points of the
objects found, grouped row by row with pandas.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
from _many_points import CONFIGURATION, DAYS, FIRST, SEASON, Points, fill_points, season
from numpy.typing import NDArray

from broker_assets.api.tom.curve_answers import Form, rows
from broker_assets.database import engine, migrations
from broker_assets.local.postgres import EmbeddedPostgres
from broker_assets.tom.hot_transients import hot_objects
from broker_assets.tom.light_curves import read_curves

HOT = 200
"""Objects that are hot, about."""
ASKED = 300
"""Light curves that are asked for one by one."""
FORM = Form(0, 27.5, hosts=False, constants={})


def fill(connection: psycopg.Connection[Any], url: str, objects: int, points: int) -> None:
    """Objects with as many detections as forced points, each within a season of 100 days."""
    connection.execute(
        "INSERT INTO objects (diaobjectid, survey, ra, decl) SELECT n, 3, n %% 360, -5"
        " FROM generate_series(1, %s) AS n",
        (objects,),
    )
    connection.execute(
        "INSERT INTO elasticc2_diaobjectdetails (diaobject_id, isddf, latestsourcemjd)"  # type: ignore[arg-type]
        f" SELECT n, false, {season(objects)} + {SEASON} FROM generate_series(1, %s) AS n",
        (objects,),
    )
    connection.execute("VACUUM ANALYZE objects, elasticc2_diaobjectdetails")
    took = fill_points(url, Points(objects, points, survey=3, numbered=False))
    print(f"{objects:,} objects, {objects * points:,} detections and as many forced points, filled in {took:.0f} s")


def naive_curves(connection: psycopg.Connection[Any], objects: list[int]) -> str:
    """All points in one frame, an object at a time."""
    found = connection.execute(
        "SELECT o.diaobject_id, o.ra, o.decl, f.midpointtai, f.filtername, f.psflux, f.psfluxerr"
        " FROM elasticc2_diaforcedsource AS f JOIN elasticc2_diaobject AS o ON f.diaobject_id = o.diaobject_id"
        " WHERE f.diaobject_id = ANY(%s) ORDER BY o.diaobject_id, f.midpointtai",
        (objects,),
    ).fetchall()
    frame = pd.DataFrame(found, columns=["objectid", "ra", "dec", "mjd", "band", "flux", "fluxerr"])
    answers = []
    for number in frame["objectid"].unique():
        one = frame[frame["objectid"] == number]
        series = {name: list(one[name]) for name in ("mjd", "band", "flux", "fluxerr")}
        answers.append({"objectid": int(number), "ra": one["ra"].iloc[0], "zp": 27.5, "photometry": series})
    return json.dumps({"status": "ok", "diaobject": answers})


def naive_hot(connection: psycopg.Connection[Any], since: float) -> list[int]:
    """Objects by their detections."""
    found = connection.execute(
        "SELECT DISTINCT diaobject_id FROM elasticc2_diasource WHERE midpointtai >= %s ORDER BY 1", (since,)
    )
    return [row[0] for row in found]


def main() -> None:
    """Fill, and ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--points", type=int, default=50)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="broker-bench-") as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "postgres", configuration=CONFIGURATION) as server:
            migrations.upgrade(server.url())
            with engine.connect(server.url(), autocommit=True) as connection:
                fill(connection, server.url(), given.objects, given.points)
                measure(connection, given.objects)


def measure(connection: psycopg.Connection[Any], objects: int) -> None:
    """Ask for what is hot, for one light curve at a time, and for a thousand."""

    @contextmanager
    def connect() -> Iterator[psycopg.Connection[Any]]:
        yield connection

    def curves(wanted: NDArray[np.int64]) -> bytes:
        return b"".join(rows(read_curves(connect, wanted), FORM))

    def timed(work: Callable[[], Any]) -> float:
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin

    random = np.random.default_rng(1)
    curves(np.array([1]))  # what is compiled is read from the disk first
    since = FIRST + DAYS + SEASON - DAYS * (HOT + 0.5) / objects
    found = hot_objects(connection, since)
    assert found.tolist() == naive_hot(connection, since)
    ours = min(timed(lambda: curves(hot_objects(connection, since))) for _ in range(5))
    slow = timed(lambda: naive_curves(connection, naive_hot(connection, since)))
    print(f"{len(found)} hot transients (target 300 ms) {ours * 1e3:8.1f} ms, naive {slow * 1e3:8.1f}")
    one = [timed(lambda: curves(random.integers(1, objects, 1))) for _ in range(ASKED)]
    slow = float(
        np.median([timed(lambda: naive_curves(connection, [int(random.integers(objects))])) for _ in range(50)])
    )
    middle, last = np.quantile(one, [0.5, 0.99]) * 1e3
    print(f"one light curve: p50 {middle:.1f} ms, p99 {last:.1f} ms (target 20 ms), naive p50 {slow * 1e3:.1f}")
    wanted = random.integers(1, objects, 1000)
    ours = min(timed(lambda: curves(wanted)) for _ in range(5))
    slow = timed(lambda: naive_curves(connection, wanted.tolist()))
    print(f"1,000 light curves (target 300 ms) {ours * 1e3:8.1f} ms, naive {slow * 1e3:8.1f}")


if __name__ == "__main__":
    main()
