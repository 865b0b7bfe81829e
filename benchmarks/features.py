"""Features of light curves: throughput of each stage, compared with the contract's formulas in plain Python.

The light curves are simulated: explosions (a black body that rises and fades), variable stars and artefacts, with one
to two hundred sources each; the stated fraction of them has the class and the sources for a black-body fit. The plain
method is `tests/peers/feature_formulas.py`, with SciPy's MINPACK, on a sample of the same objects.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker_assets.lightcurves.curves import LightCurves, Points
from broker_assets.lightcurves.dust import read_dust_map
from broker_assets.lightcurves.explosions import FEWEST
from broker_assets.lightcurves.features import GROUPS, features
from broker_assets.lightcurves.luminosity import distance_moduli
from broker_assets.lightcurves.photometry import BANDS, WAVELENGTH

OBJECTS = 40_000
SAMPLE = 300
EXPLOSIVE = 0.25
"""Share of objects whose class lets them be explosions."""
TARGETS = {"all but fits": 40_000.0, "explosion, per fitted object": 1_000.0}
"""Objects a second on one core."""


def plain_formulas() -> ModuleType:
    """The formulas in plain Python, which are the reference of the tests."""
    path = Path(__file__).parents[1] / "tests" / "peers" / "feature_formulas.py"
    spec = importlib.util.spec_from_file_location("feature_formulas", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def black_body(wavelength: NDArray[np.float64], temperature: NDArray[np.float64]) -> NDArray[np.float64]:
    """Black body per unit frequency."""
    return np.asarray(wavelength**-3 / (np.exp(14.387 / (wavelength * temperature)) - 1))


def simulated(objects: int, seed: int = 1) -> tuple[dict[str, NDArray[Any]], LightCurves]:
    """Points of objects, in packet order, and their light curves."""
    random = np.random.default_rng(seed)
    number = np.minimum(1 + random.geometric(1 / 25, objects), 200)
    owner = np.repeat(np.arange(objects), number)
    explosive = random.random(objects) < EXPLOSIVE
    night = random.integers(0, 60, len(owner))
    mjd = 61000.0 + night + random.choice([0.1, 0.115], len(owner)) + random.uniform(0, 0.002, len(owner))
    band = random.integers(0, 6, len(owner)).astype(np.int8)
    temperature = random.uniform(4, 15, objects)[owner]
    rise, fall = random.uniform(0.1, 0.6, objects)[owner], random.uniform(0.01, 0.09, objects)[owner]
    since = mjd - 61000.0 - random.uniform(5, 40, objects)[owner]
    burst = 300 * black_body(WAVELENGTH[band], temperature) * np.exp(-fall * since) / (1 + np.exp(-rise * since))
    steady = random.normal(0, 2000, len(owner))
    flux = np.where(explosive[owner], burst * random.normal(1, 0.05, len(owner)), steady)
    flux += random.normal(0, 50, len(owner))
    forced = np.repeat(np.arange(objects), 6)
    columns = {"owner": owner, "mjd": mjd, "flux": flux, "band": band, "reliability": random.random(len(owner))}
    curves = LightCurves.of(
        Points.of(objects, **columns),
        Points.of(
            objects, forced, 60990.0 + random.uniform(0, 9, len(forced)), random.normal(0, 50, len(forced)),
            random.integers(0, 6, len(forced)),
        ),
    )  # fmt: skip
    return columns, curves.with_(
        ra=random.uniform(0, 360, objects),
        dec=np.degrees(np.arcsin(random.uniform(-1, 1, objects))),
        explosive=explosive,
        redshift=np.where(random.random(objects) < 0.5, random.uniform(0.01, 0.5, objects), np.nan),
    )


def measured(work: Callable[[], Any], repeats: int) -> float:
    """Least processor time of one thread, seconds; the first call compiles or loads."""
    work()
    best = np.inf
    for _ in range(repeats):
        start = time.thread_time()
        work()
        best = min(best, time.thread_time() - start)
    return float(best)


def alerts_of(curves: LightCurves, rows: range) -> list[dict[str, Any]]:
    """Light curves in the form that the plain formulas take."""

    def listed(points: Points, row: int) -> list[dict[str, Any]]:
        return [
            {
                "midpointMjdTai": float(points.mjd[at]), "psfFlux": float(points.flux[at]),
                "band": BANDS[points.band[at]], "reliability": float(points.reliability[at]),
            }
            for at in range(points.offsets[row], points.offsets[row + 1])
        ]  # fmt: skip

    return [
        {
            "diaObject": {"ra": float(curves.ra[row]), "decl": float(curves.dec[row])},
            "diaSourcesList": listed(curves.sources, row),
            "diaForcedSourcesList": listed(curves.forced, row),
            "ebv": float(curves.ebv[row]),
            "annotations": {
                "sherlock": [
                    {
                        "classification": "SN" if curves.explosive[row] else "VS",
                        "z": None if np.isnan(curves.redshift[row]) else float(curves.redshift[row]),
                    }
                ]
            },
        }
        for row in rows
    ]


def measure(objects: int = OBJECTS, sample: int = SAMPLE, repeats: int = 3) -> list[tuple[str, float, float | None]]:
    """Objects a second, ours and plain, by stage."""
    columns, curves = simulated(objects)
    dust = read_dust_map()
    curves = curves.with_(ebv=dust.ebv(curves.ra, curves.dec))
    moduli = distance_moduli(curves)
    plain = plain_formulas()
    chosen = range(min(sample, objects))
    alerts = alerts_of(curves, chosen)

    def point(item: dict[str, Any]) -> Any:
        return plain.Point(item["midpointMjdTai"], item["psfFlux"], item["band"], item["reliability"])

    points = [
        (
            sorted(map(point, alert["diaSourcesList"]), key=lambda source: source.mjd),
            list(map(point, alert["diaForcedSourcesList"])),
            alert["ebv"],
            plain.modulus(z=alert["annotations"]["sherlock"][0]["z"]),
        )
        for alert in alerts
    ]
    fitted = curves.explosive & (np.diff(curves.sources.offsets) >= FEWEST)
    with_fit = [row for row in chosen if fitted[row]]
    only = curves.with_(explosive=fitted)
    ways: dict[str, Callable[[], Any]] = {
        "counting": lambda: [plain.counting(sources) for sources, *_ in points],
        "luminosity": lambda: [plain.luminosity(sources, ebv, mu) for sources, _, ebv, mu in points],
        "galactic": lambda: [plain.latitude(item["diaObject"]["ra"], item["diaObject"]["decl"]) for item in alerts],
        "jump": lambda: [plain.jumps(sources) for sources, *_ in points],
        "pair": lambda: [plain.pairs(sources, ebv) for sources, _, ebv, _ in points],
    }
    figures: list[tuple[str, float, float | None]] = [
        ("order points", objects / measured(lambda: Points.of(objects, **columns), repeats), None),
        ("dust map", objects / measured(lambda: dust.ebv(curves.ra, curves.dec), repeats), None),
        (
            "distance moduli",
            objects / measured(lambda: distance_moduli(curves), repeats),
            len(chosen) / measured(lambda: [plain.modulus(z=0.1) for _ in chosen], 1),
        ),
    ]
    for group in GROUPS:
        if group.name in ways:
            ours = objects / measured(lambda group=group: group.compute(curves, moduli), repeats)  # type: ignore[misc]
            figures.append((group.name, ours, len(chosen) / measured(ways[group.name], 1)))
    nothing = curves.with_(explosive=np.zeros(objects, bool))
    figures.append(("all but fits", objects / measured(lambda: features(nothing), repeats), None))
    explosion = next(group for group in GROUPS if group.name == "explosion")
    figures.append(
        (
            "explosion, per fitted object",
            fitted.sum() / measured(lambda: explosion.compute(only, moduli), repeats),
            len(with_fit) / measured(lambda: [plain.explosions(*points[row]) for row in with_fit], 1),
        )
    )
    everything = objects / measured(lambda: features(curves), repeats)
    figures.append(("everything", everything, len(chosen) / measured(lambda: list(map(plain.features, alerts)), 1)))
    return figures


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=OBJECTS)
    parser.add_argument("--sample", type=int, default=SAMPLE, help="objects for the plain way")
    arguments = parser.parse_args()
    _, curves = simulated(arguments.objects)
    number = np.diff(curves.sources.offsets)
    fitted = curves.explosive & (number >= FEWEST)
    print(
        f"{arguments.objects:,} objects, {number.mean():.1f} sources each; {fitted.mean():.1%} have a black-body fit."
        " Processor time of one thread."
    )
    print(f"{'stage':30} {'objects/s/core':>15} {'plain Python':>13} {'times':>7} {'target':>9}")
    for stage, ours, plain in measure(arguments.objects, arguments.sample):
        ratio = "" if plain is None else f"{ours / plain:,.0f}"
        target = f"{TARGETS[stage]:,.0f}" if stage in TARGETS else ""
        print(f"{stage:30} {ours:15,.0f} {'' if plain is None else f'{plain:,.0f}':>13} {ratio:>7} {target:>9}")


if __name__ == "__main__":
    main()
