"""Filters and lists expire after a notice, unless they are renewed."""

from __future__ import annotations

import datetime

import pytest
from stored_filters import Notices, enabled

from broker_assets.access.refusals import NotTheOwner
from broker_assets.database import engine
from broker_assets.filters.expiry import expiring, renew, renewed, warn_and_expire
from broker_assets.filters.registry import get_filter
from broker_assets.sky.lists import create_area, create_watchlist
from broker_assets.sky.regions import cone_area
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database


def test_owners_are_warned_once_and_then_it_ends(database_url: str) -> None:
    notices, soon = Notices(), renewed(3.0)
    with engine.connect(database_url, autocommit=True) as connection:
        number = enabled(connection, "SELECT diaObjectId FROM objects")
        watchlist = create_watchlist(
            connection, "bob", "list", parse_watchlist(["1, 1"]), radius=5.0, public=True, expire=soon
        )
        area = create_area(connection, "cid", "area", cone_area(1.0, 1.0, 1.0, order=6), expire=renewed(90.0))
        renew(connection, "filter", number, "ann", soon)
        known = {(item.kind, item.identifier, item.owner) for item in expiring(connection, days=10.0)}
        assert known == {("filter", number, "ann"), ("watchlist", watchlist, "bob")}
        first = warn_and_expire(connection, warn_days=10.0, notify=notices)
        assert {item.kind for item in first.warned} == {"filter", "watchlist"}
        assert warn_and_expire(connection, warn_days=10.0, notify=notices).warned == []
        assert len(notices.sent) == 2
        with pytest.raises(NotTheOwner):
            renew(connection, "watchlist", watchlist, "ann", None)
        renew(connection, "watchlist", watchlist, "bob", renewed(5.0))  # another time: another notice
        assert len(warn_and_expire(connection, warn_days=10.0, notify=notices).warned) == 1
        renew(connection, "area", area, "cid", None)
        past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
        connection.execute("UPDATE filters SET date_expire = %s", (past,))
        connection.execute("UPDATE watchlists SET date_expire = %s", (past,))
        over = warn_and_expire(connection, warn_days=10.0, notify=notices).expired
        assert {item.kind for item in over} == {"filter", "watchlist"}
        assert "it expired on" in (get_filter(connection, number).paused or "")
        row = connection.execute("SELECT active FROM watchlists").fetchone()
        assert row == (False,)
        assert connection.execute("SELECT FROM filter_periods WHERE revision_to IS NULL").fetchall() == []
        assert warn_and_expire(connection, warn_days=10.0, notify=notices).expired == []
        assert [subject for _, subject, _ in notices.sent[-2:]] == [
            "Your filter one has expired", "Your watchlist list has expired",
        ]  # fmt: skip
