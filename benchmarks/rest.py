"""Response times of the interface: light curves and cones, in the server and over HTTP, with published figures.

`python benchmarks/rest.py [--objects N] [--points N] [--requests N] [--url URL]`; without `--url` an embedded
PostgreSQL is used. The database is filled by COPY: 1,000,000 objects with ten detections each, unless given otherwise.
The server runs in this process, with one worker, and is reached over loopback by one client: the figures include the
client's time.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import psycopg
import pyarrow as pa
import requests
import uvicorn

from broker_assets.api import create_app
from broker_assets.database import engine, migrations, partitions
from broker_assets.database.copy import load
from broker_assets.database.tables import diasources, objects
from broker_assets.settings import DatabaseSettings, Settings
from broker_assets.sky.cells import DEEPEST, cells_at

CHUNK = 200_000
FIRST = 60_000.0
"""MJD of the first point."""
PEERS = {"one light curve": "FASTDB 1.29 s", "cone of 5 arcsec": "Fink 0.26 s"}
"""Published figures of peers for the same question."""
TARGETS = {"one light curve": 0.020, "1,000 light curves": 0.300, "cone of 5 arcsec": 0.010, "cone of 1 degree": 1.0}


@contextmanager
def database(given: str | None) -> Iterator[str]:
    """The URL of a database with the schema."""
    if given is not None:
        migrations.upgrade(given)
        yield given
        return
    from broker_assets.local.postgres import EmbeddedPostgres

    with tempfile.TemporaryDirectory(prefix="broker-bench-") as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            migrations.upgrade(server.url())
            yield server.url()


def positions(numbers: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Positions spread over the southern sky, the same for the same object."""
    golden = 0.6180339887498949
    ra = (numbers * golden % 1.0) * 360.0
    dec = np.degrees(np.arcsin((numbers * 0.7548776662466927 % 1.0) * 1.3 - 1.0))
    return ra, dec


def fill(connection: psycopg.Connection[Any], count: int, points: int) -> None:
    """Objects 1 to `count`, each with detections one day apart."""
    partitions.ensure(connection, FIRST + np.arange(points + 1.0))
    for begin in range(1, count + 1, CHUNK):
        numbers = np.arange(begin, min(begin + CHUNK, count + 1), dtype=np.int64)
        ra, dec = positions(numbers)
        rows = {
            "diaobjectid": numbers, "ra": ra, "decl": dec, "healpix": cells_at(ra, dec, DEEPEST).astype(np.int64),
            "survey": np.ones(len(numbers), np.int16), "ndiasources": np.full(len(numbers), points, np.int32),
            "firstdiasourcemjdtai": np.full(len(numbers), FIRST),
            "lastdiasourcemjdtai": np.full(len(numbers), FIRST + points),
        }  # fmt: skip
        with connection.transaction():
            load(connection.cursor(), objects, pa.table(rows))
        for point in range(points):
            time_of = np.full(len(numbers), FIRST + point + 0.25)
            source = numbers * 1000 + point
            detections = pa.table(
                {
                    "diasourceid": source,
                    "diaobjectid": numbers,
                    "midpointmjdtai": time_of,
                    "band": np.full(len(numbers), "ugrizy"[point % 6]),
                    "ra": ra,
                    "decl": dec,
                    "psfflux": (1000.0 + point + numbers % 97).astype(np.float32),
                    "psffluxerr": np.full(len(numbers), 50.0, np.float32),
                    "reliability": np.full(len(numbers), 0.9, np.float32),
                    "survey": np.ones(len(numbers), np.int16),
                    "broughtby": source,
                    "broughtbymjdtai": time_of,
                }
            )
            with connection.transaction():
                load(connection.cursor(), diasources, detections)
    for table in (objects.name, diasources.name):
        connection.execute(f"VACUUM ANALYZE {table}")


@contextmanager
def server(url: str, home: Path) -> Iterator[str]:
    """The application in a thread."""
    settings = Settings(home=home, database=DatabaseSettings(url=url), streams=[])  # type: ignore[arg-type]
    running = uvicorn.Server(
        uvicorn.Config(create_app(settings), host="127.0.0.1", port=0, log_level="error", ws="none")
    )
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}/api/v1"
    finally:
        running.should_exit = True
        thread.join(10)


def measured(ask: Callable[[int], requests.Response], count: int) -> np.ndarray[Any, Any]:
    """Seconds of each request, after some that warm up."""
    for number in range(min(10, count)):
        ask(number).raise_for_status()
    seconds = np.empty(count)
    for number in range(count):
        begun = time.perf_counter()
        answer = ask(number + 1000)
        seconds[number] = time.perf_counter() - begun
        answer.raise_for_status()
    return seconds


def questions(base: str, count: int) -> dict[str, tuple[Callable[[int], requests.Response], float]]:
    """What is asked, and which part of the number of requests."""
    session = requests.Session()
    rng = np.random.default_rng(1)
    wanted = rng.integers(1, count + 1, 100_000)
    ra, dec = positions(wanted)

    def curve(number: int) -> requests.Response:
        return session.get(f"{base}/objects/{wanted[number % len(wanted)]}/lightcurve")

    def many(number: int) -> requests.Response:
        begin = number * 1000 % (len(wanted) - 1000)
        ids = [int(one) for one in wanted[begin : begin + 1000]]
        return session.post(f"{base}/lightcurves", json={"ids": ids}, params={"format": "arrow"})

    def cone(radius: float) -> Callable[[int], requests.Response]:
        def ask(number: int) -> requests.Response:
            place = number % len(wanted)
            return session.get(
                f"{base}/cone", params={"ra": ra[place], "dec": dec[place], "radius": radius, "limit": 10_000}
            )

        return ask

    return {
        "one light curve": (curve, 1.0),
        "1,000 light curves": (many, 0.05),
        "cone of 5 arcsec": (cone(5.0), 1.0),
        "cone of 1 degree": (cone(3600.0), 0.1),
    }


def main() -> None:
    """Fill, ask and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--points", type=int, default=10)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--url")
    given = parser.parse_args()
    with database(given.url) as url, tempfile.TemporaryDirectory() as home:
        begun = time.perf_counter()
        with engine.connect(url, autocommit=True) as connection:
            fill(connection, given.objects, given.points)
        took = time.perf_counter() - begun
        print(f"{given.objects:,} objects with {given.points} detections each, filled in {took:.0f} s")
        with server(url, Path(home)) as base:
            print(f"{'question':22}{'p50':>9}{'p99':>9}{'target':>9}  peer")
            for name, (ask, part) in questions(base, given.objects).items():
                seconds = measured(ask, max(10, round(given.requests * part)))
                p50, p99 = np.quantile(seconds, [0.5, 0.99]) * 1000
                print(f"{name:22}{p50:7.1f}ms{p99:7.1f}ms{TARGETS[name] * 1000:7.0f}ms  {PEERS.get(name, '')}")
            print(f"memory of this process {psutil.Process().memory_info().rss / 2**20:.0f} MiB (server and client)")


if __name__ == "__main__":
    main()
