"""Rows of a table under documented names."""

from __future__ import annotations

import pytest

from broker_assets.database.documented_rows import documented_rows, documented_schema
from broker_assets.database.engine import connect
from broker_assets.database.tables import object_features


def test_names_and_units() -> None:
    schema = documented_schema(object_features, without=("ingestid",))
    assert "ingestId" not in schema.names
    assert schema.field("absMagMJD").metadata[b"unit"] == b"d"


@pytest.mark.database
def test_rows(module_database_url: str) -> None:
    with connect(module_database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO object_features (diaobjectid, diasourceid, night, ingestid, ebv)"
            " VALUES (1, 3, '2026-01-02', 1, 0.5), (1, 2, '2026-01-01', 1, NULL), (2, 1, '2026-01-01', 1, 1)"
        )
        found = documented_rows(connection, object_features, "diaobjectid", [1], order=("diasourceid",))
    assert found["diaSourceId"].to_pylist() == [2, 3]
    assert found["ebv"].to_pylist() == [None, 0.5]
