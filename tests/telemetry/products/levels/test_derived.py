"""Files made from level L1: their places and headers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from broker_assets.telemetry.inputs.kernels import KernelError
from broker_assets.telemetry.products.files.tables import Column
from broker_assets.telemetry.products.kinds import ENERGY, EPHEMERIS, KINDS
from broker_assets.telemetry.products.levels.derived import derived_cards, derived_file, derived_path
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.products.product import Product, VersionRange


@pytest.fixture
def product() -> Product:
    """Two bins before midnight and four after it."""
    start = (664156800 + 5 - 8 + 4 * np.arange(6)) << 16
    data = {"time": Column(start + (2 << 16)), "timedel": Column(np.full(6, 4 << 16))}
    versions = (VersionRange("2.26.34", int(start[0]), int(start[-1])),)
    return Product(KINDS[21, 6, 30], "L1", {"index": Column(np.zeros(1))}, data, None, versions, (), ())


def test_places(product: Product, open_inputs: Inputs) -> None:
    """The folder is that of the centre; only what grows through its day is named by the day."""
    assert open_inputs.kernels is not None
    calibrated = replace(product, kind=ENERGY, level="CAL")
    path = derived_path(calibrated, open_inputs.kernels, 7)
    assert str(path) == ("CAL/2021/01/17/CAL/solo_CAL_stix-cal-energy_20210116T235952-20210117T000016_V07.fits")
    daily = derived_path(replace(product, kind=EPHEMERIS, level="ANC"), open_inputs.kernels, 2)
    assert daily.parts[:4] == ("ANC", "2021", "01", "17")
    assert daily.name.endswith("_20210117_V02U.fits")


def test_what_the_product_says_takes_the_place_of_a_card(product: Product, open_inputs: Inputs) -> None:
    assert open_inputs.kernels is not None
    own = replace(product, cards=(("DATAMAX", 42.0, "own"), ("GAIN", 2.3, "of its own")))
    cards = derived_cards(own, open_inputs.kernels, open_inputs.planning)
    names = [name for name, _, _ in cards]
    assert names.count("DATAMAX") == 1
    assert ("DATAMAX", 42.0, "own") in cards
    assert cards[-1] == ("GAIN", 2.3, "of its own")


def test_without_kernels_there_is_no_file(product: Product, open_inputs: Inputs) -> None:
    with pytest.raises(KernelError, match="level CAL needs SPICE kernels"):
        derived_file(replace(product, level="CAL"), replace(open_inputs, kernels=None), 1)
    derived = replace(product, kind=ENERGY, level="CAL")
    path, cards, tables = derived_file(derived, open_inputs, 7)
    found = {name: value for name, value, _ in cards}
    assert (found["FILENAME"], found["LEVEL"], found["VERSION"]) == (path.name, "CAL", "07")
    assert [table.name for table in tables] == ["CONTROL", "DATA", "IDB_VERSIONS"]
