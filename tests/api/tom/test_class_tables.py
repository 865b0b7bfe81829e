"""Data frames by true class over HTTP."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

pytestmark = [pytest.mark.database, pytest.mark.shared]


def test_both_forms(root: Any, anna: Any) -> None:
    path = "elasticc2/brokerclassfortruetype/{}/meanprobabilities/4/2223/"
    answer = root.get(path.format("json"))
    tight = answer.json()
    assert list(tight) == ["index", "columns", "data", "index_names", "column_names"]
    assert (tight["index_names"], tight["columns"]) == (["relday", "classid"], ["probability"])
    pickled = root.get(path.format("pickle"))
    assert pickled.headers["content-type"] == "application/octet-stream"
    frame = pickle.loads(pickled.content)  # noqa: S301 - our own
    assert frame["probability"].tolist() == [row[0] for row in tight["data"]]
    assert anna.get(path.format("json")).status_code == 403
    for what, said in (
        ("nothing/4/2223", "Unknown data structure: nothing"),
        ("objects/77/2223", "Can't find data file for classifier 77, class 2223"),
        ("objects/9999999999/2223", "Can't find data file for classifier 9999999999, class 2223"),
    ):
        answer = root.get(f"elasticc2/brokerclassfortruetype/json/{what}/")
        assert (answer.status_code, answer.json()) == (400, {"error": said})
