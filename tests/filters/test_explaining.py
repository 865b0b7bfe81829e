"""Each clause of a filter with the values that it saw."""

from __future__ import annotations

import pytest
from stored_filters import add_object

from broker_assets.database import engine
from broker_assets.filters.explaining import explain_object, explain_parts
from broker_assets.filters.query import Form, check

pytestmark = pytest.mark.database


def test_clauses_of_an_object(database_url: str) -> None:
    with engine.connect(database_url) as connection:
        add_object(connection, 7, ndiasources=2, ra=350.0)
        query = check("SELECT diaObjectId FROM objects WHERE nDiaSources > 3 AND (ra > 300 OR decl > 0) AND ebv < 1")
        [clauses] = explain_object(connection, query, 7)
        assert [(clause.text, clause.met) for clause in clauses] == [
            ("nDiaSources > 3", False), ("ra > 300 OR decl > 0", True), ("ebv < 1", False),
        ]  # fmt: skip
        assert clauses[0].values == {"objects.nDiaSources": 2}
        assert clauses[2].values == {"objects.ebv": None}
        listed = check(Form("objects.diaObjectId", "objects, watchlist:3", "objects.ra > 300"))
        [clauses] = explain_object(connection, listed, 7)
        assert [(clause.text, clause.met) for clause in clauses] == [
            ("is in watchlist 3", False), ("objects.ra > 300", True),
        ]  # fmt: skip
        assert explain_object(connection, query, 8) == []


def test_queries_within_a_filter_have_clauses_of_their_own(database_url: str) -> None:
    with engine.connect(database_url) as connection:
        add_object(connection, 7, ndiasources=2, ra=350.0)
        query = check(
            "WITH many AS (SELECT diaObjectId, ra FROM objects WHERE nDiaSources > 3 AND ra > 300)"
            " SELECT ra FROM many WHERE EXISTS (SELECT 1 FROM object_classes AS c WHERE c.diaObjectId ="
            " many.diaObjectId AND c.score > 0.5)"
        )
        [clauses] = explain_object(connection, query, 7)
        assert [clause.met for clause in clauses] == [False, False]
        assert clauses[0].text == "is in many"
        assert clauses[1].text.startswith("EXISTS")
        [clauses] = explain_parts(connection, query, 7)["many"]
        assert [(clause.text, clause.met, clause.values) for clause in clauses] == [
            ("nDiaSources > 3", False, {"objects.nDiaSources": 2}), ("ra > 300", True, {"objects.ra": 350.0}),
        ]  # fmt: skip
