"""Filters that fail, take too long or flood are paused, with a reason and one notice; others are not."""

from __future__ import annotations

import pytest
from stored_filters import Notices, add_batch, add_run, enabled

from broker_assets.database import engine
from broker_assets.filters.pausing import pause_failing
from broker_assets.filters.query import Form
from broker_assets.filters.registry import get_filter
from broker_assets.filters.store import FilterChanges, change_filter
from broker_assets.settings.filters import FilterSettings
from broker_assets.sky.lists import ListSettings, change_list, create_watchlist
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database
ONE = "SELECT diaObjectId FROM objects"
SETTINGS = FilterSettings(matches_per_night=100, problems_before_pause=3)


def test_what_must_not_go_on_is_paused_once(database_url: str) -> None:
    notices = Notices()
    with engine.connect(database_url, autocommit=True) as connection:
        good, slow, flood = (enabled(connection, ONE, name) for name in ("good", "slow", "flood"))
        twice, large, starved = (enabled(connection, ONE, name) for name in ("twice", "large", "starved"))
        change_filter(connection, "ann", large, FilterChanges(matches_per_night=1000))
        watchlist = create_watchlist(connection, "bob", "list", parse_watchlist(["1, 1"]), radius=5.0, public=True)
        reader = enabled(connection, Form("objects.diaObjectId", f"objects, watchlist:{watchlist}"), "reader")
        change_list(connection, "bob", "watchlist", watchlist, ListSettings(public=False))
        for place in range(3):
            batch = add_batch(connection)
            add_run(connection, batch, good, 10)
            add_run(connection, batch, slow, problem="time")
            add_run(connection, batch, flood, 30, over=10)
            add_run(connection, batch, large, 300)
            add_run(connection, batch, starved, problem="starved")
            if place < 2:
                add_run(connection, batch, twice, problem="error")
        add_run(connection, add_batch(connection, "reprocess"), good, 10_000)
        paused = {item.filterid: item.reason for item in pause_failing(connection, SETTINGS, notices)}
        assert set(paused) == {slow, flood, reader}
        assert paused[slow] == "it failed in 3 batches within an hour: time!"
        assert paused[flood] == "it passed 120 alerts of the night 2025-11-20; its quota is 100"
        assert f"watchlist {watchlist}" in paused[reader]
        assert sorted(subject for _, subject, _ in notices.sent) == [
            f"Your filter {name} is paused" for name in ("flood", "reader", "slow")
        ]
        assert all(owner == "ann" and "broker-assets filter enable" in text for owner, _, text in notices.sent)
        assert pause_failing(connection, SETTINGS, notices) == []
        assert len(notices.sent) == 3
        assert get_filter(connection, slow).paused == paused[slow]
        # Enabled again, its old problems do not count any more; the flood of the same night does.
        change_filter(connection, "ann", slow, FilterChanges(active=True))
        change_filter(connection, "ann", flood, FilterChanges(active=True))
        assert [item.filterid for item in pause_failing(connection, SETTINGS, notices)] == [flood]
        change_filter(connection, "ann", flood, FilterChanges(active=True, matches_per_night=200))
        assert pause_failing(connection, SETTINGS, notices) == []
