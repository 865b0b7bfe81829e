"""What users' queries ask of the tables of points: never less than they need."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.database.tables import diaforcedsources, diasources
from broker_assets.filters.adql import translate
from broker_assets.filters.tap_border import asked

OBJECT, TIME = "diaobjectid", "midpointmjdtai"


@pytest.mark.parametrize(
    ("query", "conditions"),
    [
        ("SELECT psfFlux FROM diaSources WHERE diaObjectId = 7", [[(OBJECT, "=", 7)]]),
        ("SELECT psfFlux FROM diaSources AS s WHERE s.diaObjectId IN (1, 2)", [[(OBJECT, "in", [1, 2])]]),
        (
            "SELECT psfFlux FROM diaSources WHERE midpointMjdTai BETWEEN 1 AND 2.5",
            [[(TIME, ">=", 1.0)], [(TIME, "<=", 2.5)]],
        ),
        ("SELECT psfFlux FROM diaSources WHERE 5 > midpointMjdTai AND band = 'g'", [[(TIME, "<=", 5.0)]]),
        ("SELECT psfFlux FROM diaSources WHERE 5 < midpointMjdTai", [[(TIME, ">=", 5.0)]]),
        ("SELECT psfFlux FROM diaSources WHERE diaObjectId = 7 OR diaObjectId = 8", []),
        ("SELECT psfFlux FROM diaSources WHERE NOT diaObjectId = 7", []),
        ("SELECT psfFlux FROM diaSources WHERE diaObjectId = 7.5", []),
        ("SELECT a.psfFlux FROM diaSources AS a JOIN diaSources AS b ON a.visit = b.visit WHERE a.diaObjectId = 1", []),
        (
            "SELECT s.psfFlux FROM diaSources AS s JOIN objects AS o ON o.diaObjectId = s.diaObjectId"
            " WHERE o.diaObjectId = 7 AND s.midpointMjdTai > 3",
            [[(TIME, ">=", 3.0)]],
        ),
    ],
)
def test_conditions_of_a_query(query: str, conditions: Any) -> None:
    assert asked(translate(query, limit=10).statement) == {diasources: conditions}


def test_which_tables() -> None:
    assert asked(translate("SELECT ra FROM objects", limit=10).statement) == {}
    query = (
        "SELECT s.diaObjectId FROM diaSources AS s JOIN diaForcedSources AS f ON f.diaObjectId = s.diaObjectId"
        " WHERE f.diaObjectId < 9"
    )
    assert asked(translate(query, limit=10).statement) == {diasources: [], diaforcedsources: [[(OBJECT, "<=", 9)]]}
