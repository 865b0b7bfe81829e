"""The energy calibration of a day: spectra of every pixel with the lines of Ba-133 at 31 and 81 keV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.inputs.elut import DETECTORS, PIXELS
from broker_assets.telemetry.simulation.configuration import CONVERTER_STEPS, gains, offsets
from broker_assets.telemetry.simulation.drafts import (
    ALL_DETECTORS,
    ALL_PIXELS,
    Draft,
    Values,
    compressed,
    in_sequence,
    scheme,
)
from broker_assets.telemetry.simulation.housekeeping import raw_temperature
from broker_assets.telemetry.simulation.sun import SECONDS_PER_DAY, Sun, generator

CHANNELS: Final = 1024
BEGIN: Final = 2 * 3600
DURATION: Final = 7200
"""Seconds of a measurement, from two to four in the morning."""
SENT: Final = 5 * 3600
SUB_SPECTRA: Final = ((128, 1, 220), (100, 1, 348), (72, 8, 448))
"""Number of points, channels summed in each, and lowest channel of each sub-spectrum."""
COUNTS_SCHEME: Final = (0, 5, 3)
LINES: Final = ((30.6254, 0.45, 2600.0), (30.9731, 0.45, 4800.0), (34.99, 0.47, 1900.0), (80.9979, 0.55, 3600.0))
"""Energy (keV), width (standard deviation, keV) and counts per pixel and measurement of each line."""


def expected(day: int) -> NDArray[np.float64]:
    """(32, 12, 1024) expected counts; gain and offset drift slightly from day to day."""
    wander = 0.15 * np.sin(day / 9.0)
    channel = (np.arange(CHANNELS) + 0.5) * CONVERTER_STEPS
    gain = gains()[..., None]
    energy = (channel - offsets()[..., None] - wander) * gain
    width = CONVERTER_STEPS * gain
    above = np.clip(energy, 3.0, None)
    counts = 40.0 * (above / 20.0) ** -1.2 * width
    for centre, sigma, strength in LINES:
        shape = np.exp(-0.5 * ((energy - centre) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
        # Incomplete charge collection makes a tail to low energies.
        tail = np.where(energy < centre, np.exp((energy - centre) / 3.0) / 3.0, 0.0)
        counts = counts + strength * width * (0.9 * shape + 0.1 * tail)
    return np.asarray(np.where(energy > 1.0, counts, 0.0))


def of_day(sun: Sun, day: int) -> Iterator[Draft]:
    """(21,6,41): a packet per detector.

    Parameters
    ----------
    sun : Sun
    day : int
        Days since 2000-01-01.
    """
    random = generator(sun.seed, day, "calibration")
    counts = random.poisson(expected(day))
    head: Values = {
        "NIX00445": day * SECONDS_PER_DAY + BEGIN,
        "NIX00122": DURATION,
        "NIX00123": 6,
        "NIX00124": DURATION * 1000 - 90_000,
        "NIX00125": int(raw_temperature(np.array([-19.0]))[0]),
        "NIX00407": ALL_DETECTORS,
        "NIXD0407": ALL_PIXELS,
        "NIX00160": (1 << len(SUB_SPECTRA)) - 1,
        "NIX00159": PIXELS * len(SUB_SPECTRA),
    }
    head |= scheme(("NIXD0126", "NIXD0127", "NIXD0128"), *COUNTS_SCHEME)
    for number, (points, summed, lowest) in enumerate(SUB_SPECTRA):
        head |= {
            f"NIXD0{129 + 3 * number}": points - 1,
            f"NIXD0{130 + 3 * number}": summed - 1,
            f"NIXD0{131 + 3 * number}": lowest,
        }
    parts = []
    for detector in range(DETECTORS):
        pieces = [
            counts[detector, pixel, lowest : lowest + points * summed].reshape(points, summed).sum(axis=1)
            for pixel in range(PIXELS)
            for points, summed, lowest in SUB_SPECTRA
        ]
        parts.append(
            head
            | {
                "NIXD0155": [detector] * len(pieces),
                "NIXD0156": [pixel for pixel in range(PIXELS) for _ in SUB_SPECTRA],
                "NIXD0157": [number for _ in range(PIXELS) for number in range(len(SUB_SPECTRA))],
                "NIX00146": [len(piece) for piece in pieces],
                "NIX00158": compressed(np.concatenate(pieces), *COUNTS_SCHEME),
            }
        )
    yield from in_sequence((21, 6, 41), day * SECONDS_PER_DAY + SENT, parts)
