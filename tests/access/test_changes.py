"""The record of changes."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts, changes

pytestmark = pytest.mark.database


def test_every_change_of_an_account_is_recorded_without_secrets(connection: psycopg.Connection[Any]) -> None:
    ann = accounts.add(connection, "ann", "correct horse", roles=["administrator"])
    accounts.add(connection, "bob", "correct horse", by=ann.userid)
    accounts.update(connection, "bob", password="battery staple", email="bob@example.org", by=ann.userid)
    found = changes.newest(connection)
    assert [(change.username, change.action, change.subject) for change in found] == [
        ("ann", "user changed", "bob"),
        ("ann", "user added", "bob"),
        ("operator", "user added", "ann"),
    ]
    assert found[0].details == "password, email"
    assert "battery" not in str(found)
    assert len(changes.newest(connection, 1)) == 1
