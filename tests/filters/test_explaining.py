"""Each clause of a filter with the values that it saw."""

from __future__ import annotations

import pytest
from stored_filters import add_object

from broker_assets.database import engine
from broker_assets.filters.explaining import explain_object
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
