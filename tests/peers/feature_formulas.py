"""The features of a light curve in plain Python, written from the contract's formulas, point by point.

This is the reference for the compiled code in tests and in `benchmarks/features.py`. It includes the deliberate
differences from Lasair, which `docs/features.md` lists.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import leastsq

BANDS = "ugrizy"
EXTINCTION = dict(zip(BANDS, (4.145, 3.237, 2.273, 1.684, 1.323, 1.088), strict=True))
WAVELENGTH = dict(zip(BANDS, (0.380, 0.500, 0.620, 0.740, 0.880, 1.000), strict=True))


class Point(NamedTuple):
    """A point of a light curve."""

    mjd: float
    flux: float
    band: str
    reliability: float | None = None


def corrected(point: Point, ebv: float) -> float:
    """Flux corrected for extinction."""
    return point.flux * 10 ** (ebv * EXTINCTION[point.band] / 2.5)


def black_body(wavelength: Any, temperature: Any) -> Any:
    """Black body per unit frequency."""
    return wavelength**-3 / (np.exp(14.387 / (wavelength * temperature)) - 1)


def modulus(*, distance: float | None = None, z: float | None = None, photo_z: float | None = None) -> float | None:
    """Distance modulus with the correction for the width of the band."""
    if distance:
        return 5 * math.log10(distance * 1e6) - 5
    redshift = z or photo_z
    if not redshift or redshift <= 0:
        return None
    radiation = 4.165e-5 / 0.7**2
    curvature = 1 - 0.3 - 0.7 - radiation
    first = 1 / (1 + redshift)
    comoving = 0.0
    for step in range(1000):
        a = first + (1 - first) * (step + 0.5) / 1000
        comoving += 1 / (a * math.sqrt(curvature + 0.3 / a + radiation / a**2 + 0.7 * a**2)) * (1 - first) / 1000
    root = math.sqrt(-curvature)
    distance = 299_792.458 / 70 * math.sin(root * comoving) / root * (1 + redshift)
    return 5 * math.log10(distance * 1e6) - 5 - 2.5 * math.log10(1 + redshift)


def counting(sources: list[Point]) -> dict[str, Any]:
    """Counts and newest values; sources in order of time."""
    reliabilities = [point.reliability for point in sources if point.reliability is not None]
    positive = [point for point in sources if point.flux > 0]
    result: dict[str, Any] = {
        "latest_psfflux": sources[-1].flux,
        "latestr": sources[-1].reliability,
        "medianr": statistics.median(reliabilities) if reliabilities else None,
        "firstdiasourcemjdtai": sources[0].mjd,
        "lastdiasourcemjdtai": sources[-1].mjd,
        "nposdiasources": len(positive),
        "nposdiasourcesnights": len({int(point.mjd + 0.5) for point in positive}),
        "nsourcesgood": sum(value > 0.5 for value in reliabilities),
    }
    for band in BANDS:
        chosen = [point for point in sources if point.band == band]
        result[f"{band}_psfflux"] = chosen[-1].flux if chosen else None
        result[f"{band}_latestmjd"] = chosen[-1].mjd if chosen else None
        result[f"n{band}sources"] = len(chosen)
    return result


def luminosity(sources: list[Point], ebv: float, mu: float | None) -> dict[str, Any]:
    """Brightest absolute magnitude."""
    found = [
        (31.4 - 2.5 * math.log10(corrected(point, ebv)) - mu, point.mjd)
        for point in sources
        if mu is not None and point.band in BANDS and point.flux > 0
    ]
    best = min(found, key=lambda item: item[0], default=(None, None))
    return {"absmag": best[0], "absmagmjd": best[1]}


def jumps(sources: list[Point]) -> dict[str, Any]:
    """Deviations of the last ten days."""
    newest = sources[-1].mjd
    found = []
    for band in BANDS:
        sample = [point.flux for point in sources if point.band == band and 10 < newest - point.mjd < 70]
        recent = [point.flux for point in sources if point.band == band and 0 <= newest - point.mjd < 10]
        if len(sample) >= 5 and recent and len(set(sample)) > 1:
            mean, scatter = statistics.fmean(sample), statistics.stdev(sample)
            found.append(max(abs(flux - mean) / scatter for flux in recent))
    largest = sorted([*found, 0.0, 0.0], reverse=True)
    return {"jump1": largest[0], "jump2": largest[1]}


def colour_temperature(blue: str, red: str, ratio: float) -> float | None:
    """Newton's method, the derivative of the black body written out."""

    def slope(band: str, temperature: float) -> float:
        exponent = 14.387 / (WAVELENGTH[band] * temperature)
        numerator = math.exp(exponent) * exponent / temperature
        return float(WAVELENGTH[band] ** -3 * numerator / (math.exp(exponent) - 1) ** 2)

    temperature = 12.0
    for _ in range(50):
        value = black_body(WAVELENGTH[blue], temperature) - ratio * black_body(WAVELENGTH[red], temperature)
        change = float(value / (slope(blue, temperature) - ratio * slope(red, temperature)))
        temperature -= change
        if temperature <= 0:
            return None
        if abs(change) < 0.001:
            return temperature
    return None


def pairs(sources: list[Point], ebv: float) -> dict[str, Any]:
    """Colours and temperatures of the newest pairs."""
    found: list[tuple[Any, ...]] = []
    for earlier, later in zip(sources[-2::-1], sources[:0:-1], strict=True):
        if later.mjd - earlier.mjd >= 40 / 1440 or later.band == earlier.band:
            continue
        if later.band not in BANDS or earlier.band not in BANDS:
            continue
        blue, red = sorted((earlier, later), key=lambda point: BANDS.index(point.band))
        values: tuple[Any, ...] = (None, None, None, None)
        if blue.flux * red.flux > 0:
            ratio = corrected(blue, ebv) / corrected(red, ebv)
            temperature = colour_temperature(blue.band, red.band, ratio)
            if temperature is not None:
                values = (later.mjd, -2.5 * math.log10(ratio), f"{blue.band}-{red.band}", temperature)
        found.append(values)
        if len(found) == 2:
            break
    found += [(None,) * 4] * (2 - len(found))
    names = ("mjd", "colourmag", "colourbands", "colourtemp")
    return {
        f"{which}pair{name}": value
        for which, values in zip(("latest", "penultimate"), found, strict=True)
        for name, value in zip(names, values, strict=True)
    }


def explosions(sources: list[Point], forced: list[Point], ebv: float, mu: float | None) -> dict[str, Any]:
    """Black-body fits with SciPy's MINPACK."""
    result = dict.fromkeys(
        ("bbbriserate", "bbbfallrate", "bbbtemp", "bbbpeakflux", "bbbpeakmjd", "bbbpeakabsmag"), None
    )  # type: dict[str, Any]
    if len(sources) < 5:
        return result
    start = sources[0].mjd
    points = [*[point for point in forced if point.mjd < start][-4:], *sources]
    points = [point for point in points if point.band in BANDS]
    if len(points) < 5:
        return result
    time = np.array([point.mjd - start for point in points])
    flux = np.array([corrected(point, ebv) for point in points])
    wavelength = np.array([WAVELENGTH[point.band] for point in points])
    scatter = ((flux - flux.mean()) ** 2).sum()

    def exponential(x: Any) -> Any:
        return x[0] * black_body(wavelength, x[1]) * np.exp(x[2] * time) - flux

    def bazin(x: Any) -> Any:
        since = time - x[2]
        return x[0] * black_body(wavelength, x[1]) * np.exp(-x[4] * since) / (1 + np.exp(-x[3] * since)) - flux

    def fit(model: Callable[[Any], Any], initial: list[float]) -> tuple[Any, Any, int, float]:
        x, covariance, info, _, _ = leastsq(model, initial, full_output=True, maxfev=500)
        return x, covariance, info["nfev"], float((info["fvec"] ** 2).sum())

    for a, t, t0, rise, fall in ((100, 4, 6, 0.1, 0.01), (1000, 4, -5, 0.01, 0.01)):
        with np.errstate(all="ignore"):
            x, covariance, evaluations, squares = fit(exponential, [a, t, rise - fall])
            rising = covariance is not None and evaluations < 500 and squares / scatter <= 0.35 and 0 <= x[2] <= 2
            rising = rising and 10 * math.sqrt(covariance[2, 2]) <= x[2]
            score = len(points) * np.log(squares / len(points)) + 6
            y, _, evaluations, squares = fit(bazin, [a, t, t0, rise, fall])
            peaked = evaluations < 500 and 0 < squares <= 0.25 * scatter and 0 <= y[3] <= 15 and 0 <= y[4] <= 2
            other = len(points) * np.log(squares / len(points)) + 10
        if rising and not (peaked and other <= score):
            return result | {"bbbriserate": x[2], "bbbtemp": x[1]}
        if peaked:
            result |= {"bbbriserate": y[3], "bbbfallrate": y[4], "bbbtemp": y[1], "bbbpeakmjd": start}
            if y[3] > y[4]:
                since = -math.log(y[4] / (y[3] - y[4])) / y[3] if y[4] else math.inf
                brightest = max(black_body(value, y[1]) for value in WAVELENGTH.values())
                peak = y[0] * brightest * math.exp(-y[4] * since) / (1 + math.exp(-y[3] * since))
                result |= {"bbbpeakmjd": start + y[2] + since, "bbbpeakflux": peak}
                if mu is not None and peak > 0:
                    result["bbbpeakabsmag"] = 31.4 - 2.5 * math.log10(peak) - mu
            return result
    return result


def latitude(ra: float, dec: float) -> float:
    """Galactic latitude."""
    pole, height, angle = math.radians(27.1283), math.radians(dec), math.radians(ra - 192.85948)
    return math.degrees(
        math.asin(math.sin(pole) * math.sin(height) + math.cos(pole) * math.cos(height) * math.cos(angle))
    )


def features(alert: dict[str, Any]) -> dict[str, Any]:
    """Every feature of an alert in the form of the contract."""

    def points(name: str) -> list[Point]:
        found = [
            Point(item["midpointMjdTai"], item["psfFlux"], item["band"], item.get("reliability"))
            for item in alert.get(name) or []
            if item["psfFlux"] is not None
        ]
        return sorted(found, key=lambda point: point.mjd)

    sources, ebv, where = points("diaSourcesList"), alert["ebv"], alert["diaObject"]
    context = ((alert.get("annotations") or {}).get("sherlock") or [{}])[0]
    explosive = context.get("classification") in ("SN", "NT", "ORPHAN")
    mu = modulus(distance=context.get("best_distance"), z=context.get("z"), photo_z=context.get("photoZ"))
    forced = points("diaForcedSourcesList")
    result = counting(sources) | luminosity(sources, ebv, mu if explosive else None)
    result |= explosions(sources if explosive else [], forced, ebv, mu)
    result |= jumps(sources) | pairs(sources, ebv)
    return result | {"ebv": ebv, "glat": latitude(where["ra"], where["decl"])}


def differences(expected: list[dict[str, Any]], found: dict[str, Any], tolerance: float = 1e-9) -> list[str]:
    """What differs between features of objects, one by one, and columns of features; NaN is None."""
    wrong = []
    for row, features_of in enumerate(expected):
        for name, value in features_of.items():
            got = found[name][row]
            got = got.item() if hasattr(got, "item") else got
            got = None if isinstance(got, float) and math.isnan(got) else got
            if isinstance(value, int | float) and isinstance(got, int | float):
                close = math.isclose(value, got, rel_tol=tolerance, abs_tol=tolerance)
            else:
                close = value == got
            if not close:
                wrong.append(f"object {row}, {name}: expected {value}, got {got}")
    return wrong
