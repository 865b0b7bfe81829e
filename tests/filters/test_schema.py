"""The published tables are Lasair's and ours, and nothing else of the database."""

from __future__ import annotations

import json
import re
from pathlib import Path

import psycopg
import pytest

from broker_assets.filters.query import check
from broker_assets.filters.schema import TABLES, Kind

PRIVATE = {"ingestid", "revision", "owner", "payload", "index_version", "tns_file", "broughtby"}


def test_no_bookkeeping_is_published() -> None:
    for table in TABLES.values():
        assert not PRIVATE & set(table.columns), table.name


def test_lists_and_annotators_are_restricted() -> None:
    assert {name: table.restricted for name, table in TABLES.items() if table.restricted} == {
        "watchlist_hits": "wl_id",
        "area_hits": "ar_id",
        "annotations": "topic",
    }


def test_kinds_are_those_of_the_columns() -> None:
    objects = TABLES["objects"].columns
    assert objects["g_psfflux"].kind is Kind.REAL
    assert (objects["ndiasources"].kind, objects["ndiasources"].bits) == (Kind.INTEGER, 32)
    assert objects["ndiasources"].documented == "nDiaSources"
    assert TABLES["annotations"].columns["classdict"].kind is Kind.DOCUMENT
    assert TABLES["crossmatch_tns"].columns["disc_date"].kind is Kind.TIME


def test_the_documented_filter_of_events_is_one() -> None:
    document = (Path(__file__).parents[2] / "docs" / "matching.md").read_text()
    [example] = re.findall(r"```\n(SELECT.*?)```", document, re.DOTALL)
    checked = check(example)
    assert checked.columns["notice_events"] >= {"name", "trigger_tai", "stream"}


@pytest.mark.database
@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_postgres_has_every_column(table, module_database_url: str) -> None:
    with psycopg.connect(module_database_url.replace("+psycopg", "")) as connection:
        names = ", ".join(f't."{name}"' for name in table.columns)
        connection.execute(f"SELECT {names} FROM {table.postgres} AS t LIMIT 0")


@pytest.mark.shared
def test_every_column_of_lasair_is_there(shared_folder: Path) -> None:
    schema = json.loads((shared_folder / "data/lasair/derived/schema_11_1.json").read_text())["sql"]
    # The time of the last change of a row depends on the clock of a run: a rebuilt night would differ.
    ours = {("objects", "timestamp")}
    for name, table in TABLES.items():
        if name in schema:
            known = {column.lower() for column in table.names()}
            missing = {column["name"] for column in schema[name]["columns"] if column["name"].lower() not in known}
            assert {(name, column) for column in missing} <= ours
