"""What a night of scores shows."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.classifiers.summary import describe_night

pytestmark = pytest.mark.database


def test_shares_of_the_highest_scores(connection: psycopg.Connection[Any]) -> None:
    assert describe_night(connection, "2026-01-01") == {}
    for label, output, sums in (("a", 0, True), ("b", 0, True), ("odd", 1, False)):
        connection.execute(
            "INSERT INTO classifier_classes (classifier, version, class, meaning, output, sumtoone, sha256)"
            " VALUES ('tiny', '1', %s, 'x', %s, %s, 'x')",
            (label, output, sums),
        )
        for alert in range(4):
            score = {"a": 0.9 if alert else 0.2, "b": 0.1 if alert else 0.8, "odd": 0.99}[label]
            connection.execute(
                "INSERT INTO class_scores (diaobjectid, diasourceid, night, ingestid, classifier, version, class,"
                " score) VALUES (1, %s, '2026-01-01', 1, 'tiny', '1', %s, %s)",
                (alert, label, score),
            )
    found = describe_night(connection, "2026-01-01")
    assert found["share of alerts with the highest score"] == {"tiny": {"a": 0.75, "b": 0.25}}
    assert found["plot"].startswith(b"\x89PNG")
    assert len(found["plot"]) < 37_000
