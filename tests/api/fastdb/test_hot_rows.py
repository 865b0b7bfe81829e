"""Hot transients as rows and as columns say the same."""

from __future__ import annotations

import json
import uuid
from typing import Any

import numpy as np

from broker_assets.api.fastdb.hot_rows import plain, written
from broker_assets.tom.versions.curves import RootCurves

FIRST, SECOND = uuid.UUID(int=1), uuid.UUID(int=2)
CURVES = RootCurves(
    (FIRST, SECOND),
    {
        "mjd": np.array([1.0, 2.0, 3.0]),
        "visit": np.ma.MaskedArray([5, 6, 7], [False, True, False]),
        "band": np.array(["r", "g", None], object),
        "flux": np.ma.MaskedArray([1.5, 2.5, 3.5], [True, False, False]),
        "isdet": np.array([1, 0, 1]),
    },
    np.array([0, 2, 3]),
)
INFO: dict[str, list[Any]] = {
    "diaobjectid": [10, 11], "rootid": [FIRST, FIRST], "ra": [40.0, 41.0], "dec": [-5.0, -6.0],
}  # fmt: skip


def test_rows_and_columns() -> None:
    part = (CURVES, INFO, [{"diaobjectid": 10, "host_id": "7"}])
    rows = json.loads(b"".join(written([part], columns=False)))
    assert rows[0] == {
        "rootid": str(FIRST), "diaobjectid": 10, "ra": 40.0, "dec": -5.0, "zp": 31.4, "redshift": -99.0, "sncode": -99,
        "mjd": [1.0, 2.0], "visit": [5, None], "band": ["r", "g"], "flux": [None, 2.5], "isdet": [1, 0], "host_id": "7",
    }  # fmt: skip
    assert (rows[1]["diaobjectid"], rows[1]["band"]) == (None, [None])
    columns = json.loads(b"".join(written([part], columns=True)))
    assert columns == {name: [row.get(name) for row in rows] for name in rows[0]}


def test_nothing_is_an_empty_answer_of_each_form() -> None:
    assert b"".join(written([], columns=False)) == b"[]"
    empty = json.loads(b"".join(written([], columns=True)))
    assert empty["rootid"] == empty["mjd"] == []


def test_masked_numbers_are_nulls() -> None:
    assert np.isnan(plain(np.ma.MaskedArray([1.0], [True]))).all()
    assert plain(np.ma.MaskedArray([1], [True])) == [None]
