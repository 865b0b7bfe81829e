"""Ancillary products where something is missing, and the program for the aspect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from broker_assets.telemetry.products.files.tables import Column
from broker_assets.telemetry.products.kinds import KINDS
from broker_assets.telemetry.products.levels.ancillary import DIODES, ancillary_product, durations, flown_until
from broker_assets.telemetry.products.levels.level0 import Inputs, Problem
from broker_assets.telemetry.products.product import Product, VersionRange

START = 664200005


@pytest.fixture
def housekeeping() -> Product:
    """Three reports."""
    time = (np.array([START, START + 64, START + 192]) << 16).astype(np.int64)
    control = {
        "index": Column(np.arange(3)),
        "raw_file": Column(np.full(3, "tm.xml")),
        "parent": Column(np.full(3, "solo_L0_stix-hk-maxi_0664156800_V02.fits")),
    }
    data = {"time": Column(time), "timedel": Column(np.zeros(3, dtype=np.int64))}
    data |= {column: Column(np.array([1.0, 1.1, 1.2]), "V") for column in DIODES.values()}
    data["control_index"] = Column(np.arange(3))
    versions = (VersionRange("2.26.34", int(time[0]), int(time[-1])),)
    return Product(KINDS[3, 25, 2], "L1", control, data, None, versions, ("tm.xml",), ())


def test_without_kernels(housekeeping: Product, open_inputs: Inputs) -> None:
    """Nothing is made, and why."""
    problems: list[Problem] = []
    assert ancillary_product(housekeeping, replace(open_inputs, kernels=None), None, problems) is None
    assert "needs SPICE kernels" in problems[0].reason


def test_kernels_without_positions(housekeeping: Product, open_inputs: Inputs) -> None:
    """A clock alone does not say where the spacecraft is."""
    kernels = open_inputs.kernels
    assert kernels is not None
    assert flown_until(kernels) is None
    problems: list[Problem] = []
    assert ancillary_product(housekeeping, open_inputs, None, problems) is None
    assert "there is no flown meta-kernel" in problems[0].reason
    flown = replace(kernels, names=("solo_ANC_soc-flown-mk_V105_20210301_001.tm",), issued=np.datetime64("2021-03-01"))
    problems = []
    assert ancillary_product(housekeeping, replace(open_inputs, kernels=flown), None, problems) is None
    assert "has no positions" in problems[0].reason


def test_durations_are_those_of_each_report() -> None:
    """A report alone has the usual distance to the one before."""
    assert durations(np.array([START << 16])).tolist() == [64.0]
    assert durations(np.array([0, 64, 65, 200]) << 16).tolist() == [64.0, 64.0, 1.0, 135.0]
