"""The arrays that models get: each value at its alert, and what is missing as declared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from broker_assets.classifiers.description import ColumnInput, StampInput
from broker_assets.classifiers.inputs import AlertInputs, normalised

FEATURES = pa.table(
    {
        "packet": pa.array([9, 2], pa.int64()),
        "jump1": pa.array([5.0, None], pa.float32()),
        "ngsources": pa.array([4, 7], pa.int32()),
        "latestpaircolourbands": ["g-r", "u-y"],
        "absmag": pa.array([np.inf, -18.0], pa.float32()),
    }
)


def columns(*wanted: Any) -> ColumnInput:
    return ColumnInput.model_validate({"name": "x", "columns": wanted})


def test_values_are_at_their_alerts() -> None:
    inputs = AlertInputs(np.array([2, 5, 9]), {"features": FEATURES})
    found = inputs.matrix(columns("features.jump1", {"column": "features.ngsources", "fill": -3}), np.dtype("f4"))
    np.testing.assert_array_equal(found, np.array([[np.nan, 7], [np.nan, -3], [5, 4]], np.float32))
    assert found.dtype == np.float32


def test_categories_are_places_in_their_list() -> None:
    inputs = AlertInputs(np.array([2, 9, 11]), {"features": FEATURES})
    wanted = columns({"column": "features.latestpaircolourbands", "categories": ["r-i", "g-r"], "fill": -1})
    assert inputs.matrix(wanted, np.dtype("f8")).ravel().tolist() == [-1.0, 1.0, -1.0]


def test_infinite_and_too_large_numbers_are_missing() -> None:
    source = pa.table({"packet": pa.array([9, 2], pa.int32()), "psfflux": [1e300, 2.0]})
    inputs = AlertInputs(np.array([2, 9]), {"features": FEATURES, "source": source})
    wanted = columns({"column": "features.absmag", "fill": 0}, {"column": "source.psfflux", "fill": 0})
    assert inputs.matrix(wanted, np.dtype("f4")).tolist() == [[-18.0, 2.0], [0.0, 0.0]]
    assert inputs.matrix(wanted, np.dtype("f8"))[1, 1] == 1e300


def test_absent_tables_and_columns_have_no_values() -> None:
    inputs = AlertInputs(np.array([2, 9]), {"features": FEATURES})
    found = inputs.matrix(columns("object.ra", {"column": "features.ebv", "fill": 1}), np.dtype("f4"))
    np.testing.assert_array_equal(found, np.array([[np.nan, 1]] * 2, np.float32))


@pytest.mark.parametrize("how", ["none", "maximum", "standard"])
def test_normalisation(how: str) -> None:
    pixels = np.random.default_rng(1).normal(3.0, 2.0, (4, 2, 5, 5)).astype(np.float32)
    pixels[0, 0, 0, 0] = np.nan
    pixels[1, 1] = np.nan
    pixels[2, 1] = 7.0
    found = normalised(pixels, how, -9.0)
    assert found[0, 0, 0, 0] == -9.0
    assert (found[1, 1] == -9.0).all()
    whole = found[3, 0].astype(float)
    if how == "none":
        np.testing.assert_array_equal(found[3], pixels[3])
    elif how == "maximum":
        assert np.abs(whole).max() == pytest.approx(1.0)
        assert (found[2, 1] == 1.0).all()
    else:
        assert (whole.mean(), whole.std()) == (pytest.approx(0.0, abs=1e-6), pytest.approx(1.0))
        assert (found[2, 1] == 0.0).all()


def test_alerts_without_all_their_stamps_are_marked() -> None:
    def stamps(packets: Any, kinds: Any, size: int) -> Any:
        pixels = np.ones((len(packets), len(kinds), size, size), np.float32)
        pixels[packets == 5, 1] = np.nan
        return pixels

    wanted = StampInput.model_validate({"name": "s", "stamps": ["science", "difference"], "size": 3, "fill": 2})
    images, present = AlertInputs(np.array([2, 5, 9]), {}, stamps).images(wanted, slice(1, 3))
    assert present.tolist() == [False, True]
    assert images[0, 1].max() == 2.0
    images, present = AlertInputs(np.array([2, 5, 9]), {}).images(wanted, slice(0, 3))
    assert images.shape == (3, 2, 3, 3)
    assert not present.any()
