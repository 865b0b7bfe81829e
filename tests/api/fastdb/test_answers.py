"""Bodies and errors."""

from __future__ import annotations

import numpy as np
import pytest

from broker_assets.api.fastdb.answers import FastdbError, Json, only, required


def test_what_is_unknown_or_missing_is_named() -> None:
    with pytest.raises(FastdbError, match=r"^Unknown data parameters: \{'foo'\}$") as told:
        only({"foo": 1, "bands": 2}, ["bands"])
    assert told.value.status == 422
    with pytest.raises(FastdbError, match=r"^Missing required fields: \{'dec', 'ra'\}$"):
        required({"foo": 1}, ["ra", "dec", "foo"])


def test_what_is_not_finite_is_null() -> None:
    assert Json({"a": [np.float32(0.1), float("nan")]}).body == b'{"a":[0.1,null]}'
    assert Json(b"{}").body == b"{}"
