"""What each clause of a filter says, also where a query takes the place of the objects."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.filters.query import check

pytestmark = pytest.mark.database


def test_an_object_that_a_query_of_with_leaves_out_is_explained(engines: Any) -> None:
    engines.refill({"objects": [{"diaobjectid": number, "ra": float(number), "decl": 0.0} for number in (1, 2)]})
    query = check("WITH x AS (SELECT diaObjectId, ra FROM objects WHERE ra > 1) SELECT ra FROM x WHERE x.ra < 1.5")
    assert [clause.text for clause in query.clauses] == ["is in x", "x.ra < 1.5"]
    assert sorted(engines.run_clauses(query)) == [(1, False, False, None), (2, True, False, 2.0)]
    assert sorted(engines.run_clauses(query.parts["x"])) == [(1, False, 1.0), (2, True, 2.0)]
