"""What annotators have said, as people look at it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.annotations.overview import annotated_objects, counts

pytestmark = pytest.mark.database


def test_the_newest_annotations_come_first(annotated: psycopg.Connection[Any]) -> None:
    annotated.execute(
        "INSERT INTO annotations (annotationid, diaobjectid, topic, classification, content, revision, ingestid)"
        " SELECT n, n, 'fastfinder', 'SN', 'x', 1, 1 FROM generate_series(1, 3) AS n"
    )
    assert counts(annotated) == {"fastfinder": 3}
    assert [row["diaobjectid"] for row in annotated_objects(annotated, "fastfinder", limit=2)] == [3, 2]
    assert annotated_objects(annotated, "other", limit=2) == []
