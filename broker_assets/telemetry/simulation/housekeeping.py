"""Reports of a day about the instrument itself: housekeeping, telecommands, events, temperatures of the detectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.simulation.drafts import ALL_DETECTORS, Draft, Values
from broker_assets.telemetry.simulation.sun import SECONDS_PER_DAY, Sun, generator

MAXI_SECONDS: Final = 64
MINI_SECONDS: Final = 600
TEMPERATURE_SECONDS: Final = 7200
NOMINAL: Final = 4
"""Mode of the instrument."""
CONFIGURING: Final = 3

# Points of the temperature curve of the open database: degrees Celsius against raw values.
_CELSIUS = np.array([-62.2, -25.02, -0.01, 40.0, 99.99])
_RAW = np.array([4095.0, 3800.0, 3221.0, 1690.0, 387.0])

_TEMPERATURES: Final = {
    "NIXD0024": (24.0, 3.0),
    "NIXD0025": (21.0, 3.0),
    "NIXD0026": (25.0, 3.0),
    "NIXD0040": (12.0, 4.0),
    "NIXD0041": (11.0, 4.0),
    "NIXD0042": (13.0, 4.0),
    "NIXD0043": (14.0, 4.0),
    "NIXD0044": (10.0, 4.0),
    "NIXD0045": (12.0, 4.0),
    "NIXD0046": (15.0, 4.0),
    "NIXD0047": (13.0, 4.0),
    "NIXD0051": (-5.0, 2.0),
    "NIXD0054": (-19.0, 0.5),
    "NIXD0055": (-19.5, 0.5),
    "NIXD0056": (-18.8, 0.5),
    "NIXD0057": (-19.2, 0.5),
}
"""Mean and amplitude over a day, degrees Celsius."""
_READINGS: Final = {
    "NIXD0027": 1600,
    "NIXD0028": 1100,
    "NIXD0029": 1500,
    "NIXD0030": 700,
    "NIXD0031": 1500,
    "NIXD0032": 20,
    "NIXD0035": 682,
    "NIXD0036": 1137,
    "NIXD0037": 1319,
    "NIXD0038": 1137,
    "NIXD0039": 1137,
    "NIXD0048": 2300,
    "NIXD0049": 2300,
    "NIXD0050": 1500,
    "NIXD0052": 1365,
    "NIXD0053": 1365,
    "NIXD0058": 400,
}
"""Voltages and currents, steps of the converter, with a scatter of one or two steps."""
_DIODES: Final = {"NIX00078": 610, "NIX00079": 640, "NIX00080": 590, "NIX00081": 625}
"""Photo diodes of the aspect system, steps of the converter."""
_MINI: Final = ("NIXD0024", "NIXD0025", "NIXD0026", *(f"NIXD00{number}" for number in (27, 28, 29, 30, 31, 32)))
_SHARED: Final = (*_MINI, "NIXD0035", "NIXD0036", "NIXD0037")


def raw_temperature(celsius: NDArray[np.float64]) -> NDArray[np.int64]:
    """Steps of the converter for a temperature.

    Examples
    --------
    >>> raw_temperature(np.array([40.0, -0.01])).tolist()
    [1690, 3221]
    """
    return np.asarray(np.rint(np.interp(celsius, _CELSIUS, _RAW)), dtype=np.int64)


def of_day(sun: Sun, day: int) -> Iterator[Draft]:
    """All reports of an on-board day.

    Parameters
    ----------
    sun : Sun
    day : int
        Days since 2000-01-01.
    """
    yield from _reports(sun, day, MAXI_SECONDS)
    yield from _reports(sun, day, MINI_SECONDS)
    yield from _commands(day)
    yield from _detector_temperatures(sun, day)


def _reports(sun: Sun, day: int, step: int) -> Iterator[Draft]:
    """(3,25,2) every 64 s, (3,25,1) every ten minutes."""
    maxi = step == MAXI_SECONDS
    random = generator(sun.seed, day, f"housekeeping {step}")
    # Not at midnight, where the day of a report would depend on the clock.
    begin = day * SECONDS_PER_DAY + step // 2
    times = np.arange(begin, (day + 1) * SECONDS_PER_DAY, step)
    phase = 2.0 * np.pi * times / SECONDS_PER_DAY
    columns: dict[str, NDArray[np.int64]] = {}
    for number, (name, (mean, amplitude)) in enumerate(_TEMPERATURES.items()):
        columns[name] = raw_temperature(mean + amplitude * np.sin(phase + 0.2 * number))
    for name, mean in _READINGS.items():
        columns[name] = np.maximum(mean + random.integers(-2, 3, size=len(times)), 0)
    for number, (name, mean) in enumerate(_DIODES.items()):
        columns[name] = np.rint(mean + 6 * np.sin(2 * phase + number)).astype(np.int64)
    inserted = sun.attenuator(times.astype(np.float64))
    columns["NIXD0068"] = (~inserted).astype(np.int64)
    columns["NIXD0069"] = inserted.astype(np.int64)
    columns["NIXD0003"] = np.minimum(20 + (times - begin) // 2400, 255)
    wanted = columns if maxi else {name: columns[name] for name in _SHARED}
    # Fields of both kinds; a field that a kind lacks must not be given.
    constant: Values = {"NIXD0021": 1, "NIXD0023": NOMINAL, "NIXD0001": 181, "NIXD0002": 7, "NIXD0004": 1}
    constant |= {"NIXD0005": 1, "NIXD0169": 1}
    if maxi:
        constant |= {f"NIXD00{number}": 1 for number in (81, 82, 83, 84, 85, 86, 87, 90, 91, 92)}
        constant |= {"NIXD0070": ALL_DETECTORS, "NIXD0074": 3, "NIX00072": 40, "NIX00073": 900}
    key = (3, 25, 2) if maxi else (3, 25, 1)
    for row, time in enumerate(times.tolist()):
        counters: Values = {"NIXD0079": time // step & 0xFFFF}
        values = constant | counters | {name: int(column[row]) for name, column in wanted.items()}
        yield Draft(key, time, values, fine=1000 if maxi else 2000)


def _commands(day: int) -> Iterator[Draft]:
    """Telecommands accepted and executed, a change of mode and back, a connection test."""
    morning = day * SECONDS_PER_DAY + 6 * 3600
    for number in range(4):
        command: Values = {"NIX00001": 0x1DAC, "NIX00002": 0xC000 | (day * 4 + number) & 0x3FFF}
        yield Draft((1, 1, None), morning + 90 * number, command)
        yield Draft((1, 7, None), morning + 90 * number + 2, command)
    yield Draft((17, 2, None), morning + 1, {})
    yield Draft((5, 1, 33), morning + 93, {"NIX00304": NOMINAL, "NIX00305": CONFIGURING, "NIX00306": 1})
    yield Draft((5, 1, 33), morning + 273, {"NIX00304": CONFIGURING, "NIX00305": NOMINAL, "NIX00306": 1})


def _detector_temperatures(sun: Sun, day: int) -> Iterator[Draft]:
    """(239,3): two temperatures of each detector."""
    random = generator(sun.seed, day, "detector temperatures")
    for time in range(day * SECONDS_PER_DAY + 1800, (day + 1) * SECONDS_PER_DAY, TEMPERATURE_SECONDS):
        first, second = raw_temperature(-19.0 + 0.3 * random.standard_normal((2, 32)))
        yield Draft(
            (239, 3, None),
            time,
            {
                "NIX00103": 32,
                "NIX00100": list(range(32)),
                "NIX00101": first.tolist(),
                "NIX00102": second.tolist(),
            },
        )
