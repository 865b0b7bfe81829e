"""JSON of arrays, and errors as texts or JSON."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from broker_assets.api.tom.answers import Json, TomError, failed
from broker_assets.settings.tom import TomSettings


def request(accept: str = "*/*", **settings: Any) -> Any:
    state = SimpleNamespace(tom=TomSettings(**settings))
    return SimpleNamespace(app=SimpleNamespace(state=state), headers={"accept": accept})


def test_numbers_have_the_digits_that_they_need() -> None:
    content = {"f": np.array([3201.2878, 77.0, np.inf], np.float32), "d": [60278.2469, float("nan")], 5: 2**63 - 1}
    assert Json(content).body == b'{"f":[3201.2878,77.0,null],"d":[60278.2469,null],"5":9223372036854775807}'


def test_errors_can_be_those_of_the_original() -> None:
    answer = failed(request(), TomError("wrong"))
    assert (answer.status_code, answer.body) == (422, b"wrong")
    assert failed(request(legacy_errors=True), TomError("wrong", 404)).status_code == 500
    assert failed(request("application/json"), TomError("wrong", 404)).body == b'{"status":"error","error":"wrong"}'
