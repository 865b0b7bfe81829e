"""Trials asked for by a page: run in the process of the server, watched, and an activation after one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from site_visitors import Visitor, number_in

from broker_assets.database import engine

pytestmark = pytest.mark.database
TEXT = "SELECT diaObjectId, nDiaSources FROM objects WHERE nDiaSources > 3"


@pytest.fixture
def visitors(site: Any, filled_database_url: str) -> Iterator[tuple[Visitor, Visitor]]:
    """An owner and somebody else, at the server with alerts; all that they leave is removed."""
    with engine.connect(filled_database_url, autocommit=True) as connection:
        yield Visitor(site.url, connection, "tess"), Visitor(site.url, connection, "tom")
        for table in ("filters", "filter_versions", "filter_periods", "access.trials", "access.sessions"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("DELETE FROM access.users WHERE username IN ('tess', 'tom')")


def ended(visitor: Visitor, path: str) -> str:
    """The page of a trial that has ended."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        part = visitor.get(path, headers={"HX-Request": "true"}).text
        if "hx-get" not in part:
            return visitor.text(path)
        time.sleep(0.2)
    raise AssertionError("the trial has not ended")


def test_a_filter_is_tried_and_activated(site: Any, visitors: tuple[Visitor, Visitor]) -> None:
    tess, tom = visitors
    assert "You have tried no filter yet" in tess.text("/filters/trials/")
    trial = tess.done("/filters/try/", text=TEXT, nights="2")
    page = tess.text(trial)
    assert "Cancel</button>" in page
    assert '<meta http-equiv="refresh"' in page
    assert tom.get(trial).status_code == 404
    assert tom.send(f"{trial}cancel/").status_code == 404
    page = ended(tess, trial)
    assert "✓ done" in page
    assert "<svg" in page
    assert "Sample rows of" in page
    assert "nDiaSources" in page

    path = tess.done("/filters/create/", name="active", text=TEXT).partition("?")[0]
    tess.done(f"{path}settings/", name="active", quota="1", alerts="on")
    page = ended(tess, tess.done(f"{path}activate/"))
    assert "✗ refused" in page
    assert "its quota is 1 a night" in page
    assert "‖ inactive" in tess.text(path)
    tess.done(f"{path}settings/", name="active", alerts="on")
    assert "the filter is active" in ended(tess, tess.done(f"{path}activate/"))
    assert "✓ active" in tess.text(path)
    assert f"/filters/{number_in(path)}/" in tess.text("/filters/trials/")


def test_few_at_once_and_cancelled(people: Any) -> None:
    people.connection.execute("ALTER TABLE access.trials ADD CONSTRAINT never CHECK (state <> 'running')")
    trials = [people.ann.done("/filters/try/", text=TEXT) for _ in range(3)]
    answer = people.ann.send("/filters/try/", text=TEXT)
    assert answer.status_code == 422
    assert "wait for them" in answer.text
    for fields in ({"text": "SELECT nothing"}, {"text": TEXT, "nights": "99"}, {"text": TEXT, "alerts": "x"}):
        assert people.bob.send("/filters/try/", **fields).status_code == 422
    for trial in trials:
        people.ann.done(f"{trial}cancel/")
        assert "– cancelled" in people.ann.text(trial)
    assert people.guest.get(trials[0]).status_code == 302
