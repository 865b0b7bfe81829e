"""Primary headers and tables of files, as they are written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from broker_assets.telemetry.inputs.kernels import Kernels
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.files.headers import (
    common_cards,
    extensions,
    level0_cards,
    level1_cards,
    levelb_cards,
    measured_cards,
    remarks,
)
from broker_assets.telemetry.products.files.tables import Column
from broker_assets.telemetry.products.kinds import KINDS
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.products.product import Product, VersionRange

START = 664156800 << 16
ROWS = 5


@pytest.fixture
def product() -> Product:
    """Five bins of 4 s."""
    time = START + (np.arange(ROWS) * 4 + 2 << 16)
    data = {
        "time": Column(time),
        "timedel": Column(np.full(ROWS, 4 << 16)),
        "control_index": Column(np.zeros(ROWS, dtype=np.int64)),
        "counts": Column(np.arange(2 * ROWS).reshape(ROWS, 2), "count"),
        "triggers": Column(np.full(ROWS, 7)),
    }
    versions = (VersionRange("2.26.34", START, START + (20 << 16)),)
    return Product(KINDS[21, 6, 30], "L1", {"index": Column(np.zeros(1))}, data, None, versions, (), ())


def values(cards: list[tuple[str, object, str]]) -> dict[str, object]:
    return {name: value for name, value, _ in cards}


def test_common_cards_name_each_origin_once() -> None:
    cards = common_cards(
        KINDS[21, 6, 30], "L1", "solo.fits", raw_files=["b", "a", "b"], parents=["p"], configuration="v1", version=2,
        request=(50001, 1234567),
    )  # fmt: skip
    found = values(cards)
    assert (found["RAW_FILE"], found["PARENT"], found["VERSION"]) == ("a;b", "p", "02")
    assert (found["SCI_TCC"], found["SCI_RID"]) == ("50001", "0001234567")
    assert (found["STYPE"], found["SSTYPE"], found["SSID"]) == (21, 6, 30)
    assert all(len(name) <= 8 for name in found), "longer keywords are no FITS"


def test_times_of_each_level(product: Product, open_inputs: Inputs) -> None:
    assert isinstance(open_inputs.kernels, Kernels)
    onboard, utc = (
        values(level0_cards(product)),
        values(level1_cards(product, open_inputs.kernels, open_inputs.planning)),
    )
    assert (onboard["TIMESYS"], utc["TIMESYS"]) == ("OBT", "UTC")
    assert onboard["DATE-BEG"] == clock.text(product.start)
    assert utc["OBT_END"] == product.end / clock.TICKS_PER_SECOND == utc["OBT_BEG"] + 20  # type: ignore[operator]
    assert str(utc["DATE-BEG"]) < str(utc["DATE-AVG"]) < str(utc["DATE-END"])
    assert values(levelb_cards(START, START + 5))["DATE-BEG"] == clock.text(START)


def test_extremes_of_what_was_measured(product: Product) -> None:
    found = values(measured_cards(product))
    assert (found["DATAMIN"], found["DATAMAX"]) == (0, 9)
    assert (found["XPOSURE"], found["XPOMAX"]) == (4.0, 4.0)
    without = values(measured_cards(replace(product, data={k: v for k, v in product.data.items() if k != "counts"})))
    assert without["DATAMIN"] <= without["DATAMAX"]  # type: ignore[operator]


def test_tables_have_times_from_the_begin(product: Product) -> None:
    found = {extension.name: extension.table for extension in extensions(product)}
    assert list(found) == ["CONTROL", "DATA", "IDB_VERSIONS"]
    assert found["DATA"]["time"].unit == "cs"
    assert found["DATA"]["time"].values.tolist() == [200, 600, 1000, 1400, 1800]
    assert found["DATA"]["timedel"].values.tolist() == [400] * ROWS
    assert found["DATA"]["counts"].values.tolist() == product.data["counts"].values.tolist()
    assert found["IDB_VERSIONS"]["version"].values.tolist() == ["2.26.34"]
    assert [extension.name for extension in extensions(replace(product, energies={}))][-1] == "ENERGIES"


def test_remarks_keep_their_order(product: Product) -> None:
    noted = replace(product, history=("made from b", "made from a"))
    assert [card[:2] for card in remarks(noted)] == [("HISTORY", "made from b"), ("HISTORY", "made from a")]
