"""Light curves and hot objects by processing version, and assignment of root objects to all objects without one.

`python benchmarks/processing_versions.py [--objects N] [--points N]`, on an embedded PostgreSQL with durable defaults.
Each is compared, in the same run, with the original's method: its query joins the rows of every base version with their
priorities and takes the first of each root object and visit, and its answer is grouped row by row.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from _many_points import CONFIGURATION, DAYS, FIRST, SEASON, Points, fill_points, season

from broker_assets.api.tom.answers import json_of
from broker_assets.database import engine, migrations
from broker_assets.local.postgres import EmbeddedPostgres
from broker_assets.tom.versions import definitions
from broker_assets.tom.versions.curves import Roots, find_roots, root_curves
from broker_assets.tom.versions.definitions import Version
from broker_assets.tom.versions.hot import hot_roots
from broker_assets.tom.versions.roots import place_new

HOT = 200
"""Objects that are hot, about."""
MANY = 1000
"""Light curves that are asked for together."""
ASKED = 300
"""Light curves that are asked for one by one."""


def fill(connection: psycopg.Connection[Any], url: str, objects: int, points: int) -> None:
    """Objects with as many detections as forced points in a season of 100 days; a tenth of them twice in the survey.

    Every third visit has a second reduction.
    """
    reduction = definitions.add_base(connection, "dr1")
    definitions.add_version(connection, "dr1", {"dr1": 1, "realtime": 0})
    # A tenth of the objects is 0.3 arcsec from the one before it.
    connection.execute(
        "INSERT INTO objects (diaobjectid, survey, ra, decl, firstdiasourcemjdtai, lastdiasourcemjdtai)"  # type: ignore[arg-type]
        " SELECT n, 1, (k * 137.50776) %% 360, 60 * sin(k) + (n - k) * 0.3 / 3600,"
        f" {season(objects)}, {season(objects)} + {SEASON} FROM (SELECT n, n - (n %% 10 = 0)::int AS k"
        " FROM generate_series(1, %s) AS n) AS numbered",
        (objects,),
    )
    connection.execute("VACUUM ANALYZE objects")
    took = fill_points(url, Points(objects, points, survey=1, reductions=((0, 1), (reduction, 3))))
    print(
        f"{objects:,} objects, {objects * points:,} detections and as many forced points, a third of them in two"
        f" reductions, filled in {took:.0f} s"
    )


def ours(connection: psycopg.Connection[Any], version: Version, roots: Roots) -> bytes:
    """Forced photometry with detections patched in, as JSON."""
    found = root_curves(connection, version, roots)
    columns = {
        name: values.tolist() if isinstance(values, np.ma.MaskedArray) or values.dtype.kind == "O" else values
        for name, values in found.columns.items()
    }
    return b",".join(
        json_of({"rootid": str(root), **{name: values[begin:end] for name, values in columns.items()}})
        for root, begin, end in zip(found.identifiers, found.begins[:-1], found.begins[1:], strict=True)
    )


_THEIRS = (
    "SELECT DISTINCT ON (object.rootid, point.visit) object.rootid, point.visit, point.{id}, point.diaobjectid,"
    " point.midpointmjdtai, point.band, point.psfflux, point.psffluxerr FROM diaobject AS object"
    " JOIN {table} AS point ON point.diaobjectid = object.diaobjectid JOIN base_procver_of_procver AS part"
    " ON part.base_procver_id = point.base_procver_id AND part.procver_id = %(version)s AND part._table = '{table}'"
    " WHERE object.rootid = ANY(%(roots)s) ORDER BY object.rootid, point.visit, part.priority DESC"
)


def theirs(connection: psycopg.Connection[Any], version: Version, roots: Any) -> str:
    """The same by joins with priorities, grouped row by row."""
    detected, forced = (_THEIRS.format(table=table, id=f"{table}id") for table in ("diasource", "diaforcedsource"))
    rows = connection.execute(
        "SELECT coalesce(f.rootid, s.rootid), coalesce(f.midpointmjdtai, s.midpointmjdtai), s.diasourceid,"  # type: ignore[arg-type]
        " f.diaforcedsourceid, coalesce(f.visit, s.visit), coalesce(f.band, s.band), coalesce(f.psfflux, s.psfflux),"
        " coalesce(f.psffluxerr, s.psffluxerr), s.diasourceid IS NOT NULL, f.diaforcedsourceid IS NULL"
        f" FROM ({forced}) AS f FULL OUTER JOIN ({detected}) AS s ON f.rootid = s.rootid AND f.visit = s.visit"
        " ORDER BY 1, 2",
        {"version": version.identifier, "roots": list(roots)},
    ).fetchall()
    names = ["mjd", "diasourceid", "diaforcedsourceid", "visit", "band", "flux", "fluxerr", "isdet", "ispatch"]
    answers = []
    for root, points in groupby(rows, key=lambda row: row[0]):
        own = list(points)
        answers.append(
            {"rootid": str(root), **{name: [row[place] for row in own] for place, name in enumerate(names, start=1)}}
        )
    return json.dumps(answers)


def hot_of_theirs(connection: psycopg.Connection[Any], version: Version, since: float) -> list[Any]:
    """Root objects by their detections."""
    rows = connection.execute(
        "SELECT DISTINCT object.rootid FROM diaobject AS object JOIN diasource AS point"
        " ON point.diaobjectid = object.diaobjectid JOIN base_procver_of_procver AS part"
        " ON part.base_procver_id = point.base_procver_id AND part.procver_id = %s AND part._table = 'diasource'"
        " WHERE point.midpointmjdtai >= %s",
        (version.identifier, since),
    )
    return [row[0] for row in rows]


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


def timed(work: Callable[[], Any], times: int = 5) -> float:
    """Milliseconds of the fastest of some runs."""
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        found.append(time.perf_counter() - begin)
    return min(found) * 1e3


def measure(connection: psycopg.Connection[Any], objects: int) -> None:
    """Place all objects; then ask for many light curves and for what is hot, in two versions."""
    placed: list[Any] = []
    took = timed(lambda: placed.append(place_new(connection)), 1) / 1e3
    print(f"root objects: {placed[0].objects:,} objects in {took:.1f} s, {placed[0].objects / took:,.0f}/s")
    connection.execute("VACUUM ANALYZE diaobject, root_diaobject")
    print(f"the same again, nothing new: {timed(lambda: place_new(connection), 1):.0f} ms")
    random = np.random.default_rng(1)
    wanted = random.choice(objects, min(MANY, objects), replace=False) + 1
    for name in ("realtime", "dr1"):
        compare(
            connection,
            definitions.find(connection, name),
            wanted.tolist(),
            FIRST + DAYS + SEASON - DAYS * (HOT + 0.5) / objects,
        )


def compare(connection: psycopg.Connection[Any], version: Version, wanted: list[int], since: float) -> None:
    """Our time next to theirs, in one version."""
    roots = find_roots(connection, wanted)
    assert len(json.loads(theirs(connection, version, roots.identifiers))) == len(roots.identifiers)
    fast = timed(lambda: ours(connection, version, find_roots(connection, wanted)))
    slow = timed(lambda: theirs(connection, version, roots.identifiers), 2)
    print(f"{len(roots.identifiers):,} light curves, {version.description}: {fast:8.1f} ms, original's way {slow:8.1f}")
    one = [
        timed(lambda number=number: ours(connection, version, find_roots(connection, [number])), 1)  # type: ignore[misc]
        for number in wanted[:ASKED]
    ]
    middle, last = np.quantile(one, [0.5, 0.99])
    few = [[root] for root in roots.identifiers[:50]]
    slow = float(np.median([timed(lambda some=some: theirs(connection, version, some), 1) for some in few]))  # type: ignore[misc]
    print(
        f"one light curve, {version.description}: p50 {middle:.1f} ms, p99 {last:.1f} ms, original's way p50 {slow:.1f}"
    )
    found = hot_roots(connection, version, since)
    assert set(found.identifiers) == set(hot_of_theirs(connection, version, since))
    fast = timed(lambda: ours(connection, version, hot_roots(connection, version, since)))
    slow = timed(lambda: theirs(connection, version, hot_of_theirs(connection, version, since)), 2)
    print(f"{len(found.identifiers):,} hot objects, {version.description}: {fast:8.1f} ms, original's way {slow:8.1f}")


if __name__ == "__main__":
    main()
