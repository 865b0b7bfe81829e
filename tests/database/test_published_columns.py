"""What readers learn of the published tables."""

from __future__ import annotations

from broker_assets.database.published_columns import published_tables
from broker_assets.database.query_role import PUBLISHED
from broker_assets.database.tables import metadata


def test_every_published_column_is_described() -> None:
    tables = published_tables()
    assert [table.name for table in tables] == list(PUBLISHED)
    for table in tables:
        assert table.meaning
        assert all(column.name and column.kind and column.meaning for column in table.columns), table.name
    [objects] = [table for table in tables if table.name == "objects"]
    assert len(objects.columns) == len(metadata.tables["objects"].columns)
    assert objects.key == ("diaObjectId",)
