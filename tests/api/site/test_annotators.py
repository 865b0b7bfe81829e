"""Annotators: the list, requests and their answers, the page of one; each for those who may."""

from __future__ import annotations

import re
from typing import Any

import pytest

from broker_assets.annotations.annotators import add_annotator

pytestmark = pytest.mark.database
WHY = "Scores of <b>early</b> supernovae by a random forest."


def test_an_account_asks_and_an_administrator_answers(people: Any) -> None:
    assert "Ask below to become the first" in people.ann.text("/annotators/")
    assert "Ask below" not in people.guest.text("/annotators/")
    people.ann.done("/annotators/ask/", topic="early", description=WHY, url="https://example.org/")
    assert "○ waiting" in people.ann.text("/annotators/")
    assert "early" not in people.bob.text("/annotators/")
    page = people.root.text("/annotators/")
    assert "Scores of &lt;b&gt;early&lt;/b&gt;" in page
    found = re.search(r"/annotators/requests/(\d+)/", page)
    assert found is not None
    for visitor, code in ((people.bob, 404), (people.ann, 404), (people.guest, 401)):
        assert visitor.send(found[0], do="accept").status_code == code
    assert people.root.send(found[0], forged=True, do="accept").status_code == 403
    people.root.done(found[0], do="accept", said="welcome")
    assert people.root.send(found[0], do="accept").status_code == 404
    page = people.ann.text("/annotators/")
    assert "✓ accepted" in page
    assert "welcome" in page
    assert people.bob.get("/annotators/early/").status_code == 404


def test_what_cannot_be_asked_for_is_said(people: Any) -> None:
    answer = people.eve.send("/annotators/ask/", topic="a-b", description=WHY)
    assert answer.status_code == 422
    assert "letters, digits and underscores" in answer.text
    assert 'value="a-b"' in answer.text
    assert people.guest.send("/annotators/ask/", topic="ab", description=WHY).status_code == 401
    assert people.ann.send("/annotators/ask/", forged=True, topic="ab", description=WHY).status_code == 403


def test_the_owner_changes_and_shares_an_annotator(people: Any) -> None:
    connection = people.connection
    add_annotator(connection, "mine", "ann", description="what it says")
    connection.execute(
        "INSERT INTO annotations (annotationid, diaobjectid, topic, classification, content, revision, ingestid)"
        " VALUES (1, 7, 'mine', '<SN>', 'x', 1, 1)"
    )
    path = "/annotators/mine/"
    page = people.ann.text(path)
    assert "&lt;SN&gt;" in page
    for visitor in (people.bob, people.guest):
        assert visitor.get(path).status_code == 404
        assert "mine" not in visitor.text("/annotators/").partition("<main")[2]
    for action in ("update/", "share/"):
        assert people.bob.send(path + action).status_code == 404
        assert people.guest.send(path + action).status_code == 401
        assert people.ann.send(path + action, forged=True).status_code == 403
    people.ann.done(f"{path}update/", description="new", version="2", url="", schema='{"required": ["p"]}')
    page = people.ann.text(path)
    assert "‖ inactive" in page
    assert "required" in page
    for fields in ({"schema": "{"}, {"url": "javascript:alert(1)"}):
        assert people.ann.send(f"{path}update/", version="2", **fields).status_code == 422
    people.ann.done(f"{path}share/", audience="group", group="AGN")
    assert people.bob.get(path).status_code == 200
    assert people.bob.send(f"{path}share/", audience="public").status_code == 403
    people.ann.done(f"{path}share/", audience="public")
    assert people.guest.get(path).status_code == 200
    assert people.guest.get("/annotators/a-b/").status_code == 400
