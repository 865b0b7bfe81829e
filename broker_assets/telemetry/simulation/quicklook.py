"""Quick-look packets of a day: light curves, background, spectra, variance, flare flags, status and flare list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.simulation.drafts import (
    ALL_DETECTORS,
    ALL_PIXELS,
    Draft,
    Values,
    chunks,
    compressed,
    edge_mask,
    scheme,
)
from broker_assets.telemetry.simulation.sun import BANDS, SECONDS_PER_DAY, Sun, bands, generator

LIGHT_CURVE_SECONDS: Final = 4
BACKGROUND_SECONDS: Final = 8
SPECTRA_SECONDS: Final = 32
VARIANCE_SECONDS: Final = 4
FLARE_SECONDS: Final = 8
SAMPLES: Final = 300
"""Time bins of a packet, at most."""
SPECTRA_SAMPLES: Final = 90
STATUS_SECONDS: Final = 3600
COUNTS_SCHEME: Final = (0, 5, 3)
BACKGROUND_SHARE: Final = 1 / 33
"""Share of the background that the background detector sees."""
TRIGGERS_PER_COUNT: Final = 1.08


def of_day(sun: Sun, day: int) -> Iterator[Draft]:
    """All quick-look packets whose measurements begin on an on-board day.

    Parameters
    ----------
    sun : Sun
    day : int
        Days since 2000-01-01.
    """
    yield from light_curves(sun, day)
    yield from background(sun, day)
    yield from spectra(sun, day)
    yield from variance(sun, day)
    yield from flare_flags(sun, day)
    yield from flare_list(sun, day)


def _times(day: int, length: int) -> NDArray[np.float64]:
    """On-board seconds at which the time bins of a day begin."""
    return np.asarray(np.arange(day * SECONDS_PER_DAY, (day + 1) * SECONDS_PER_DAY, length), dtype=np.float64)


def _head(start: float, length: int) -> Values:
    # The length is in steps of 0.1 s, minus one.
    return {"NIX00445": int(start), "NIX00405": length * 10 - 1}


def light_curves(sun: Sun, day: int) -> Iterator[Draft]:
    """(21,6,30): five energy bands, triggers and rate control regime every 4 s."""
    random = generator(sun.seed, day, "light curves")
    times = _times(day, LIGHT_CURVE_SECONDS)
    middle = times + LIGHT_CURVE_SECONDS / 2
    rates = sun.rates(middle)
    counts = random.poisson(bands(rates) * LIGHT_CURVE_SECONDS)
    triggers = random.poisson(rates.sum(axis=1) * TRIGGERS_PER_COUNT * LIGHT_CURVE_SECONDS)
    regime = sun.attenuator(middle).astype(int)
    low, upper = edge_mask([first for first, _ in BANDS] + [BANDS[-1][1]])
    for part in chunks(len(times), SAMPLES):
        size = part.stop - part.start
        values = _head(times[part.start], LIGHT_CURVE_SECONDS) | {
            "NIX00407": ALL_DETECTORS,
            "NIXD0407": ALL_PIXELS,
            "NIXD0107": upper,
            "NIX00266": low,
            "NIX00270": len(BANDS),
            "NIX00271": [size] * len(BANDS),
            "NIX00272": compressed(counts[part].T, *COUNTS_SCHEME),
            "NIX00273": size,
            "NIX00274": compressed(triggers[part], *COUNTS_SCHEME),
            "NIX00275": size,
            "NIX00276": regime[part].tolist(),
        }
        values |= scheme(("NIXD0101", "NIXD0102", "NIXD0103"), *COUNTS_SCHEME)
        values |= scheme(("NIXD0104", "NIXD0105", "NIXD0106"), *COUNTS_SCHEME)
        yield Draft((21, 6, 30), _sent(times, part, LIGHT_CURVE_SECONDS), values)


def background(sun: Sun, day: int) -> Iterator[Draft]:
    """(21,6,31): the background detector in the same bands every 8 s."""
    random = generator(sun.seed, day, "background")
    times = _times(day, BACKGROUND_SECONDS)
    middle = times + BACKGROUND_SECONDS / 2
    rates = sun.background(middle) * BACKGROUND_SHARE + sun.rates(middle) * 0.0005
    counts = random.poisson(bands(rates) * BACKGROUND_SECONDS)
    triggers = random.poisson(rates.sum(axis=1) * TRIGGERS_PER_COUNT * BACKGROUND_SECONDS)
    low, upper = edge_mask([first for first, _ in BANDS] + [BANDS[-1][1]])
    for part in chunks(len(times), SAMPLES):
        size = part.stop - part.start
        values = _head(times[part.start], BACKGROUND_SECONDS) | {
            "NIXD0111": upper,
            "NIX00266": low,
            "NIX00270": len(BANDS),
            "NIX00277": [size] * len(BANDS),
            "NIX00278": compressed(counts[part].T, *COUNTS_SCHEME),
            "NIX00273": size,
            "NIX00274": compressed(triggers[part], *COUNTS_SCHEME),
        }
        values |= scheme(("NIXD0108", "NIXD0109", "NIXD0110"), *COUNTS_SCHEME)
        values |= scheme(("NIXD0112", "NIXD0113", "NIXD0114"), *COUNTS_SCHEME)
        yield Draft((21, 6, 31), _sent(times, part, BACKGROUND_SECONDS), values)


def spectra(sun: Sun, day: int) -> Iterator[Draft]:
    """(21,6,32): the spectrum of one detector after another, 32 s each."""
    random = generator(sun.seed, day, "spectra")
    times = _times(day, SPECTRA_SECONDS)
    number = np.arange(len(times))
    detector = (day * len(times) + number) % 32
    rates = sun.rates(times + SPECTRA_SECONDS / 2) / 32.0
    counts = random.poisson(rates * SPECTRA_SECONDS)
    triggers = random.poisson(rates.sum(axis=1) * TRIGGERS_PER_COUNT * SPECTRA_SECONDS)
    for part in chunks(len(times), SPECTRA_SAMPLES):
        size = part.stop - part.start
        values = _head(times[part.start], SPECTRA_SECONDS) | {
            "NIXD0407": ALL_PIXELS,
            "NIX00089": size,
            "NIX00100": detector[part].tolist(),
            "NIX00484": compressed(triggers[part], *COUNTS_SCHEME),
            "NIX00485": list(range(size)),
        }
        for channel in range(32):
            values[f"NIX00{452 + channel}"] = compressed(counts[part, channel], *COUNTS_SCHEME)
        values |= scheme(("NIXD0115", "NIXD0116", "NIXD0117"), *COUNTS_SCHEME)
        values |= scheme(("NIXD0112", "NIXD0113", "NIXD0114"), *COUNTS_SCHEME)
        yield Draft((21, 6, 32), _sent(times, part, SPECTRA_SECONDS), values)


def variance(sun: Sun, day: int) -> Iterator[Draft]:
    """(21,6,33): variance of 40 counts within each bin of 4 s."""
    random = generator(sun.seed, day, "variance")
    times = _times(day, VARIANCE_SECONDS)
    samples = VARIANCE_SECONDS * 10
    mean = bands(sun.rates(times + VARIANCE_SECONDS / 2)).sum(axis=1) / 10.0
    # The sample variance of Poisson counts is distributed about the mean like chi-square.
    values_of = mean * random.chisquare(samples - 1, size=len(times)) / (samples - 1)
    low, _ = edge_mask(range(BANDS[0][0], BANDS[-1][1]))
    for part in chunks(len(times), 2 * SAMPLES):
        values = _head(times[part.start], VARIANCE_SECONDS) | {
            "NIX00279": samples,
            "NIX00407": ALL_DETECTORS,
            "NIX00282": low,
            "NIXD0407": ALL_PIXELS,
            "NIX00280": part.stop - part.start,
            "NIX00281": compressed(values_of[part], *COUNTS_SCHEME),
        }
        values |= scheme(("NIXD0118", "NIXD0119", "NIXD0120"), *COUNTS_SCHEME)
        yield Draft((21, 6, 33), _sent(times, part, VARIANCE_SECONDS), values)


def flare_flags(sun: Sun, day: int) -> Iterator[Draft]:
    """(21,6,34): whether there is a flare, how strong, and where."""
    times = _times(day, FLARE_SECONDS)
    rates = bands(sun.rates(times + FLARE_SECONDS / 2))
    flares = [sun.active(float(time)) for time in times]
    present = np.array([flare is not None for flare in flares], dtype=int)
    # Classes of the flight software: thermal 0 (none) to 4 (major), non-thermal 0 to 2.
    thermal = np.where(present, np.digitize(rates[:, 0], [1000, 6000, 20000]) + 1, 0)
    hard = np.where(present, np.digitize(rates[:, 3], [150, 800]), 0)
    place = np.array([flare.location if flare else (0, 0) for flare in flares])
    for part in chunks(len(times), SAMPLES):
        values = _head(times[part.start], FLARE_SECONDS) | {
            "NIX00089": part.stop - part.start,
            "NIXD0449": present[part].tolist(),
            "NIXD0059": present[part].tolist(),
            "NIXD0060": hard[part].tolist(),
            "NIXD0061": thermal[part].tolist(),
            "NIX00284": place[part, 0].tolist(),
            "NIX00283": place[part, 1].tolist(),
        }
        yield Draft((21, 6, 34), _sent(times, part, FLARE_SECONDS), values)


def flare_list(sun: Sun, day: int) -> Iterator[Draft]:
    """(21,6,43): counters of the telemetry, and the flares of the last hours that have ended."""
    for time in range(day * SECONDS_PER_DAY + STATUS_SECONDS, (day + 1) * SECONDS_PER_DAY, STATUS_SECONDS):
        ended = [flare for flare in sun.flares if time - 6 * STATUS_SECONDS < flare.end < time]
        values: Values = {
            "NIX00285": time % SECONDS_PER_DAY * 20,
            "NIX00286": time % SECONDS_PER_DAY * 3,
            "NIX00294": len(ended),
            "NIX00287": [int(flare.start) for flare in ended],
            "NIX00288": [int(flare.end) for flare in ended],
            "NIX00289": [min(7, 1 + int(flare.size // 3000)) for flare in ended],
            "NIX00290": [100_000 + int(flare.size) * 20 for flare in ended],
            "NIX00291": [flare.location[1] for flare in ended],
            "NIX00292": [flare.location[0] for flare in ended],
            "NIX00293": [int(time - flare.end > 2 * STATUS_SECONDS) for flare in ended],
        }
        yield Draft((21, 6, 43), time, values)


def _sent(times: NDArray[np.float64], part: slice, length: int) -> int:
    """On-board second at which a packet is complete."""
    return int(times[part.stop - 1]) + length + 1
