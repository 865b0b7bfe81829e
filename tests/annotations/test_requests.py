"""Accounts ask to annotate, and administrators answer."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts
from broker_assets.annotations import annotators, requests
from broker_assets.annotations.annotators import BadAnnotator, TopicTaken
from broker_assets.annotations.requests import UnknownRequest

pytestmark = pytest.mark.database
WHY = "Scores of early supernovae by a random forest."


@pytest.fixture
def people(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    connection.execute("TRUNCATE access.users, access.memberships, access.annotator_requests")
    roles = {"ann": ["power_user"], "root": ["administrator"]}
    return {name: accounts.add(connection, name, None, roles=given) for name, given in roles.items()}


def test_an_accepted_request_makes_the_annotator(connection: psycopg.Connection[Any], people: dict[str, Any]) -> None:
    number = requests.ask(connection, people["ann"], "early", WHY, "https://example.org")
    assert [one.requestid for one in requests.listed(connection, unanswered=True)] == [number]
    with pytest.raises(PermissionError):
        requests.answer(connection, people["ann"], number, accepted=True)
    requests.answer(connection, people["root"], number, accepted=True, said="welcome")
    made = annotators.get(connection, "early")
    assert (made.owner, made.active, made.public, made.description) == ("ann", True, False, WHY)
    assert accounts.get(connection, "ann").roles == {"power_user", "annotator_owner"}
    [answered] = requests.listed(connection, user=people["ann"])
    assert (answered.accepted, answered.said, answered.answered_by) == (True, "welcome", "root")
    with pytest.raises(UnknownRequest):
        requests.answer(connection, people["root"], number, accepted=False)


def test_a_refused_request_makes_none(connection: psycopg.Connection[Any], people: dict[str, Any]) -> None:
    number = requests.ask(connection, people["ann"], "late", WHY)
    requests.answer(connection, people["root"], number, accepted=False, said="no")
    assert annotators.listing(connection, topics=["late"]) == []
    requests.ask(connection, people["ann"], "late", WHY)


def test_what_cannot_be_is_refused(connection: psycopg.Connection[Any], people: dict[str, Any]) -> None:
    for topic, description, url, said in (
        ("a-b", WHY, None, "letters, digits"),
        ("ab", "short", None, "describe in 10"),
        ("ab", WHY, "javascript:alert(1)", "http"),
    ):
        with pytest.raises(BadAnnotator, match=said):
            requests.ask(connection, people["ann"], topic, description, url)


def test_topics_are_asked_for_once(connection: psycopg.Connection[Any], people: dict[str, Any]) -> None:
    requests.ask(connection, people["ann"], "mine", WHY)
    with pytest.raises(BadAnnotator, match="is waiting for an answer"):
        requests.ask(connection, people["ann"], "Mine", WHY)
    annotators.add_annotator(connection, "taken", "otto")
    with pytest.raises(TopicTaken):
        requests.ask(connection, people["ann"], "Taken", WHY)
    for number in range(requests.MOST_OPEN - 1):
        requests.ask(connection, people["ann"], f"more{number}", WHY)
    with pytest.raises(BadAnnotator, match="wait for an answer"):
        requests.ask(connection, people["ann"], "beyond", WHY)
