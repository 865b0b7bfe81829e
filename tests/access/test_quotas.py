"""How much an account may have."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.access import accounts, quotas
from broker_assets.access.quotas import OverQuota, of_account
from broker_assets.filters.store import create_filter
from broker_assets.settings.access import AccessSettings
from broker_assets.sky.lists import create_watchlist
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database


def require_room(connection: Any, *asked: Any) -> None:
    with connection.transaction():
        quotas.require_room(connection, *asked)


def test_an_account_has_room_up_to_its_quota(connection: Any) -> None:
    connection.execute("TRUNCATE watchlists, filters, areas CASCADE")
    ann, power = accounts.add(connection, "ann", None), accounts.add(connection, "pow", None, roles=["power_user"])
    settings = AccessSettings(most_filters=2, most_cones=3)
    for owner in ("ann", "pow"):
        create_filter(connection, owner, "f", "SELECT ra FROM objects")
        create_watchlist(connection, owner, "w", parse_watchlist(["1, 2", "3, 4"]), radius=3)
    assert {use.what: use.used for use in of_account(connection, ann, settings)} == {
        "filters": 1, "watchlists": 1, "cones": 2, "areas": 0, "targets": 0,
    }  # fmt: skip
    require_room(connection, ann, settings, "filters")
    require_room(connection, ann, settings, "cones", 1)
    with pytest.raises(OverQuota, match="2 of 3 cones, and 2 more"):
        require_room(connection, ann, settings, "cones", 2)
    require_room(connection, power, settings, "cones", 28)
    create_filter(connection, "ann", "g", "SELECT ra FROM objects")
    with pytest.raises(OverQuota, match="2 of 2 filters"):
        require_room(connection, ann, settings, "filters")


def test_room_is_for_accounts_that_are_there(connection: Any) -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        quotas.require_room(connection, accounts.add(connection, "gwen", None), AccessSettings(), "filters")
    gone = accounts.add(connection, "hal", None)
    accounts.remove(connection, "hal")
    with pytest.raises(accounts.UnknownAccount, match="hal has been removed"):
        require_room(connection, gone, AccessSettings(), "filters")
