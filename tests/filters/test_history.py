"""Versions of a filter and what changed, and what filters passed."""

from __future__ import annotations

import datetime

import pytest
from stored_filters import add_batch, add_run

from broker_assets.database import engine
from broker_assets.filters.history import Passed, difference, passed, versions
from broker_assets.filters.query import Form
from broker_assets.filters.store import create_filter, save_filter

pytestmark = pytest.mark.database


def test_each_version_says_what_changed(database_url: str) -> None:
    with engine.connect(database_url) as connection:
        number = create_filter(connection, "ann", "f", "SELECT ra\nFROM objects\nWHERE ra > 1")
        save_filter(connection, "ann", number, "SELECT ra\nFROM objects\nWHERE ra > 2")
        save_filter(connection, "ann", number, Form("objects.ra", "objects", "ra > 2"))
        third, second, first = versions(connection, number)
        assert (first.version, first.changed, first.saved_by) == (1, (), "ann")
        assert second.changed == (" SELECT ra", " FROM objects", "-WHERE ra > 1", "+WHERE ra > 2")
        assert third.text.startswith("selected:\nobjects.ra\n")
        batch = add_batch(connection)
        add_run(connection, batch, number, 4)
        add_run(connection, batch, number, 0, night=datetime.date(2025, 11, 25), problem="time")
        assert passed(connection, [number, 99]) == {number: Passed(4, "2025-11-20")}


def test_equal_texts_do_not_differ() -> None:
    assert difference("a\n", "a\n") == ()
