"""Scores out of range, missing ones, and nights whose classes are not as usual."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from broker_assets.checks.alerts.classes import (
    NIGHT_CHECKS,
    classes_as_usual,
    classifiers_score_all_alerts,
    scores_in_range,
)
from broker_assets.checks.definition import Verdict, evidence
from broker_assets.database.tables import class_scores, classifier_classes, classifier_failures, ingest_batch_facts
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore

pytestmark = pytest.mark.database
BEGIN = date(2024, 5, 1)


@pytest.fixture
def database(database_url: str) -> Database:
    made = Database(database_url)
    with made.engine.begin() as connection:
        for label, output in (("a", 0), ("b", 0), ("odd", 1)):
            entry = {"classifier": "tiny", "version": "1", "class": label, "meaning": "x", "sha256": "x"}
            connection.execute(sa.insert(classifier_classes), {**entry, "output": output, "sumtoone": output == 0})
    return made


def write(database: Database, night: date, alerts: list[tuple[float, float, float]]) -> None:
    """Scores of alerts of a night, and their entry in the ledger."""
    number = (night - BEGIN).days
    with database.engine.begin() as connection:
        for place, scores in enumerate(alerts):
            key = {"diaobjectid": 1000 * number + place, "diasourceid": place, "night": night, "ingestid": number}
            for label, score in zip(("a", "b", "odd"), scores, strict=True):
                values = {"classifier": "tiny", "version": "1", "class": label, "score": score}
                connection.execute(sa.insert(class_scores), {**key, **values})
        entry = {"ingestid": number, "night": night, "asset": "class_scores", "enrichment": "classifiers"}
        connection.execute(
            sa.insert(ingest_batch_facts), {**entry, "version": "1", "rows": 3 * len(alerts), "checksum": 0}
        )


def judged(database: Database, judge: Any, night: date = BEGIN) -> Verdict:
    with evidence(database, ObjectStore("memory://")) as found:
        verdict: Verdict = judge(found, [night.isoformat()])[night.isoformat()]
    return verdict


def test_good_scores_pass(database: Database) -> None:
    write(database, BEGIN, [(0.25, 0.75, 0.9), (1.0, 0.0, 0.0)])
    for check in NIGHT_CHECKS:
        assert judged(database, check.judge).passed
    assert {check.asset for check in NIGHT_CHECKS} == {"class_scores"}


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ((0.5, 0.5, 1.5), "1 scores outside 0 to 1"),
        ((0.5, 0.5, float("nan")), "1 scores outside 0 to 1"),
        ((0.5, 0.4, 0.5), "1 alerts whose scores do not add up to 1"),
    ],
)
def test_wrong_scores_are_counted(database: Database, scores: tuple[float, float, float], said: str) -> None:
    write(database, BEGIN, [(0.25, 0.75, 0.9), scores])
    verdict = judged(database, scores_in_range)
    assert not verdict.passed
    assert verdict.description == said


def test_what_was_not_scored_is_reported(database: Database) -> None:
    write(database, BEGIN, [])
    write(database, BEGIN + timedelta(days=1), [])
    with database.engine.begin() as connection:
        entry = {"classifier": "tiny", "version": "1", "reason": "it fails", "alerts": 7}
        connection.execute(sa.insert(classifier_failures), {"ingestid": 0, "night": BEGIN, **entry})
    verdict = judged(database, classifiers_score_all_alerts)
    assert (verdict.passed, verdict.description) == (False, "tiny 1: 7 alerts, it fails")
    assert judged(database, classifiers_score_all_alerts, BEGIN + timedelta(days=1)).passed


@pytest.mark.parametrize(
    ("tonight", "said"),
    [
        ([(0.8, 0.2, 0.5)] * 8 + [(0.2, 0.8, 0.5)] * 2, None),
        ([(0.2, 0.8, 0.5)] * 10, "share of tiny: a: 0, usually 0.8"),
        ([(0.8, 0.2, 0.95)] * 8 + [(0.2, 0.8, 0.95)] * 2, "median score of tiny: odd: 0.95, usually 0.5"),
    ],
)
def test_drift(database: Database, tonight: list[tuple[float, float, float]], said: str | None) -> None:
    for night in range(8):
        write(database, BEGIN + timedelta(days=night), [(0.8, 0.2, 0.5)] * 8 + [(0.2, 0.8, 0.5)] * 2)
    last = BEGIN + timedelta(days=8)
    write(database, last, tonight)
    verdict = judged(database, classes_as_usual, last)
    assert verdict.passed is (said is None)
    assert said is None or said in verdict.description
    assert judged(database, classes_as_usual).description == "too few nights to compare with"
