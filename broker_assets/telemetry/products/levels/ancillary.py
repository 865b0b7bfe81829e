"""Level ANC: position of the spacecraft and pointing of the instrument, for each report of hk-maxi.

Positions are geometric states relative to the centre of the Sun from SPICE, at the time of each report. Carrington
longitudes are those of ``telemetry.inputs.ephemeris``: counted to the meridian that the Earth sees in mid-disc.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import spiceypy
from numpy.typing import NDArray

from broker_assets.telemetry.inputs.ephemeris import ARCSECONDS, LIGHT, SOLAR_RADIUS
from broker_assets.telemetry.inputs.kernels import Kernels
from broker_assets.telemetry.products.files.tables import Column, Table
from broker_assets.telemetry.products.kinds import EPHEMERIS
from broker_assets.telemetry.products.levels.level0 import Inputs, Problem
from broker_assets.telemetry.products.product import Product, complete, level1_path
from broker_assets.telemetry.products.programs.aspect_solution import (
    AspectSolution,
    AspectSolver,
    solve,
    without_solver,
)
from broker_assets.telemetry.products.programs.running import ProgramError

LEVEL: Final = "ANC"
DIODES: Final = {
    "cha_diode0": "hk_asp_photoa0_v",
    "cha_diode1": "hk_asp_photoa1_v",
    "chb_diode0": "hk_asp_photob0_v",
    "chb_diode1": "hk_asp_photob1_v",
}
"""Name for the aspect program, and column of hk-maxi; V."""
NOT_CONFIGURED: Final = "no aspect solver is configured (setting telemetry.aspect_command)"
REPORT_SECONDS: Final = 64.0
"""Seconds between two reports, used for a single report."""
FLOWN: Final = "flown-mk"
RECENT: Final = np.timedelta64(1, "D")
"""The last day before the date of a flown meta-kernel may still be predicted."""


@dataclass(frozen=True)
class Positions:
    """The spacecraft relative to the Sun, and its attitude; single precision as in the files."""

    radius: NDArray[np.float32]
    """(n,) arcsec, apparent radius of the Sun."""
    carrington: NDArray[np.float32]
    """(n, 2) deg, longitude and latitude."""
    distance: NDArray[np.float32]
    """(n, 1) km."""
    heeq: NDArray[np.float32]
    """(n, 3) km, x, y, z in SOLO_HEEQ."""
    attitude: NDArray[np.float32]
    """(n, 3) deg, rotations about x, y, z from SOLO_SUN_RTN to SOLO_STIX_ILS; NaN where there is no attitude."""


def flown_until(kernels: Kernels) -> np.datetime64 | None:
    """Time until which positions are flown: a day before the date of the flown meta-kernel; None if there is none."""
    if kernels.issued is None or not any(FLOWN in name.lower() for name in kernels.names):
        return None
    return kernels.issued - RECENT


def positions(kernels: Kernels, ticks: NDArray[np.int64]) -> Positions:
    """Positions and attitude at on-board times.

    Parameters
    ----------
    kernels : Kernels
    ticks : (n,) int64 array

    Raises
    ------
    spiceypy.utils.exceptions.SpiceyError
        If the kernels do not cover a time, or lack a frame.
    """
    times = kernels.clock.ephemeris_time(ticks)
    with kernels.use():
        equatorial = np.array([spiceypy.spkpos("SOLO", t, "SUN_EARTH_CEQU", "None", "SUN")[0] for t in times])
        heeq = np.array([spiceypy.spkpos("SOLO", t, "SOLO_HEEQ", "None", "SUN")[0] for t in times])
        meridian = np.array([_central_meridian(t) for t in times])
        attitude = np.array([_attitude(t) for t in times])
    distance = np.linalg.norm(equatorial, axis=1)
    longitude = (np.degrees(np.arctan2(equatorial[:, 1], equatorial[:, 0])) + meridian) % 360.0
    latitude = np.degrees(np.arcsin(equatorial[:, 2] / distance))
    return Positions(
        (np.arcsin(SOLAR_RADIUS / distance) * ARCSECONDS).astype(np.float32),
        np.stack([longitude, latitude], axis=1).astype(np.float32),
        distance[:, None].astype(np.float32),
        heeq.astype(np.float32),
        attitude.astype(np.float32),
    )


def _central_meridian(et: float) -> float:
    """Carrington longitude of the meridian that the Earth sees in the middle of the disc; deg."""
    earth, _ = spiceypy.spkpos("EARTH", et, "J2000", "None", "SUN")
    emission = et - (float(np.linalg.norm(earth)) - SOLAR_RADIUS) / LIGHT
    seen = spiceypy.mxv(spiceypy.pxform("J2000", "IAU_SUN", emission), earth)
    return float(np.degrees(np.arctan2(seen[1], seen[0])))


def _attitude(et: float) -> tuple[float, float, float]:
    """Roll, pitch and yaw, deg."""
    try:
        rotation = spiceypy.pxform("SOLO_SUN_RTN", "SOLO_STIX_ILS", et)
    except spiceypy.utils.exceptions.SpiceyError:
        return (np.nan, np.nan, np.nan)
    roll, pitch, yaw = np.degrees(spiceypy.m2eul(rotation, 1, 2, 3))
    return float(roll), float(pitch), float(yaw)


def durations(time: NDArray[np.int64]) -> NDArray[np.float64]:
    """Seconds since the previous report, over which the diodes were summed; the first has the value of the second.

    Examples
    --------
    >>> durations(np.array([0, 64, 192]) << 16).tolist()
    [64.0, 64.0, 128.0]
    """
    since = np.diff(time) / 65536.0
    return np.concatenate([since[:1] if len(since) else [REPORT_SECONDS], since])


def ancillary_product(
    housekeeping: Product, inputs: Inputs, solver: AspectSolver | None, problems: list[Problem]
) -> Product | None:
    """Positions, attitude and aspect solution of a UTC day; None, with a recorded problem, if they cannot be made.

    Parameters
    ----------
    housekeeping : Product
        hk-maxi, level L1.
    inputs : Inputs
        With kernels; a day is made once it lies a day before the date of the flown meta-kernel.
    solver : AspectSolver or None
        Without one, the solution is NaN and marked as unusable in `sas_error`.
    problems : list of Problem
    """
    if inputs.kernels is None:
        problems.append(Problem(f"{EPHEMERIS.file_stem} {LEVEL}", "level ANC needs SPICE kernels"))
        return None
    kernels = inputs.kernels
    housekeeping = housekeeping.published()
    times = np.array([housekeeping.start, housekeeping.end, housekeeping.average], dtype=np.int64)
    start, end, average = kernels.clock.utc(times)
    parent = complete(level1_path(housekeeping, start, end, average).name)
    until = flown_until(kernels)
    if until is None or end > until:
        known = "there is no flown meta-kernel" if until is None else f"flown positions are known until {until}"
        problems.append(Problem(parent, f"level ANC waits for kernels: its data end at {end}, {known}"))
        return None
    missing = [name for name in DIODES.values() if name not in housekeeping.data]
    if missing:
        problems.append(Problem(parent, f"level ANC needs the columns {', '.join(missing)}"))
        return None
    try:
        where = positions(kernels, housekeeping.time)
    except spiceypy.utils.exceptions.SpiceyError as error:
        problems.append(Problem(parent, f"level ANC has no positions: {error.short or error}"))
        return None
    rows = len(housekeeping.time)
    if solver is None:
        solution = without_solver(rows, NOT_CONFIGURED)
    else:
        try:
            solution = solve(solver, question(housekeeping, kernels, where, parent), rows)
        except ProgramError as error:
            problems.append(Problem(parent, f"level ANC has no aspect solution: {error}"))
            return None
    return _product(housekeeping, kernels, where, solution, parent)


def question(housekeeping: Product, kernels: Kernels, where: Positions, parent: str) -> dict[str, Any]:
    """The input of the aspect program; see ``aspect_solution``."""
    time = housekeeping.time
    asked: dict[str, Any] = {
        name: housekeeping.data[column].values.astype(np.float64).tolist() for name, column in DIODES.items()
    }
    nothing = [0] * len(time)
    return asked | {
        "time": [str(utc) for utc in kernels.clock.utc(time)],
        "scet_time_c": (time >> 16).tolist(),
        "scet_time_f": (time & 0xFFFF).tolist(),
        "duration": durations(time).tolist(),
        "spice_disc_size": where.radius.astype(np.float64).tolist(),
        "y_srf": nothing,
        "z_srf": nothing,
        "calib": nothing,
        "sas_ok": nothing,
        "error": [""] * len(time),
        "control_index": housekeeping.data["control_index"].values.tolist(),
        "parentfits": parent,
    }


def _product(
    housekeeping: Product, kernels: Kernels, where: Positions, solution: AspectSolution, parent: str
) -> Product:
    control = housekeeping.control | {"parent": Column(np.full(len(housekeeping.control["parent"].values), parent))}
    data: Table = {
        "time": housekeeping.data["time"],
        "timedel": Column(np.zeros(len(housekeeping.time), dtype=np.int64)),
        "time_utc": Column(np.array([str(utc) for utc in kernels.clock.utc(housekeeping.time)])),
        "control_index": housekeeping.data["control_index"],
        "spice_disc_size": Column(where.radius, "arcsec"),
        "y_srf": Column(solution.y, "arcsec"),
        "z_srf": Column(solution.z, "arcsec"),
        "sas_ok": Column(solution.usable, description="0: not usable, 1: good"),
        "sas_error": Column(solution.error),
        "solo_loc_carrington_lonlat": Column(where.carrington, "deg", "Carrington longitude, latitude"),
        "solo_loc_carrington_dist": Column(where.distance, "km"),
        "solo_loc_heeq_zxy": Column(where.heeq, "km", "x, y, z"),
        "roll_angle_rpy": Column(where.attitude, "deg"),
    }
    solved = np.concatenate([solution.y, solution.z])
    known = solved[np.isfinite(solved)]
    history = housekeeping.history
    if solution.version:
        history = (*history, f"aspect data processed by STX-GSW {solution.version}")
    return replace(
        housekeeping,
        kind=EPHEMERIS,
        level=LEVEL,
        control=control,
        data=data,
        energies=None,
        parents=(parent,),
        cards=(
            ("DATAMIN", float(known.min()) if len(known) else "", "Minimum valid physical value"),
            ("DATAMAX", float(known.max()) if len(known) else "", "Maximum valid physical value"),
            ("STX_GSW", solution.version, "Version of STX-GSW that provided data"),
        ),
        history=(*history, "Processed by broker_assets L2"),
    )
