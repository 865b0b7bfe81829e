"""Filters that did not run, and nights with unusual numbers of matches."""

from __future__ import annotations

import datetime

import pytest
from stored_filters import NIGHT, add_batch, add_run

from broker_assets.checks.alerts.filters import NIGHT_CHECKS, matches_as_usual, no_filter_starved
from broker_assets.checks.definition import evidence
from broker_assets.database import engine
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore

pytestmark = pytest.mark.database
KEY = NIGHT.isoformat()


def test_what_did_not_run_is_reported(database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        first, second = add_batch(connection), add_batch(connection)
        add_run(connection, first, 1, 10)
        with evidence(Database(database_url), ObjectStore("memory://")) as found:
            assert no_filter_starved(found, [KEY])[KEY].passed
        add_run(connection, first, 2, problem="starved")
        add_run(connection, second, 2, problem="time")
        add_run(connection, second, 3, 10, over=4)
    with evidence(Database(database_url), ObjectStore("memory://")) as found:
        verdict = no_filter_starved(found, [KEY])[KEY]
    assert not verdict.passed
    for text in (
        "filter 2 did not run over 1 batches",
        "failed in 1 batches (time!)",
        "filter 3 passed 4 alerts beyond",
    ):
        assert text in verdict.description
    assert {check.asset for check in NIGHT_CHECKS} == {"filter_matches"}


@pytest.mark.parametrize(("matches", "passed"), [(110, True), (3, False), (9000, False)])
def test_matches_are_compared_with_those_of_the_same_filter(database_url: str, matches: int, passed: bool) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        for day in range(10):
            night = NIGHT - datetime.timedelta(days=10 - day)
            add_run(connection, add_batch(connection, night=night), 1, 90 + 3 * day, night=night)
        batch = add_batch(connection)
        add_run(connection, batch, 1, matches)
        add_run(connection, batch, 2, 5000)  # it is new
    with evidence(Database(database_url), ObjectStore("memory://")) as found:
        verdict = matches_as_usual(found, [KEY])[KEY]
    assert verdict.passed is passed
    assert passed or f"filter 1 passed {matches}, usually 10" in verdict.description
