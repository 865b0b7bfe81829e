"""Internal tables: declared columns, and parts of them put together."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from broker_assets.packets.tables import PACKET, SCHEMAS, SQL_TABLES, TABLE_NAMES, complete, concatenate, empty, table


@pytest.mark.parametrize("name", TABLE_NAMES)
def test_every_table_begins_with_its_packet_and_can_be_empty(name: str) -> None:
    made = empty(name)
    assert made.num_rows == 0
    assert made.schema == SCHEMAS[name]
    assert made.schema.field(0) == PACKET
    if name in SQL_TABLES:
        assert set(made.column_names) - {"packet", "trigger"} <= set(SQL_TABLES[name].columns.keys())


def test_values_are_cast_and_columns_put_in_order() -> None:
    made = table("cutout", {"length": np.array([5], np.int16), "kind": ["science"], "packet": [0], "diasourceid": [7]})
    assert made.column_names == ["packet", "diasourceid", "kind", "length"]
    assert made.schema.field("length").type == pa.int64()
    assert made.to_pylist() == [{"packet": 0, "diasourceid": 7, "kind": "science", "length": 5}]


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(KeyError, match="'cutout' has no column size"):
        table("cutout", {"packet": [0], "size": [1]})


def test_a_value_that_does_not_fit_costs_itself() -> None:
    made = table("source", {"packet": pa.array([0, 1]), "survey": pa.array([1, 2**40])})
    assert made["survey"].to_pylist() == [1, None]


def test_parts_with_other_columns_are_joined_with_nulls() -> None:
    one = table("cutout", {"packet": [0], "diasourceid": [7], "kind": ["science"]})
    two = table("cutout", {"packet": [1], "diasourceid": [8], "length": [9]})
    joined = concatenate("cutout", [one, empty("cutout"), two])
    assert joined.to_pylist() == [
        {"packet": 0, "diasourceid": 7, "kind": "science", "length": None},
        {"packet": 1, "diasourceid": 8, "kind": None, "length": 9},
    ]
    assert concatenate("cutout", []).equals(empty("cutout"))
    assert concatenate("cutout", [one]) is one


def test_a_part_is_completed() -> None:
    one = table("cutout", {"packet": [0], "diasourceid": [7]})
    whole = complete("cutout", one)
    assert whole.column_names == SCHEMAS["cutout"].names
    assert whole.to_pylist() == [{"packet": 0, "diasourceid": 7, "kind": None, "length": None}]
