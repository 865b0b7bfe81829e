"""Features out of range, and nights whose features are not as usual."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from broker_assets.checks.alerts.features import NIGHT_CHECKS, RANGES, features_as_usual, features_in_range
from broker_assets.checks.definition import Verdict, evidence
from broker_assets.database.tables import FEATURE_COLUMNS, ingest_batch_facts, object_features
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore

pytestmark = pytest.mark.database
BEGIN = date(2024, 5, 1)


@pytest.fixture
def database(database_url: str) -> Database:
    return Database(database_url)


def write(database: Database, night: date, rows: list[dict[str, Any]]) -> None:
    """Features of alerts of a night, and their entry in the ledger."""
    number = (night - BEGIN).days
    with database.engine.begin() as connection:
        for place, row in enumerate(rows):
            connection.execute(
                sa.insert(object_features),
                {"diaobjectid": 1000 * number + place, "diasourceid": place, "night": night, "ingestid": 1, **row},
            )
        entry = {"ingestid": number, "night": night, "asset": "object_features", "enrichment": "features"}
        connection.execute(sa.insert(ingest_batch_facts), {**entry, "version": "1", "rows": len(rows), "checksum": 0})


def judged(database: Database, judge: Any, night: date) -> Verdict:
    with evidence(database, ObjectStore("memory://")) as found:
        verdict: Verdict = judge(found, [night.isoformat()])[night.isoformat()]
    return verdict


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("medianr", 0.5, 1.5), ("ebv", 0.1, -0.1), ("jump1", 3.0, float("inf")), ("absmag", -19.0, float("nan")),
        ("latestpairmjd", 61000.0, 2461000.5), ("ngsources", 3, -1), ("bbbriserate", 0.2, 20.0),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_named(database: Database, name: str, good: float, bad: float) -> None:
    write(database, BEGIN, [{name: good}, {name: None}])
    assert judged(database, features_in_range, BEGIN).passed
    write(database, BEGIN + timedelta(days=1), [{name: good}, {name: bad}])
    verdict = judged(database, features_in_range, BEGIN + timedelta(days=1))
    assert not verdict.passed
    assert verdict.metadata["violations"] == {name: 1}


def test_ranges_are_those_of_features() -> None:
    assert set(RANGES) <= set(FEATURE_COLUMNS)
    assert {check.asset for check in NIGHT_CHECKS} == {"object_features"}


@pytest.mark.parametrize(
    ("tonight", "said"),
    [
        ([{"jump1": 1.0 + 0.01 * n, "ebv": 0.1} for n in range(10)], None),
        ([{"jump1": 8.0, "ebv": 0.1}] * 10, "median jump1: 8, usually 1.03"),
        ([{"jump1": 1.0, "ebv": 0.1}] * 5 + [{"ebv": 0.1}] * 5, "share with jump1: 50.0%, usually 100.0%"),
    ],
)
def test_a_drift_is_named(database: Database, tonight: list[dict[str, Any]], said: str | None) -> None:
    for day in range(8):
        write(database, BEGIN + timedelta(days=day), [{"jump1": 1.0 + 0.01 * (n % 9), "ebv": 0.1} for n in range(10)])
    last = BEGIN + timedelta(days=8)
    assert judged(database, features_as_usual, last).description == "no features"
    write(database, last, tonight)
    verdict = judged(database, features_as_usual, last)
    assert verdict.passed == (said is None)
    assert (said or "as in 8 earlier nights") in verdict.description


def test_too_few_nights_say_nothing(database: Database) -> None:
    for day in range(3):
        write(database, BEGIN + timedelta(days=day), [{"jump1": float(100**day)}])
    assert judged(database, features_as_usual, BEGIN + timedelta(days=2)).description.startswith("too few nights")
