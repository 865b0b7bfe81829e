"""What follows from level L1: places of the files, and reasons to wait."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import pytest

from broker_assets.telemetry.products.files.tables import Column
from broker_assets.telemetry.products.kinds import KINDS
from broker_assets.telemetry.products.levels.calibrated_energy import NOT_CONFIGURED
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.products.levels.level2 import LEVEL2_KINDS, beyond, names_beyond
from broker_assets.telemetry.products.product import Product, VersionRange
from broker_assets.telemetry.products.programs.configured import Programs

DAY = np.datetime64("2021-01-17")
LIGHT_CURVE, CALIBRATION = (21, 6, 30), (21, 6, 41)


def product(key: tuple[int, int, int]) -> Product:
    start = (664156800 + 5 + 4 * np.arange(3)) << 16
    data = {"time": Column(start + (2 << 16)), "timedel": Column(np.full(3, 4 << 16))}
    versions = (VersionRange("2.26.34", int(start[0]), int(start[-1])),)
    return Product(KINDS[key], "L1", {"index": Column(np.zeros(1))}, data, None, versions, (), ())


@pytest.mark.parametrize("key", sorted(LEVEL2_KINDS))
def test_patterns_hold_for_the_version_of_the_settings(key: tuple[int, int, int]) -> None:
    pattern = PurePosixPath(names_beyond(key, DAY, {}))
    assert pattern.parts[1:4] == ("2021", "01", "17")
    level, stem = pattern.parts[0], pattern.name.split("_")[2].removeprefix("stix-")
    other = names_beyond(key, DAY, {f"{level}/{stem}": 77})
    assert "_V77" in other
    assert other != str(pattern)


def test_a_calibration_waits_for_its_programs(open_inputs: Inputs) -> None:
    made = beyond(product(CALIBRATION), open_inputs, Programs(), np.datetime64("2021-01-18T12:00"), DAY)
    assert made.products == []
    assert [problem.reason for problem in made.skipped] == [NOT_CONFIGURED]
    assert made.parent.endswith(".fits")


def test_the_picture_of_a_day_waits_until_the_day_is_whole(open_inputs: Inputs) -> None:
    level1 = product(LIGHT_CURVE)
    soon = beyond(level1, open_inputs, Programs(), np.datetime64("2021-01-17T12:00"), DAY)
    assert soon.picture is None
    assert [problem.reason.split(",")[0] for problem in soon.skipped] == [
        "the plot of a day is made when the day is complete"
    ]
    late = beyond(level1, open_inputs, Programs(), np.datetime64("2021-03-17T12:00"), DAY)
    assert late.picture is not None
    assert late.skipped == []
    without = beyond(level1, replace(open_inputs, kernels=None), Programs(), np.datetime64("2021-03-17"), DAY)
    assert without.picture is None
