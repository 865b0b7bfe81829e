"""The list of functions is complete, and every one runs in both engines."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.filters.functions import AGGREGATES, FUNCTIONS, TIMES
from broker_assets.filters.query import FilterError, check

pytestmark = pytest.mark.database

_ARGUMENTS = {
    "x": "2.5",
    "y": "1.5",
    "base": "2",
    "digits": "1",
    "flux": "g_psfFlux",
    "text": "tns_name",
    "part": "'25'",
    "start": "1",
    "length": "2",
    "condition": "ra > 3",
    "time": "now()",
    "INTERVAL n unit": "INTERVAL 2 DAY",
    "expression": "'^2'",
    "radius": "3",
    "…": "tns_name",
    "value": "ra",
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=lambda function: function.name)
def test_every_function_runs(evaluate: Any, function: Any) -> None:
    if "document" in function.arguments:
        pytest.skip("in test_textual")
    for form in function.arguments.split(" | "):
        names = [name for name in form.split(", ") if name]
        given = [_ARGUMENTS.get(name, "10") for name in names]
        if names[-1:] == ["…"] and names[0] == "x":
            given[-1] = "3"
        if function.name in ("asin", "acos"):
            given = ["0.5"]
        if function.name == "starts_with":
            given[1] = "'2'"
        assert evaluate(f"{function.name}({', '.join(given)})") is not None


@pytest.mark.parametrize("name", TIMES)
def test_times_run(evaluate: Any, name: str) -> None:
    assert evaluate(f"{name}()") is not None


def test_aggregates_are_of_the_rows_of_an_object(empty_engines: Any, evaluate: Any) -> None:
    empty_engines.fill(
        {
            "object_classes": [
                {"diaobjectid": 1, "classifier": "c", "class": name, "version": "1", "score": score}
                for name, score in [("SN", 0.5), ("AGN", 0.25), ("ä", 0.25)]
            ]
        }
    )
    rows = empty_engines.run(
        "SELECT objects.diaObjectId, count(*), count(DISTINCT score), min(class), max(class), sum(score), avg(score),"
        " min(score) AS low, sum(CASE WHEN score > 0.3 THEN 1 ELSE 0 END) AS good, ra, max(NULL) IS NULL AS nothing"
        " FROM objects JOIN object_classes USING (diaObjectId) GROUP BY diaObjectId HAVING low < 0.3 AND count(*) = 3"
    )
    assert rows == [(1, 1, 3, 2, "AGN", "ä", 1.0, pytest.approx(1 / 3), 0.25, 1.0, 150.0, True)]
    assert set(AGGREGATES) == {"count", "min", "max", "sum", "avg"}


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("sum(sum(ra))", "needs GROUP BY"),
        ("max(ra > 3)", "not for conditions"),
        ("min(*)", "needs a value"),
        ("sum()", "one"),
    ],
)
def test_aggregates_refuse(expression: str, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        check(f"SELECT {expression} AS x FROM objects GROUP BY diaObjectId")
    assert said in str(caught.value)
