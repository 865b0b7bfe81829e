"""Links that cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from stored_points import FIRST, store

from broker_assets.checks.alerts.links import NIGHT_CHECKS, links_hold
from broker_assets.checks.definition import Verdict, evidence
from broker_assets.database.tables import object_link, objects
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore

pytestmark = pytest.mark.database
NIGHT = FIRST.isoformat()


@pytest.fixture
def url(database_url: str) -> str:
    for identifier, survey in ((1, 1), (2, 2)):
        store(database_url, objects, diaobjectid=identifier, survey=survey)
    link(database_url, 1, 2)
    return database_url


def link(url: str, one: int, other: int, **changed: Any) -> None:
    surveys = {"survey": one % 2 or 2, "linkedsurvey": other % 2 or 2, "arcsec": 0.4, "night": FIRST} | changed
    store(url, object_link, diaobjectid=one, linkedid=other, **surveys)


def judged(url: str) -> Verdict:
    with evidence(Database(url), ObjectStore("memory://")) as found:
        return links_hold(found, [NIGHT])[NIGHT]


def test_links_that_hold(url: str) -> None:
    link(url, 2, 1)
    assert judged(url).description == "2 links"
    assert judged(url).passed
    assert {check.asset for check in NIGHT_CHECKS} == {"object_link"}


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ([], "1 links without the one back"),
        ([(2, 1, {}), (2, 4, {}), (4, 2, {})], "2 links of objects that are not stored"),
        ([(2, 1, {"survey": 1})], "1 links of one survey, or with another survey"),
        ([(2, 1, {"arcsec": -1.0})], "1 links without a separation"),
    ],
)
def test_links_that_cannot_be(url: str, more: list[tuple[int, int, dict[str, Any]]], problem: str) -> None:
    for one, other, changed in more:
        link(url, one, other, **changed)
    verdict = judged(url)
    assert not verdict.passed
    assert problem in verdict.description
