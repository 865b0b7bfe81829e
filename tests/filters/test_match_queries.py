"""What filters passed, and its messages, by key."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.database.engine import connect
from broker_assets.filters.match_queries import DELIVERIES, DELIVERY_SCHEMA, MATCH_SCHEMA, MATCHES


@pytest.mark.database
@pytest.mark.parametrize(
    ("query", "schema", "values"),
    [
        (MATCHES, MATCH_SCHEMA, {"filter": 1, "first": None, "last": "2026-01-01"}),
        (DELIVERIES, DELIVERY_SCHEMA, {"filter": 1, "state": "dead"}),
    ],
)
def test_columns_are_those_of_the_schema(module_database_url: str, query: Any, schema: Any, values: Any) -> None:
    with connect(module_database_url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(query, values)
        assert [column.name for column in cursor.description or ()] == schema.names
