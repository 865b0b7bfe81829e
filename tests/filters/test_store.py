"""Filters are saved, changed, paused and removed; what was is kept."""

from __future__ import annotations

import datetime

import pytest
from queued_messages import add_sink, queue
from stored_filters import add_annotator, enabled

from broker_assets.access.refusals import BadSetting, NameTaken, NotTheOwner
from broker_assets.database import engine
from broker_assets.delivery import sinks
from broker_assets.filters.errors import FilterError
from broker_assets.filters.query import Form
from broker_assets.filters.registry import UnknownFilter, active_at, get_filter, version_of
from broker_assets.filters.store import FilterChanges, change_filter, create_filter, pause, remove_filter, save_filter
from broker_assets.provenance.revisions import current_revision
from broker_assets.sky.lists import ListSettings, change_list, create_watchlist
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database

ONE, OTHER = "SELECT diaObjectId FROM objects", "SELECT diaObjectId, ra FROM objects WHERE ra > 1"


def test_every_version_stays_and_runs_from_its_number_on(database_url: str) -> None:
    with engine.connect(database_url) as connection:
        seen = {}

        def look(what: str) -> None:
            now = current_revision(connection)
            seen[what] = (now, [(item.version, item.definition) for item in active_at(connection, now)])

        number = create_filter(connection, "ann", " Bright ", ONE)
        look("saved")
        change_filter(connection, "ann", number, FilterChanges(active=True))
        look("enabled")
        assert save_filter(connection, "ann", number, ONE) == 1  # the same definition is the same version
        assert save_filter(connection, "ann", number, OTHER) == 2
        look("second")
        change_filter(connection, "ann", number, FilterChanges(description="better"))
        look("described")
        assert pause(connection, number, "it floods")
        look("paused")
        assert not pause(connection, number, "again")
        assert get_filter(connection, number).state == "paused: it floods"
        change_filter(connection, "ann", number, FilterChanges(active=True))
        assert get_filter(connection, number).paused is None
        look("again")
        change_filter(connection, "ann", number, FilterChanges(on_alerts=False))
        look("annotations only")
        remove_filter(connection, "ann", number)
        look("removed")
        wanted = {
            "saved": [], "enabled": [(1, ONE)], "second": [(2, OTHER)], "described": [(2, OTHER)], "paused": [],
            "again": [(2, OTHER)], "annotations only": [], "removed": [],
        }  # fmt: skip
        assert {what: rows for what, (_, rows) in seen.items()} == wanted
        for what, (revision, rows) in seen.items():  # and as of then, now that all has changed
            then = [(item.version, item.definition) for item in active_at(connection, revision)]
            assert then == rows, what
        assert version_of(connection, number, 1).definition == ONE
        with pytest.raises(UnknownFilter):
            get_filter(connection, number)


def test_a_filter_goes_with_its_sinks_and_a_public_topic_keeps_it_public(database_url: str) -> None:
    with engine.connect(database_url) as connection:
        number, other = enabled(connection, ONE, "one"), enabled(connection, ONE, "other")
        change_filter(connection, "ann", number, FilterChanges(public=True))
        open_topic = add_sink(connection, number, kind="kafka", target="lasair_open", public=True)
        add_sink(connection, number, target="https://example.org/mine")
        kept = add_sink(connection, other, target="https://example.org/other")
        queue(connection, [1, 2], filterid=number)
        with pytest.raises(BadSetting, match="everybody may read its topic lasair_open: remove that destination first"):
            change_filter(connection, "ann", number, FilterChanges(public=False, description="hidden"))
        assert (get_filter(connection, number).public, get_filter(connection, number).description) == (True, "")
        sinks.remove(connection, open_topic)
        change_filter(connection, "ann", number, FilterChanges(public=False))
        queue(connection, [3], filterid=number)
        remove_filter(connection, "ann", number)
        assert [one.sinkid for one in sinks.listed(connection)] == [kept]
        states = connection.execute("SELECT state, count(*) FROM deliveries GROUP BY 1").fetchall()
        assert states == [("dismissed", 5)]


def test_a_form_is_stored_as_it_was_written(database_url: str) -> None:
    form = Form("objects.diaObjectId", "objects, sherlock_classifications", "sherlock_classifications.z > 0.1")
    with engine.connect(database_url) as connection:
        number = create_filter(connection, "ann", "form", form)
        saved = version_of(connection, number)
        assert saved.form == form
        assert saved.query().tables == {"objects", "sherlock_classifications"}


def test_names_owners_and_quotas(database_url: str) -> None:
    with engine.connect(database_url) as connection:
        number = enabled(connection, ONE, "one")
        with pytest.raises(NameTaken, match="ann already has a filter named"):
            create_filter(connection, "ann", "ONE", ONE)
        create_filter(connection, "bob", "one", ONE)
        with pytest.raises(BadSetting, match="1 to 256"):
            create_filter(connection, "ann", "  ", ONE)
        with pytest.raises(FilterError):
            create_filter(connection, "ann", "bad", "SELECT nothing FROM objects")
        with pytest.raises(UnknownFilter):  # bob may not know of it
            change_filter(connection, "bob", number, FilterChanges(active=False))
        change_filter(connection, "ann", number, FilterChanges(public=True, matches_per_night=5, bytes_per_night=9))
        with pytest.raises(NotTheOwner, match="belongs to ann"):
            save_filter(connection, "bob", number, OTHER)
        assert get_filter(connection, number, viewer="bob").matches_per_night == 5
        change_filter(connection, "ann", number, FilterChanges(matches_per_night="default"))
        assert get_filter(connection, number).matches_per_night is None
        with pytest.raises(BadSetting, match="negative"):
            change_filter(connection, "ann", number, FilterChanges(bytes_per_night=-1))
        when = datetime.datetime(2999, 1, 1, tzinfo=datetime.UTC)
        save_filter(connection, "ann", number, ONE, expire=when)
        assert get_filter(connection, number).date_expire == when
        change_filter(connection, "ann", number, FilterChanges(expire="never"))
        assert get_filter(connection, number).date_expire is None


def test_lists_and_annotators_of_others_are_not_read(database_url: str) -> None:
    with engine.connect(database_url) as connection:
        private = create_watchlist(connection, "bob", "list", parse_watchlist(["1, 1"]), radius=5.0)
        add_annotator(connection, "secret", public=False)
        form = Form("objects.diaObjectId", f"objects, watchlist:{private}, area:99, annotator:secret")
        with pytest.raises(BadSetting, match=f"watchlist {private}, area 99, annotator secret"):
            create_filter(connection, "ann", "one", form)
        mine = Form("objects.diaObjectId", f"objects, watchlist:{private}")
        assert create_filter(connection, "bob", "one", mine)
        change_list(connection, "bob", "watchlist", private, ListSettings(public=True))
        number = enabled(connection, mine, "two")
        change_list(connection, "bob", "watchlist", private, ListSettings(public=False))
        with pytest.raises(BadSetting):
            change_filter(connection, "ann", number, FilterChanges(active=True))
