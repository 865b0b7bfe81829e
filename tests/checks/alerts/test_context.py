"""Associations out of range, and nights whose classes are not as usual."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from broker_assets.checks.alerts.context import NIGHT_CHECKS, RANGES, context_as_usual, context_in_range
from broker_assets.checks.definition import Verdict, evidence
from broker_assets.database.tables import associations, context_matches, ingest_batch_facts
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore

pytestmark = pytest.mark.database
BEGIN = date(2024, 5, 1)


@pytest.fixture
def database(database_url: str) -> Database:
    return Database(database_url)


def write(database: Database, night: date, rows: list[dict[str, Any]], *, without: int = 0) -> None:
    """Associations of alerts of a night, and of the night's features their entry in the ledger."""
    number = (night - BEGIN).days
    with database.engine.begin() as connection:
        for place, row in enumerate(rows):
            key = {"diaobjectid": 1000 * number + place, "associationid": 7}
            base = {"ra": 1.0, "decl": 2.0, "healpix": 1, "classification": "SN", "annotator": "a", "description": "d"}
            connection.execute(sa.insert(associations), {**key, **base, **row})
            fact = {**key, "diasourceid": place, "night": night, "ingestid": 1}
            connection.execute(sa.insert(context_matches), fact)
        entry = {"ingestid": number, "night": night, "asset": "object_features", "enrichment": "features"}
        counted = {"version": "1", "rows": len(rows) + without, "checksum": 0}
        connection.execute(sa.insert(ingest_batch_facts), {**entry, **counted})


def judged(database: Database, judge: Any, night: date) -> Verdict:
    with evidence(database, ObjectStore("memory://")) as found:
        verdict: Verdict = judge(found, [night.isoformat()])[night.isoformat()]
    return verdict


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("z", 0.1, -0.5), ("separationarcsec", 3.0, float("nan")), ("mag", 18.0, float("inf")),
        ("classificationreliability", 3, 4), ("classification", "ORPHAN", "AGB"), ("decdeg", -90.0, 90.5),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_named(database: Database, name: str, good: Any, bad: Any) -> None:
    write(database, BEGIN, [{name: good}, {}])
    assert judged(database, context_in_range, BEGIN).passed
    write(database, BEGIN + timedelta(days=1), [{name: good}, {name: bad}])
    verdict = judged(database, context_in_range, BEGIN + timedelta(days=1))
    assert not verdict.passed
    assert verdict.description == f"of 2 rows out of range: {name} in 1"


def test_ranges_are_those_of_associations() -> None:
    assert set(RANGES) <= set(associations.c.keys())
    assert {check.asset for check in NIGHT_CHECKS} == {"context_matches"}


@pytest.mark.parametrize(
    ("labels", "without", "said"),
    [
        (["SN"] * 6 + ["ORPHAN"] * 4, 0, None),
        (["ORPHAN"] * 10, 0, "SN: 0.0%, usually 60.0%; ORPHAN: 100.0%, usually 40.0%"),
        (["SN"] * 3 + ["ORPHAN"] * 2, 5, "no class: 50.0%, usually 0.0%"),
    ],
)
def test_a_change_is_named(database: Database, labels: list[str], without: int, said: str | None) -> None:
    for day in range(8):
        usual = ["SN"] * 6 + ["ORPHAN"] * 4
        write(database, BEGIN + timedelta(days=day), [{"classification": label} for label in usual])
    last = BEGIN + timedelta(days=8)
    assert judged(database, context_as_usual, last).description == "no alerts"
    write(database, last, [{"classification": label} for label in labels], without=without)
    verdict = judged(database, context_as_usual, last)
    assert verdict.passed == (said is None)
    assert (said or "as in 8 earlier nights") in verdict.description


def test_a_platform_without_catalogues_is_as_usual(database: Database) -> None:
    for day in range(9):
        write(database, BEGIN + timedelta(days=day), [], without=10)
    verdict = judged(database, context_as_usual, BEGIN + timedelta(days=8))
    assert verdict.passed
    assert verdict.metadata["share of no class"] == 1.0
