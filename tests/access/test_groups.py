"""Groups."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts, groups, sharing
from broker_assets.access.accounts import BadAccount

pytestmark = pytest.mark.database


def test_what_was_shared_with_a_group_ends_with_it(connection: psycopg.Connection[Any]) -> None:
    ann = accounts.add(connection, "ann", None)
    groups.add(connection, "AGN")
    for name in ("agn", " AGN", "a;b", ""):
        with pytest.raises(BadAccount):
            groups.add(connection, name)
    groups.set_groups(connection, "ann", ["AGN"])
    with pytest.raises(BadAccount, match="TDE"):
        groups.set_groups(connection, "ann", ["TDE"])
    connection.execute(
        "INSERT INTO watchlists (wl_id, owner, name, radius) OVERRIDING SYSTEM VALUE VALUES (91, 'ann', 'w', 5)"
    )
    sharing.share(connection, ann, "watchlist", "91", ["AGN"])
    found = {group.name: group for group in groups.every(connection)}
    assert found["AGN"].members == 1
    groups.remove(connection, found["AGN"].groupid)
    assert sharing.groups_of(connection, "watchlist", "91") == []
    assert accounts.groups_of(connection, ann.userid) == ["Public"]
    for number in (found["Public"].groupid, found["AGN"].groupid):
        with pytest.raises(BadAccount):
            groups.remove(connection, number)
