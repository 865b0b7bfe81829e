"""`broker-assets filter expiry`."""

from __future__ import annotations

from typing import Any

import pytest
from stored_filters import enabled

from broker_assets.database import engine
from broker_assets.filters.expiry import renewed
from broker_assets.filters.store import FilterChanges, change_filter

pytestmark = pytest.mark.database


def test_expiries_are_listed_and_renewed(command: Any, database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        number = enabled(connection, "SELECT diaObjectId FROM objects", "soon")
        change_filter(connection, "ann", number, FilterChanges(expire=renewed(3.0)))
    assert "soon" in command("filter", "expiry", "list").stdout
    assert "Nothing expires within 1 days" in command("filter", "expiry", "list", "--days", 1).stdout
    assert "expires on" in command("filter", "expiry", "renew", "filter", number).stdout
    assert "Nothing" in command("filter", "expiry", "list").stdout
    assert "expires never" in command("filter", "expiry", "renew", "filter", number, "--expire", "never").stdout
    assert command("filter", "expiry", "renew", "annotator", number).exit_code == 2
