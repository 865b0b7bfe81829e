"""Association of positions with catalogues: the defaults alone, and with a synthetic catalogue on disk.

    python benchmarks/context.py                       # five million sources on disk
    python benchmarks/context.py --rows 100000000 --folder /data/scratch

The naive method, in the same run, is the one described in the contract, in plain Python: for each position and search,
the sources of the catalogue one by one. Its catalogues are cut beforehand to the sources near the positions, which
favours it. Default catalogues are those of `--catalogues`, or are fetched; those that cannot be fetched are left out
and named.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from broker_assets.context.catalogue import Sources
from broker_assets.context.defaults import load_defaults
from broker_assets.context.footprint import sources_near
from broker_assets.context.in_force import CataloguesInForce, Opened
from broker_assets.context.rules import Search
from broker_assets.context.store import CatalogueStore

POSITIONS = 10_000
FIELDS, FIELD_DEGREES = 10, 1.75
"""Fields of a camera that the positions lie in, and the radius of one."""
NAIVE = 300
"""Positions that the naive way associates."""
SYNTHETIC = "ps1_galaxies"
"""Name of the catalogue on disk: one that the default rules search."""
PART = 2_000_000
LEAST = 20_000
MOST_SECONDS, MOST_BYTES = 3.0, 1 << 30


def make(folder: Path, rows: int) -> None:
    """A catalogue of galaxies all over the sky, made once; parts are written one after the other."""
    store = CatalogueStore(folder / "catalogues")
    if any(item.name == SYNTHETIC and item.rows == rows for item in store.list()):
        return
    parts = folder / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(7)
    for start in range(0, rows, PART):
        count = min(PART, rows - start)
        numbers = pa.array(np.arange(start, start + count))
        table = pa.table(
            {
                "identifier": numbers.cast(pa.string()),
                "ra": generator.uniform(0, 360, count),
                "dec": np.degrees(np.arcsin(generator.uniform(-1, 1, count))),
                "magnitude": generator.uniform(15, 23, count),
                "photometric_redshift": generator.uniform(0.01, 1, count),
                "major_axis": generator.uniform(1, 20, count),
            }
        )
        pq.write_table(table, parts / f"{start:012d}.parquet")
    began = time.perf_counter()
    store.add(SYNTHETIC, parts)
    shutil.rmtree(parts)
    print(f"{rows:,} sources loaded in {time.perf_counter() - began:.0f} s")


def places(seed: int = 3) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Positions in some fields of a camera, as a few visits have them."""
    generator = np.random.default_rng(seed)
    centre = generator.uniform(0, 360, FIELDS), generator.uniform(-60, 0, FIELDS)
    field = generator.integers(0, FIELDS, POSITIONS)
    radius = FIELD_DEGREES * np.sqrt(generator.random(POSITIONS))
    angle = generator.uniform(0, 2 * np.pi, POSITIONS)
    dec = centre[1][field] + radius * np.sin(angle)
    ra = np.mod(centre[0][field] + radius * np.cos(angle) / np.cos(np.radians(dec)), 360.0)
    return ra, dec, np.full(POSITIONS, 2026.4)


def best_of(opened: Opened, where: tuple[NDArray[np.float64], ...], repeats: int) -> tuple[float, pa.Table]:
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        found = opened.associate(where[0], where[1], where[2])
        seconds.append(time.perf_counter() - began)
    return min(seconds), found


def naive(opened: Opened, where: tuple[NDArray[np.float64], ...]) -> tuple[float, int]:
    """Seconds for `NAIVE` positions, and how many have a match: the searches of the rules in plain Python."""
    ra, dec = where[0][:NAIVE], where[1][:NAIVE]
    near = sources_near(opened.rules, opened.catalogues, ra, dec, epoch=float(where[2][0]))
    rows = {name: plain(sources) for name, sources in near.items()}
    began = time.perf_counter()
    matched = 0
    for one_ra, one_dec in zip(ra.tolist(), dec.tolist(), strict=True):
        found: list[tuple[float, Search, dict[str, Any]]] = []
        for search in opened.rules.searches:
            for row in rows.get(search.catalogue, ()):
                if abs(row["dec"] - one_dec) * 3600.0 > search.radius or not selected(search, row):
                    continue
                away = separation(one_ra, one_dec, row["ra"], row["dec"])
                if away <= search.radius and (not search.within_axis or away < row["major_axis"] * 1.25):
                    found.append((away, search, row))
        if found:
            matched += 1
            away, search, row = min(found, key=lambda item: item[0])
            _ = f"The position is near the {search.kind} {row['identifier']} ({search.catalogue}): {away:.2f}″."
    return time.perf_counter() - began, matched


def plain(sources: Sources) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = sources.table().to_pylist()
    return rows


def selected(search: Search, row: dict[str, Any]) -> bool:
    for name, (low, high) in (search.where or {}).items():
        if row[name] is None or not low <= row[name] <= high:
            return False
    if search.within_axis and row["major_axis"] is None:
        return False
    return all(row[name] is not None for name in search.known)


def separation(ra: float, dec: float, other_ra: float, other_dec: float) -> float:
    """Arcseconds (haversine)."""
    a, b, c, d = map(math.radians, (ra, dec, other_ra, other_dec))
    half = math.sin((d - b) / 2) ** 2 + math.cos(b) * math.cos(d) * math.sin((c - a) / 2) ** 2
    return math.degrees(2 * math.asin(math.sqrt(half))) * 3600.0


def peak() -> int:
    """Largest resident memory of this process, bytes; `getrusage` would give that of its parent if that was larger."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise LookupError("/proc/self/status has no VmHWM")


def child(folder: Path, defaults_only: bool) -> None:
    """One measurement in a process of its own, so that its memory is its own."""
    in_force = CataloguesInForce(folder / "catalogues")
    opened = in_force.opened()
    if defaults_only:
        opened = Opened(opened.rules, {name: item for name, item in opened.catalogues.items() if name != SYNTHETIC})
    where = places()
    cold = time.perf_counter()
    opened.associate(*where)
    cold = time.perf_counter() - cold
    cpu = time.process_time()
    seconds, found = best_of(opened, where, 5)
    cpu = (time.process_time() - cpu) / 5
    memory = peak()
    plainly, _ = naive(opened, where)
    classes = found["classification"].value_counts().to_pylist()
    print(
        json.dumps(
            {
                "cold": cold, "warm": seconds, "cpu": cpu, "naive": plainly / NAIVE * POSITIONS,
                "memory": memory,
                "classes": {item["values"]: item["counts"] for item in classes},
                "sources": sum(item.rows for item in opened.catalogues.values()),
            }
        )
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000, help="sources of the synthetic catalogue")
    parser.add_argument("--folder", type=Path, help="where it is made; removed afterwards")
    parser.add_argument("--catalogues", type=Path, help="folder of default catalogues that are loaded already")
    parser.add_argument("--wheels", type=Path, help="folder with the wheels of the default catalogues")
    parser.add_argument("--child", choices=["defaults", "all"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.folder, arguments.child == "defaults")
        return
    with tempfile.TemporaryDirectory(prefix="broker-bench-context-", dir=arguments.folder) as name:
        folder = Path(name)
        if arguments.catalogues:
            shutil.copytree(arguments.catalogues, folder / "catalogues")
        else:
            for outcome in load_defaults(CatalogueStore(folder / "catalogues"), wheels=arguments.wheels):
                if outcome.stored is None:
                    print(f"without {outcome.default.catalogue}: {outcome.problem}")
        make(folder, arguments.rows)
        measured = {which: run(folder, which) for which in ("defaults", "all")}
    print(f"{POSITIONS:,} positions in {FIELDS} fields, with ranks and text; one core")
    print(
        f"{'':22}{'sources':>14}{'cold s':>9}{'warm s':>9}{'positions/s':>13}{'naive /s':>10}{'times':>8}{'memory':>10}"
    )
    for which, result in measured.items():
        rate, slow = POSITIONS / result["warm"], POSITIONS / result["naive"]
        print(
            f"{'default catalogues' if which == 'defaults' else 'and one on disk':22}{result['sources']:>14,}"
            f"{result['cold']:>9.2f}{result['warm']:>9.3f}{rate:>13,.0f}{slow:>10,.1f}{rate / slow:>8,.0f}"
            f"{result['memory'] / 1e6:>7,.0f} MB"
        )
    print(f"classes: {measured['all']['classes']}")
    assert POSITIONS / measured["defaults"]["warm"] >= LEAST, measured["defaults"]
    assert measured["all"]["warm"] < MOST_SECONDS, measured["all"]
    assert measured["all"]["memory"] < MOST_BYTES, measured["all"]


def run(folder: Path, which: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--folder", str(folder), "--child", which]
    # One core: Arrow would take all of them.
    limits = {"OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **limits})
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
