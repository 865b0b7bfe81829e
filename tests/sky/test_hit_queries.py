"""Hits of lists by key."""

from __future__ import annotations

import pytest

from broker_assets.database.engine import connect
from broker_assets.database.paging import page
from broker_assets.sky.hit_queries import KEYS, SCHEMAS, hit_query


@pytest.mark.database
@pytest.mark.parametrize("kind", ["watchlist", "area", "sky_map"])
def test_columns_are_those_of_the_schema(module_database_url: str, kind: str) -> None:
    with connect(module_database_url, autocommit=True) as connection:
        query = hit_query(kind)  # type: ignore[arg-type]
        assert page(connection, query, {"list": 1}, keys=KEYS[kind], limit=5).rows == []
        with connection.cursor() as cursor:
            cursor.execute(query, {"list": 1})
            assert [column.name for column in cursor.description or ()] == SCHEMAS[kind].names
