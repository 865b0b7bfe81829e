"""What is made from level L1: the plot of the light curve (LL03), energy calibration (CAL), ancillary data (ANC).

The original computes tables of level L2 for the other kinds and discards them: they are those of level L1. So level
L2 only has what adds something, and no file is a copy of another under a new name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Final

import numpy as np

from broker_assets.telemetry.idb.instrument_rules import StructureKey
from broker_assets.telemetry.products.kinds import ENERGY, EPHEMERIS, KINDS
from broker_assets.telemetry.products.levels import ancillary, calibrated_energy
from broker_assets.telemetry.products.levels.level0 import Inputs, Problem
from broker_assets.telemetry.products.levels.lightcurve_plot import is_due, lightcurve_path
from broker_assets.telemetry.products.product import Product, complete, level1_day_path
from broker_assets.telemetry.products.programs.configured import Programs

LIGHT_CURVE: Final = (21, 6, 30)
CALIBRATION: Final = (21, 6, 41)
HOUSEKEEPING: Final = (3, 25, 2)
LEVEL2_KINDS: Final[Mapping[StructureKey, str]] = {
    LIGHT_CURVE: "quicklook",
    CALIBRATION: "calibration",
    HOUSEKEEPING: "auxiliary",
}
"""Kinds from which something is made beyond L1, and the family to which it belongs."""


@dataclass
class Beyond:
    """What is made from a product of level L1."""

    family: str
    version: int
    """Processing version."""
    parent: str
    """Name of the complete file of level L1."""
    products: list[Product] = field(default_factory=list)
    """Of levels CAL or ANC."""
    picture: PurePosixPath | None = None
    """Place of the picture of a light curve, if it is due."""
    problems: list[Problem] = field(default_factory=list)
    skipped: list[Problem] = field(default_factory=list)
    """What is deliberately not made, and why."""


def beyond(level1: Product, inputs: Inputs, programs: Programs, now: np.datetime64, day: np.datetime64) -> Beyond:
    """Make everything that is derived from a product of level L1.

    Parameters
    ----------
    level1 : Product
        Of one of `LEVEL2_KINDS`.
    inputs : Inputs
        With kernels.
    programs : Programs
    now, day : datetime64
        UTC; day of the product.
    """
    key = level1.kind.key
    parent = complete(level1_day_path(level1.kind, day).name)
    if key == LIGHT_CURVE:
        return _light_curve(level1, inputs, now, day, parent)
    if key == CALIBRATION:
        made = Beyond("calibration", ENERGY.version_of("CAL", inputs.versions), parent)
        if programs.calibration is None:
            made.skipped.append(Problem(parent, calibrated_energy.NOT_CONFIGURED))
        else:
            found = calibrated_energy.calibration_products(level1, inputs, programs.calibration, made.problems)
            made.products = [_at(product, made.version) for product in found]
        return made
    made = Beyond("auxiliary", EPHEMERIS.version_of("ANC", inputs.versions), parent)
    waits = _waits_for_kernels(level1, inputs)
    if waits is not None:
        made.skipped.append(Problem(parent, waits))
        return made
    product = ancillary.ancillary_product(level1, inputs, programs.aspect, made.problems)
    made.products = [] if product is None else [_at(product, made.version)]
    return made


def names_beyond(key: StructureKey, day: np.datetime64, overrides: Mapping[str, int]) -> str:
    """Pattern of the paths of all files that are made from a day of a kind of `LEVEL2_KINDS`.

    Examples
    --------
    >>> names_beyond(CALIBRATION, np.datetime64("2021-01-17"), {})
    'CAL/2021/01/17/CAL/solo_CAL_stix-cal-energy_*_V02.fits'
    """
    if key == LIGHT_CURVE:
        return str(lightcurve_path(day, KINDS[key].version_of("LL03", overrides)))
    level, kind = ("CAL", ENERGY) if key == CALIBRATION else ("ANC", EPHEMERIS)
    version = f"V{kind.version_of(level, overrides):02d}{'U' if kind.incomplete else ''}"
    folder = "/".join(str(day).split("-"))
    return f"{level}/{folder}/{kind.family.upper()}/solo_{level}_stix-{kind.file_stem}_*_{version}.fits"


def _at(product: Product, version: int) -> Product:
    return replace(product, kind=replace(product.kind, version=version))


def _light_curve(level1: Product, inputs: Inputs, now: np.datetime64, day: np.datetime64, parent: str) -> Beyond:
    made = Beyond("quicklook", level1.kind.version_of("LL03", inputs.versions), parent)
    if inputs.kernels is not None and is_due(level1, inputs.kernels, now):
        made.picture = lightcurve_path(day, made.version)
    else:
        made.skipped.append(Problem(parent, "the plot of a day is made when the day is complete, or a month old"))
    return made


def _waits_for_kernels(housekeeping: Product, inputs: Inputs) -> str | None:
    """Why ancillary data must wait; None if they do not have to."""
    if inputs.kernels is None:
        return "level ANC needs SPICE kernels"
    end = inputs.kernels.clock.utc(np.array([housekeeping.end]))[0]
    until = ancillary.flown_until(inputs.kernels)
    if until is None:
        return "level ANC waits for kernels: there is no flown meta-kernel"
    return None if end <= until else f"level ANC waits for kernels: its data end at {end}, flown ones at {until}"
