"""Who may read what an account owns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from broker_assets.access import accounts, sharing, visibility
from broker_assets.access.visibility import may_change, may_read
from broker_assets.filters.store import create_filter, remove_filter
from broker_assets.sky.lists import create_watchlist, delete_list
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database


@dataclass(frozen=True)
class Thing:
    owner: str
    public: bool = False


@pytest.fixture
def people(connection: Any) -> dict[str, accounts.User]:
    connection.execute("TRUNCATE access.shares, watchlists, filters CASCADE")
    found = {name: accounts.add(connection, name, None) for name in ("ann", "bob", "eve")}
    found["root"] = accounts.add(connection, "root", None, roles=["administrator"])
    for name in ("ann", "bob"):
        accounts.join(connection, found[name].userid, ["AGN"])
    return found


def test_a_thing_is_its_owners_a_groups_or_everybodys(connection: Any, people: dict[str, Any]) -> None:
    number = create_filter(connection, "ann", "f", "SELECT ra FROM objects")
    mine = Thing("ann")

    def readers(thing: Thing) -> set[str]:
        guest = {"guest"} if may_read(connection, None, "filter", number, thing) else set()
        return {name for name, user in people.items() if may_read(connection, user, "filter", number, thing)} | guest

    assert readers(mine) == {"ann", "root"}
    assert readers(Thing("ann", public=True)) == {*people, "guest"} == readers(Thing("system"))
    sharing.share(connection, people["ann"], "filter", str(number), ["agn"])
    assert readers(mine) == {"ann", "bob", "root"}
    assert visibility.of_thing(connection, "filter", number, mine).shown == "group AGN"
    assert visibility.of_thing(connection, "filter", number + 1, Thing("ann", True)).audience == "public"
    assert visibility.of_thing(connection, "filter", number + 1, mine).shown == "its owner"
    assert not may_read(connection, people["bob"], "watchlist", number, mine)
    remove_filter(connection, "ann", number)
    assert readers(mine) == {"ann", "root"}


def test_only_the_owner_changes_a_thing(people: dict[str, Any]) -> None:
    assert may_change(people["ann"], Thing("ann"))
    assert not may_change(people["root"], Thing("ann", public=True))
    assert not may_change(None, Thing("ann", public=True))


def test_what_is_removed_is_shared_with_nobody(connection: Any, people: dict[str, Any]) -> None:
    number = create_watchlist(connection, "ann", "stars", parse_watchlist(["1, 2"]), radius=3)
    sharing.share(connection, people["ann"], "watchlist", str(number), ["AGN"])
    delete_list(connection, "ann", "watchlist", number)
    assert connection.execute("SELECT count(*) FROM access.shares").fetchone() == (0,)
