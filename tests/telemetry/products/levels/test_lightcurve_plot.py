"""Pictures of light curves."""

from __future__ import annotations

import html
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from broker_assets.telemetry.inputs.kernels import Kernels
from broker_assets.telemetry.products.files import fits
from broker_assets.telemetry.products.files.headers import common_cards, extensions, level1_cards
from broker_assets.telemetry.products.files.tables import Column
from broker_assets.telemetry.products.kinds import KINDS
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.products.levels.lightcurve_plot import (
    LightCurve,
    drawn,
    is_due,
    lightcurve_path,
    lightcurve_png,
    lightcurve_svg,
)
from broker_assets.telemetry.products.product import Product, VersionRange

MIDNIGHT = 664156800 + 5
"""2021-01-17, with the five leap seconds that the ideal clock counts."""
BINS = 21600


@pytest.fixture
def kernels(open_inputs: Inputs) -> Kernels:
    """An ideal clock."""
    assert open_inputs.kernels is not None
    return open_inputs.kernels


@pytest.fixture
def day() -> Product:
    """A whole day of bins of 4 s in two energies, without attenuator."""
    start = (MIDNIGHT + 4 * np.arange(BINS)) << 16
    counts = np.stack([100 + 50 * np.sin(np.arange(BINS) / 900), np.full(BINS, 20)], axis=1).astype(np.int64)
    data = {
        "time": Column(start + (2 << 16)),
        "timedel": Column(np.full(BINS, 4 << 16)),
        "control_index": Column(np.zeros(BINS, dtype=np.int64)),
        "rcr": Column(np.zeros(BINS, dtype=np.uint8)),
        "counts": Column(counts, "count"),
    }
    energies = {
        "channel": Column(np.arange(2, dtype=np.uint8)),
        "e_low": Column(np.array([4, 10], dtype=np.float32), "keV"),
        "e_high": Column(np.array([10, np.nan], dtype=np.float32), "keV"),
    }
    versions = (VersionRange("2.26.34", int(start[0]), int(start[-1])),)
    return Product(KINDS[21, 6, 30], "L1", {"index": Column(np.zeros(1))}, data, energies, versions, (), ())


def texts(svg: bytes) -> set[str]:
    """Texts of a picture; matplotlib names them in comments beside the outlines."""
    return {html.unescape(text) for text in re.findall(r"<!-- (.*?) -->", svg.decode())}


def test_same_data_same_bytes(day: Product, kernels: Kernels) -> None:
    """No date and no random names; a vector graphic of 12 × 6 inches with the bands of the file."""
    svg = lightcurve_svg(day, kernels)
    assert svg == lightcurve_svg(day, kernels)
    assert b"<dc:date>" not in svg
    root = ET.fromstring(svg)  # noqa: S314  our own file
    assert (root.get("width"), root.get("height")) == ("864pt", "432pt")
    assert {"4 – 10 keV", "from 10 keV", "STIX quick-look light curve, 2021-01-17", "counts / s"} <= texts(svg)
    assert "RCR >= 1: Attenuator inserted" not in texts(svg)


def test_attenuator(day: Product, kernels: Kernels) -> None:
    """A second axis shows when the attenuator was in."""
    rcr = np.zeros(BINS, dtype=np.uint8)
    rcr[5000:6000] = 1
    assert "RCR >= 1: Attenuator inserted" in texts(
        lightcurve_svg(replace(day, data=day.data | {"rcr": Column(rcr)}), kernels)
    )


def test_no_line_across_a_gap(day: Product, kernels: Kernels) -> None:
    """Bins that do not follow one another are not joined."""
    gap = day.with_rows(np.r_[0:8000, 16000:BINS])
    whole, cut = (_pixels(lightcurve_png(product, kernels)) for product in (day, gap))
    columns = slice(490, 860)  # the gap, with a margin
    assert _coloured(whole[60:540, columns]) > 300
    assert _coloured(cut[60:540, columns]) == 0


def _pixels(png: bytes) -> np.ndarray:
    return np.asarray(matplotlib.image.imread(io.BytesIO(png)))[..., :3]


def _coloured(pixels: np.ndarray) -> int:
    """Pixels that are neither grey nor white."""
    return int((np.ptp(pixels, axis=2) > 0.2).sum())


def test_png_of_product_and_of_file(day: Product, kernels: Kernels, open_inputs: Inputs, tmp_path: Path) -> None:
    """The file gives the same picture as the product."""
    path = tmp_path / "lightcurve.fits"
    common = common_cards(
        day.kind, "L1", path.name, raw_files=(), parents=(), configuration="", version=2, request=None
    )
    fits.write(path, [*common, *level1_cards(day, kernels, open_inputs.planning)], extensions(day))
    image = _pixels(lightcurve_png(path))
    assert image.shape == (600, 1200, 3)
    assert (image == _pixels(lightcurve_png(day, kernels))).all()
    curve = LightCurve.of_file(path)
    assert (str(curve.day), curve.bands) == ("2021-01-17", ("4 – 10 keV", "from 10 keV"))
    assert curve.counts.sum() == day.data["counts"].values.sum()
    with pytest.raises(ValueError, match="need kernels"):
        lightcurve_png(day)


def test_a_day_without_counts_can_be_drawn(day: Product, kernels: Kernels) -> None:
    """Nothing to see is no error."""
    curve = LightCurve.of_product(day, kernels)
    assert drawn(replace(curve, counts=np.zeros_like(curve.counts)), "svg").startswith(b"<?xml")


@pytest.mark.parametrize(("missing", "expected"), [(0, True), (60, True), (61, False)])
def test_a_day_is_due_when_whole(day: Product, kernels: Kernels, missing: int, expected: bool) -> None:
    """Sixty bins may be missing; after a month any day is due."""
    part = day.with_rows(np.arange(missing, BINS))
    assert is_due(part, kernels, np.datetime64("2021-01-18")) is expected
    assert is_due(part, kernels, np.datetime64("2021-02-16T23:00:00")) is expected
    assert is_due(part, kernels, np.datetime64("2021-02-17T01:00:00"))


def test_place() -> None:
    """Folder and name."""
    assert str(lightcurve_path(np.datetime64("2021-01-17"))) == (
        "LL03/2021/01/17/QL/solo_LL03_stix-ql-lightcurve_20210117T000000-20210117T235959_V02C.svg"
    )


@pytest.mark.shared
def test_golden_name(shared_folder: Path) -> None:
    """The golden picture has this name, this size and these texts."""
    folder = shared_folder / "golden/stix/products/LL03"
    (golden,) = folder.glob("LL03/**/*.svg")
    assert str(golden.relative_to(folder)) == str(lightcurve_path(np.datetime64("2021-01-17")))
    assert ET.parse(golden).getroot().get("width") == "864pt"  # noqa: S314  our own file
