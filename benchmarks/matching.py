"""Watchlists and areas: building the indices, changing one cone, matching, and the cost as the number of lists grows.

Each figure is compared with the method of sections 1.6 and 4.4 of the contract, in a plain implementation: a MOC of
hexagons by repeated union, a test of every list's MOC, then a loop over the cones of a chunk with flat distances.
"""

from __future__ import annotations

import argparse
import math
import resource
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import astropy.units as u
import numpy as np
from astropy.coordinates import Latitude, Longitude
from mocpy import MOC

from broker_assets.sky.areas import build_area_index, match_areas
from broker_assets.sky.cones import ConeIndex, build_cone_index, match_cones, update_cone_index
from broker_assets.sky.watchlists import watchlist_mocs

Result = TypeVar("Result")
RADIUS = 3.0


def timed(work: Callable[[], Result], repeats: int = 3) -> tuple[float, Result]:
    """Shortest time of some repeats, seconds."""
    best = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - start)
    return best, result


def sky(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions all over the sky."""
    return random.uniform(0, 360, count), np.degrees(np.arcsin(random.uniform(-1, 1, count)))


def row(what: str, figure: str, compared: str = "") -> None:
    """One line of the table."""
    print(f"{what:<62}{figure:>22}  {compared}")


def hexagon_moc(ra: np.ndarray, dec: np.ndarray, radius: np.ndarray) -> MOC:
    """MOC of hexagons inscribed in the cones, united one by one."""
    moc = MOC.new_empty(13)
    for x, y, size in zip(ra, dec, radius / 3600, strict=True):
        angle = np.arange(6) * np.pi / 3
        corners_x = x + size * np.cos(angle) / np.cos(np.radians(y))
        moc = moc.union(
            MOC.from_polygon(Longitude(corners_x, u.deg), Latitude(y + size * np.sin(angle), u.deg), max_depth=13)
        )
    return moc


def loop_over_lists(lists: list[tuple[MOC, np.ndarray, np.ndarray]], ra: np.ndarray, dec: np.ndarray) -> int:
    """Every list's MOC for all positions, then every cone of the list for each position inside."""
    hits = 0
    for moc, cone_ra, cone_dec in lists:
        for row_inside in np.flatnonzero(moc.contains_lonlat(ra * u.deg, dec * u.deg)):
            x, y = ra[row_inside], dec[row_inside]
            factor = math.cos(math.radians(y))
            for cone in range(len(cone_ra)):
                if math.hypot((x - cone_ra[cone]) * factor, y - cone_dec[cone]) < RADIUS / 3600:
                    hits += 1
    return hits


def cones(random: np.random.Generator, count: int, alerts: int) -> None:
    """One index of many cones."""
    ra, dec = sky(random, count)
    radius = np.full(count, RADIUS)
    build_cone_index(ra[:10], dec[:10], radius[:10])
    seconds, index = timed(lambda: build_cone_index(ra, dec, radius))
    sample = 300
    slow, _ = timed(lambda: hexagon_moc(ra[:sample], dec[:sample], radius[:sample]), 1)
    row(f"build the index of {count:,} cones", f"{seconds:.2f} s", f"hexagons one by one: {sample / slow:,.0f} cones/s")
    seconds, _ = timed(lambda: watchlist_mocs(index, order=13, chunk=50_000), 1)
    row(f"MOCs of {count:,} cones, chunks of 50,000", f"{seconds:.2f} s", f"{count / seconds:,.0f} cones/s")
    removed = np.zeros(count, bool)
    removed[count // 2] = True
    added = build_cone_index([1.0], [1.0], [RADIUS])
    seconds, changed = timed(lambda: update_cone_index(index, removed=removed, added=added))
    row("change one cone", f"{seconds * 1e3:.0f} ms", f"version {changed.version[:16]}…")
    at_ra, at_dec = sky(random, alerts)
    at_ra[: alerts // 10], at_dec[: alerts // 10] = ra[: alerts // 10], dec[: alerts // 10]
    seconds, hits = timed(lambda: match_cones(index, at_ra, at_dec))
    row(f"match {alerts:,} alerts with {count:,} cones", f"{alerts / seconds:,.0f} alerts/s", f"{len(hits):,} hits")


def growth(random: np.random.Generator, alerts: int) -> None:
    """Cost of a batch as the number of lists grows, 100 cones each."""
    at_ra, at_dec = sky(random, alerts)
    print(f"\ncost of a batch of {alerts:,} alerts as lists of 100 cones grow")
    print(f"{'lists':>8}{'cones':>12}{'index, ms':>12}{'MOC and loop, ms':>20}")
    for lists in (10, 100, 1_000, 10_000):
        ra, dec = sky(random, lists * 100)
        index: ConeIndex = build_cone_index(ra, dec, np.full(lists * 100, RADIUS))
        seconds, _ = timed(partial(match_cones, index, at_ra, at_dec))
        naive = "–"
        if lists <= 100:
            made = [
                (
                    watchlist_mocs(build_cone_index(part_ra, part_dec, np.full(100, RADIUS)), order=13)[0],
                    part_ra,
                    part_dec,
                )
                for part_ra, part_dec in zip(np.split(ra, lists), np.split(dec, lists), strict=True)
            ]
            slow, _ = timed(partial(loop_over_lists, made, at_ra, at_dec), 1)
            naive = f"{slow * 1e3:,.0f}"
        print(f"{lists:>8,}{lists * 100:>12,}{seconds * 1e3:>12.1f}{naive:>20}")


def areas(random: np.random.Generator, count: int, alerts: int) -> None:
    """One index of many areas of order 10."""
    ra, dec = sky(random, count)
    mocs = MOC.from_cones(Longitude(ra, u.deg), Latitude(dec, u.deg), radius=1.0 * u.deg, max_depth=10)
    made = dict(enumerate(mocs))
    seconds, index = timed(lambda: build_area_index(made), 1)
    row(f"build the index of {count:,} areas of order 10", f"{seconds:.2f} s", f"{len(index.cells.cell):,} cells")
    at_ra, at_dec = sky(random, alerts)
    seconds, hits = timed(lambda: match_areas(index, at_ra, at_dec))
    part = list(mocs)[:200]
    slow, _ = timed(lambda: [moc.contains_lonlat(at_ra * u.deg, at_dec * u.deg) for moc in part], 1)
    row(
        f"match {alerts:,} alerts with {count:,} areas",
        f"{alerts / seconds:,.0f} alerts/s",
        f"{len(hits):,} hits; MOC by MOC: {alerts / (slow * count / len(part)):,.0f} alerts/s",
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cones", type=int, default=1_000_000)
    parser.add_argument("--areas", type=int, default=10_000)
    parser.add_argument("--alerts", type=int, default=100_000)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    cones(random, arguments.cones, arguments.alerts)
    areas(random, arguments.areas, arguments.alerts)
    growth(random, 10_000)
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
