"""Secret addresses of calendars."""

from __future__ import annotations

import pytest

from broker_assets.access import accounts
from broker_assets.database import engine
from broker_assets.tom.calendars import feeds

pytestmark = pytest.mark.database


def test_a_new_address_ends_the_old_one(database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        ann = accounts.add(connection, "ann", None)
        assert feeds.made(connection, ann) is None
        first = feeds.renew(connection, ann)
        assert feeds.owner_of(connection, first) == "ann"
        second = feeds.renew(connection, ann)
        assert (feeds.owner_of(connection, first), feeds.owner_of(connection, second)) == (None, "ann")
        assert connection.execute("SELECT digest FROM access.calendar_feeds").fetchall() != [(second,)]
        connection.execute("UPDATE access.users SET active = false")
        assert feeds.owner_of(connection, second) is None
        feeds.end(connection, ann)
        assert feeds.made(connection, ann) is None
