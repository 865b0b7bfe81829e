"""The tables of the cold store and their catalogue."""

from __future__ import annotations

import pyarrow as pa
import pytest

from broker_assets.cold.catalogue import SCHEMA, ColdStore, snapshot
from broker_assets.database.engine import connect

pytestmark = pytest.mark.database

COLUMNS = pa.schema([("diaobjectid", pa.int64()), ("night", pa.date32()), ("kind", pa.int16())])


def test_a_table_is_made_and_gets_new_columns(store: ColdStore) -> None:
    assert store.table("things") is None
    made = store.prepared("things", COLUMNS)
    assert snapshot(made).identifier == 0
    assert [field.name for field in made.spec().fields] == ["night"]
    more = store.prepared("things", COLUMNS.append(pa.field("flux", pa.float32())))
    assert more.schema().column_names == [*COLUMNS.names, "flux"]
    assert store.prepared("things", COLUMNS).schema().column_names == [*COLUMNS.names, "flux"]
    # The catalogue is in our database, out of sight of its other tables.
    with connect(store.database_url) as connection:
        assert connection.execute(f"SELECT table_name FROM {SCHEMA}.iceberg_tables").fetchall() == [("things",)]
        assert connection.execute("SELECT to_regclass('public.iceberg_tables')").fetchone() == (None,)


def test_options_of_a_catalogue_are_not_shown() -> None:
    store = ColdStore("postgresql+psycopg://x@y/z", "s3://bucket", "https://catalogue.example", {"token": "hidden"})
    assert "hidden" not in repr(store)
