"""SPICE kernels of a simulated spacecraft: leap seconds, clock, frames, orbits, pointing, and the meta-kernels.

Orbits are ellipses in the ecliptic; the clock wanders by some 1e-7; the instrument looks at the Sun.
All of it is our own: names and numbers of bodies and frames are those that the products need, values are invented
except for public constants (leap seconds, the rotation of the Sun).

SPICE keeps one state per process: do not write kernels while another thread of the process uses it.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import spiceypy
from numpy.typing import NDArray

from broker_assets.telemetry.inputs.kernels import SPACECRAFT
from broker_assets.telemetry.simulation.frames import FRAMES, PLANETARY_CONSTANTS, frame_kernel

SUN, EARTH, BARYCENTRE = 10, 399, 0
PLATFORM: Final = -144000
"""NAIF number of the frame of the spacecraft, which the pointing kernel orients."""
FIRST_TIME: Final = datetime.date(2020, 2, 10)
SECONDS_PER_DAY: Final = 86400
J2000: Final = datetime.datetime(2000, 1, 1, 12)
TDT_MINUS_UTC: Final = 69.184
"""Seconds, since 2017."""
TICKS: Final = 65536
CLOCK_STEP_DAYS: Final = 10
AHEAD: Final = 0.25
"""Seconds that the clock is ahead of UTC, on average."""
WANDER: Final = 0.6
"""Seconds by which it wanders to either side: less than half a bin of a light curve, so that days agree with UTC."""
AU: Final = 149_597_870.7
"""Astronomical unit, km (IAU 2012 Resolution B2)."""
SUN_MASS: Final = 132_712_440_041.9
"""Gravitational constant times the mass of the Sun, km**3/s**2."""
STEP: Final = 3600.0
"""Seconds between states and pointings."""

LEAP_SECONDS: Final = (
    (10, "1972-JAN-1"),
    *((32, "1999-JAN-1"), (33, "2006-JAN-1"), (34, "2009-JAN-1")),
    *((35, "2012-JUL-1"), (36, "2015-JUL-1"), (37, "2017-JAN-1")),
)
"""TAI - UTC, seconds, with its first date; those before 1999 are left out except for the first."""


def write_kernels(
    folder: Path,
    *,
    start: datetime.date,
    end: datetime.date,
    flown: datetime.date,
    seed: int = 1,
    version: int = 1,
    clock_error: float = 0.0,
) -> Path:
    """Write a folder of kernels with a flown and a predicted meta-kernel.

    Parameters
    ----------
    folder : path
        Gets `mk`, `lsk`, `sclk`, `pck`, `fk`, `spk`, `ck`. Kernels of another version may be there already.
    start, end : date
        Days that the orbits cover; two more on either side are covered as well.
    flown : date
        Issue of the flown meta-kernel: products of days before it are final.
    seed : int
        Seed of the drift of the clock and of the orbit.
    version : int
        Version in the names; the newest is used.
    clock_error : float
        Seconds added to the clock from `start` on: what a later clock kernel corrects.

    Returns
    -------
    path
        The folder, as `Kernels.of_folder` takes it.
    """
    for name in ("mk", "lsk", "sclk", "pck", "fk", "spk", "ck"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    stamp = f"{flown:%Y%m%d}_V{version:02d}"
    files = {
        "lsk": "open_leap_seconds.tls",
        "pck": "open_constants.tpc",
        "fk": "solo_ANC_open-fk_V01.tf",
        "sclk": f"solo_ANC_open-sclk_{stamp}.tsc",
        "spk": f"solo_ANC_open-orbit_{stamp}.bsp",
        "ck": f"solo_ANC_open-att_{stamp}.bc",
    }
    (folder / "lsk" / files["lsk"]).write_text(_leap_seconds())
    (folder / "pck" / files["pck"]).write_text(PLANETARY_CONSTANTS)
    (folder / "fk" / files["fk"]).write_text(frame_kernel(FRAMES))
    coefficients = clock_coefficients(seed, end, start, clock_error)
    (folder / "sclk" / files["sclk"]).write_text(_clock(coefficients))
    margin = datetime.timedelta(days=2)
    times = np.arange(_seconds(start - margin), _seconds(end + margin) + STEP, STEP)
    _write_orbits(folder / "spk" / files["spk"], times, seed)
    _write_pointing(folder / "ck" / files["ck"], times, coefficients, seed)
    for kind in ("flown", "pred"):
        name = f"solo_ANC_soc-{kind}-mk_V{100 + version:03d}_{flown:%Y%m%d}_001.tm"
        (folder / "mk" / name).write_text(_meta_kernel(files))
    return folder


def clock_coefficients(
    seed: int, until: datetime.date, error_from: datetime.date, error: float = 0.0
) -> NDArray[np.float64]:
    """Coefficients of a clock that wanders.

    Parameters
    ----------
    seed : int
    until : date
        The last entry lies after it.
    error_from : date
    error : float
        Seconds added to the parallel time from that day on.

    Returns
    -------
    (n, 3) float64 array
        Encoded ticks, TDT seconds after J2000, TDT seconds per clock second. The rate of a day depends on the seed
        and the day only.
    """
    step = float(CLOCK_STEP_DAYS * SECONDS_PER_DAY)
    entries = np.arange(max(1, ((until - FIRST_TIME).days + 30) // CLOCK_STEP_DAYS) + 1)
    clock = (FIRST_TIME - datetime.date(2000, 1, 1)).days * SECONDS_PER_DAY + step * entries
    wander = WANDER * np.sin(0.49 * entries + seed)
    rates = 1.0 + np.diff(wander) / step
    parallel = (clock - SECONDS_PER_DAY / 2 + TDT_MINUS_UTC - AHEAD + wander)[:-1]
    clock = clock[:-1]
    late = (error_from - FIRST_TIME).days // CLOCK_STEP_DAYS
    if error:
        parallel[max(late, 0) :] += error
    rows = np.column_stack([clock * TICKS, parallel, rates])
    # Before launch, as if the clock had run evenly.
    return np.vstack([[0.0, rows[0, 1] - clock[0], 1.0], rows])


def _seconds(day: datetime.date) -> float:
    """TDB, to some milliseconds, at the beginning of a day; seconds after J2000."""
    return (datetime.datetime.combine(day, datetime.time()) - J2000).total_seconds() + TDT_MINUS_UTC


def _leap_seconds() -> str:
    steps = "\n".join(f"    {offset}, @{date}" for offset, date in LEAP_SECONDS)
    return (
        "KPL/LSK\n\\begindata\nDELTET/DELTA_T_A = 32.184\nDELTET/K = 1.657D-3\nDELTET/EB = 1.671D-2\n"
        f"DELTET/M = ( 6.239996D0 1.99096871D-7 )\nDELTET/DELTA_AT = (\n{steps} )\n\\begintext\n"
    )


def _clock(coefficients: NDArray[np.float64]) -> str:
    rows = "\n".join(f"  {ticks:.1f} {parallel:.9f} {rate:.15f}" for ticks, parallel, rate in coefficients)
    number = -SPACECRAFT
    return (
        f"KPL/SCLK\n\\begindata\nSCLK_KERNEL_ID = ( @2020-02-10/00:00 )\nSCLK_DATA_TYPE_{number} = ( 1 )\n"
        f"SCLK01_TIME_SYSTEM_{number} = ( 2 )\nSCLK01_N_FIELDS_{number} = ( 2 )\n"
        f"SCLK01_MODULI_{number} = ( 4294967296 {TICKS} )\nSCLK01_OFFSETS_{number} = ( 0 0 )\n"
        f"SCLK01_OUTPUT_DELIM_{number} = ( 2 )\nSCLK_PARTITION_START_{number} = ( 0.0 )\n"
        f"SCLK_PARTITION_END_{number} = ( 2.8147497671065E+14 )\n"
        f"SCLK01_COEFFICIENTS_{number} = (\n{rows} )\n\\begintext\n"
    )


def _meta_kernel(files: dict[str, str]) -> str:
    names = "\n".join(f"    '$KERNELS/{folder}/{name}'" for folder, name in files.items())
    return (
        "KPL/MK\n\\begindata\n  PATH_VALUES = ( '..' )\n  PATH_SYMBOLS = ( 'KERNELS' )\n"
        f"  KERNELS_TO_LOAD = (\n{names} )\n\\begintext\n"
    )


def ellipse(times: NDArray[np.float64], axis: float, eccentricity: float, phase: float) -> NDArray[np.float64]:
    """States on an ellipse about the Sun in the plane of the ecliptic.

    Parameters
    ----------
    times : (n,) float64 array
        Seconds after J2000.
    axis : float
        Half of the long axis, km.
    eccentricity : float
    phase : float
        Mean anomaly at J2000, radians.

    Returns
    -------
    (n, 6) float64 array
        km and km/s, ECLIPJ2000.

    Examples
    --------
    >>> state = ellipse(np.array([0.0]), AU, 0.0, 0.0)[0]
    >>> (state[:3] / AU).round(6).tolist(), float(state[4].round(2))
    ([1.0, 0.0, 0.0], 29.78)
    """
    motion = math.sqrt(SUN_MASS / axis**3)
    mean = phase + motion * times
    anomaly = mean + eccentricity * np.sin(mean)
    for _ in range(12):
        anomaly -= (anomaly - eccentricity * np.sin(anomaly) - mean) / (1.0 - eccentricity * np.cos(anomaly))
    flat = math.sqrt(1.0 - eccentricity**2)
    speed = axis * motion / (1.0 - eccentricity * np.cos(anomaly))
    nothing = np.zeros_like(times)
    return np.column_stack(
        [
            axis * (np.cos(anomaly) - eccentricity),
            axis * flat * np.sin(anomaly),
            nothing,
            -speed * np.sin(anomaly),
            speed * flat * np.cos(anomaly),
            nothing,
        ]
    )


def spacecraft_states(times: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """(n, 6) km and km/s relative to the Sun: between 0.3 and 0.95 astronomical units."""
    phase = float(np.random.default_rng([seed, 1]).uniform(0, 2 * math.pi))
    return ellipse(times, 0.62 * AU, 0.52, phase)


def _write_orbits(path: Path, times: NDArray[np.float64], seed: int) -> None:
    """Type 13: Hermite interpolation of states."""
    path.unlink(missing_ok=True)
    handle = spiceypy.spkopn(str(path), "simulated orbits", 0)
    try:
        orbits: Sequence[tuple[int, int, NDArray[Any], str]] = (
            (SPACECRAFT, SUN, spacecraft_states(times, seed), "spacecraft"),
            (EARTH, SUN, ellipse(times, AU, 0.0167, 6.24), "Earth"),
            (SUN, BARYCENTRE, np.zeros((len(times), 6)), "Sun"),
        )
        for body, centre, states, name in orbits:
            spiceypy.spkw13(handle, body, centre, "ECLIPJ2000", times[0], times[-1], name, 7, len(times), states, times)
    finally:
        spiceypy.spkcls(handle)


def _write_pointing(path: Path, times: NDArray[np.float64], clock: NDArray[np.float64], seed: int) -> None:
    """Type 3: linear interpolation of the attitude, x to the Sun within some arcseconds."""
    path.unlink(missing_ok=True)
    # TDB and TDT differ by less than two milliseconds, in which nothing turns.
    row = np.maximum(np.searchsorted(clock[:, 1], times, side="right") - 1, 0)
    ticks = np.floor(clock[row, 0] + (times - clock[row, 1]) / clock[row, 2] * TICKS)
    to_sun = -spacecraft_states(times, seed)[:, :3]
    arcseconds = math.pi / 180 / 3600
    quaternions = []
    for time, direction in zip(times, to_sun, strict=True):
        day = 2 * math.pi * time / SECONDS_PER_DAY
        base = spiceypy.twovec(direction, 1, [0.0, 0.0, 1.0], 3)
        wander = spiceypy.eul2m(20 * arcseconds * math.sin(day), 15 * arcseconds * math.cos(day), 0.02, 3, 2, 1)
        # Orbits are in the ecliptic; the pointing stays in it, too.
        quaternions.append(spiceypy.m2q(spiceypy.mxm(wander, base)))
    handle = spiceypy.ckopn(str(path), "simulated pointing", 0)
    try:
        spiceypy.ckw03(
            handle,
            ticks[0],
            ticks[-1],
            PLATFORM,
            "ECLIPJ2000",
            False,
            "spacecraft",
            len(ticks),
            ticks,
            np.array(quaternions),
            np.zeros((len(ticks), 3)),
            1,
            ticks[:1],
        )
    finally:
        spiceypy.ckcls(handle)
