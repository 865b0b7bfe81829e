"""What is shared with a group, and by whom."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts, changes, sharing
from broker_assets.access.sharing import CannotShare
from broker_assets.annotations.annotators import add_annotator


def test_only_the_owner_shares_and_with_own_groups(connection: psycopg.Connection[Any]) -> None:
    ann, bob = accounts.add(connection, "ann", None), accounts.add(connection, "bob", None)
    accounts.join(connection, ann.userid, ["AGN"])
    connection.execute(
        "INSERT INTO watchlists (wl_id, owner, name, radius) OVERRIDING SYSTEM VALUE VALUES (90, 'ann', 'w', 5)"
    )
    sharing.share(connection, ann, "watchlist", "90", ["agn", "Public"])
    assert sharing.groups_of(connection, "watchlist", "90") == ["AGN", "Public"]
    assert changes.newest(connection, 1)[0].details == "Public, agn"
    for user, number, groups in ((bob, "90", ["Public"]), (ann, "91", []), (ann, "90", ["TDE"]), (ann, "x'--", [])):
        with pytest.raises(CannotShare):
            sharing.share(connection, user, "watchlist", number, groups)
    sharing.share(connection, ann, "watchlist", "90", [])
    assert sharing.groups_of(connection, "watchlist", "90") == []


def test_it_ends_with_its_subject_and_with_another_owner(connection: psycopg.Connection[Any]) -> None:
    ann = accounts.add(connection, "ann", None)
    for topic, end in (("gone", "DELETE FROM annotators"), ("given", "UPDATE annotators SET owner = 'bob'")):
        add_annotator(connection, topic, "ann")
        sharing.share(connection, ann, "annotator", topic, ["Public"])
        connection.execute(f"{end} WHERE topic = %s", (topic,))
        assert sharing.groups_of(connection, "annotator", topic) == []
