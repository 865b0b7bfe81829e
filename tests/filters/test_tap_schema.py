"""What there is, as TAP_SCHEMA has it."""

from __future__ import annotations

from broker_assets.filters.tap_schema import NAMES, OBSCORE, tap_schema


def test_every_column_is_of_a_table_and_every_table_of_a_schema() -> None:
    schemas = {row["schema_name"] for row in tap_schema("schemas")}
    tables = {row["table_name"]: row for row in tap_schema("tables")}
    assert {row["schema_name"] for row in tables.values()} == schemas
    assert {row["table_name"] for row in tap_schema("columns")} == set(tables)
    assert tables[OBSCORE]["utype"] == "ivo://ivoa.net/std/ObsCore#table-1.1"
    assert {f"tap_schema.{name}" for name in NAMES} <= set(tables)
    assert {row["key_id"] for row in tap_schema("keys")} == {row["key_id"] for row in tap_schema("key_columns")}


def test_columns_that_adql_reserves_are_quoted() -> None:
    names = {row["column_name"] for row in tap_schema("columns")}
    assert '"timestamp"' in names
    assert "timestamp" not in names
