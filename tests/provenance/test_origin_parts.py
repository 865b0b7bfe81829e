"""Parts of an answer are expressions that PostgreSQL understands."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.provenance.origin_parts import batch_part, file_part, json_part, survey_part


@pytest.mark.database
def test_a_part_is_null_where_it_is_not_found(connection: psycopg.Connection[Any]) -> None:
    text = json_part("number > 1", number="number", half="number / 2.0")
    rows = connection.execute(f"SELECT {text} FROM generate_series(1, 2) AS number").fetchall()  # type: ignore[call-overload]
    assert rows == [(None,), ({"number": 2, "half": 1.0},)]


@pytest.mark.database
def test_a_batch_is_found_by_its_number(connection: psycopg.Connection[Any]) -> None:
    part = batch_part("wanted")
    connection.execute(
        "INSERT INTO ingest_batch (ingestid, topic, kind, code_version, started_at) OVERRIDING SYSTEM VALUE"
        " VALUES (7, 't', 'stream', '1', now())"
    )
    query = f"SELECT {part.value} FROM (VALUES (7), (8)) AS this (wanted) {part.joins} ORDER BY wanted"
    (found,), (missing,) = connection.execute(query).fetchall()  # type: ignore[call-overload]
    assert (found["ingestid"], found["topic"], missing) == (7, "t", None)


def test_parts_say_whether_a_row_needs_them() -> None:
    assert file_part("true", name="'a'").required
    assert survey_part().required
    imported = survey_part("this.broughtby IS NULL", instead_of=("packet", "batch"))
    assert (imported.required, imported.instead_of, imported.name) == (False, ("packet", "batch"), "computed")
    assert batch_part().name == "batch"
