"""Lists in a real PostgreSQL: who may change what."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from sky_lists import cones

from broker_assets.access.refusals import NameTaken, NotTheOwner
from broker_assets.sky.lists import ListSettings, UnknownList, add_cones, change_list, create_watchlist
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database
Connection = psycopg.Connection[Any]


def test_who_may_change_what(connection: Connection) -> None:
    private = create_watchlist(connection, "ann", "private", cones(3, 1), radius=5.0)
    public = create_watchlist(connection, "ann", "public", cones(3, 1), radius=5.0, public=True)
    with pytest.raises(UnknownList):
        add_cones(connection, "bob", private, cones(1, 2))
    with pytest.raises(NotTheOwner):
        add_cones(connection, "bob", public, cones(1, 2))
    with pytest.raises(UnknownList):  # whose answer would show the list
        change_list(connection, "bob", "watchlist", private, ListSettings())
    with pytest.raises(NameTaken):
        create_watchlist(connection, "ann", "PRIVATE", cones(1, 1), radius=5.0)
    with pytest.raises(NameTaken):
        change_list(connection, "ann", "watchlist", private, ListSettings(name="Public"))
    with pytest.raises(ValueError, match="radius 361"):
        change_list(connection, "ann", "watchlist", private, ListSettings(radius=361.0))
    with pytest.raises(ValueError, match="1 to 256"):
        create_watchlist(connection, "ann", "  ", cones(1, 1), radius=5.0)
    assert connection.execute("SELECT count(*) FROM watchlist_cones").fetchone() == (6,)


def test_names_with_quotes_are_only_names(connection: Connection) -> None:
    name = "O'Neil\"; DROP TABLE objects; --"
    parts = parse_watchlist([f'10, 10, "{name.replace(chr(34), chr(34) * 2)}"'])
    create_watchlist(connection, name, name, parts, radius=5.0)
    assert connection.execute("SELECT name FROM watchlist_cones").fetchone() == (name,)
