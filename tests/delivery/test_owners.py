"""Owners are notified once of each cause, at the address that they gave."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.delivery import owners

pytestmark = pytest.mark.database

Connection = psycopg.Connection[Any]


def test_of_each_cause_an_owner_is_notified_once(connection: Connection) -> None:
    first = owners.notify(connection, "ann", "Filter 3\nis paused", "It took too long.", cause="filter 3 paused")
    assert first is not None
    assert owners.notify(connection, "ann", "again", "", cause="filter 3 paused") is None
    assert owners.notify(connection, "bob", "other owner", "", cause="filter 3 paused") is not None
    assert owners.notify(connection, "ann", "no cause", "") != owners.notify(connection, "ann", "no cause", "")
    row = connection.execute("SELECT subject, state FROM owner_messages WHERE messageid = %s", (first,)).fetchone()
    assert row == ("Filter 3 is paused", "pending")


def test_a_new_address_makes_waiting_messages_due(connection: Connection) -> None:
    owners.notify(connection, "ann", "subject", "text")
    connection.execute("UPDATE owner_messages SET due_at = now() + interval '1 day'")
    assert owners.contact(connection, "ann") is None
    owners.set_contact(connection, "ann", " ann@example.org ")
    assert owners.contact(connection, "ann") == "ann@example.org"
    assert connection.execute("SELECT due_at <= now() FROM owner_messages").fetchone() == (True,)
    owners.set_contact(connection, "ann", None)
    assert owners.contacts(connection) == [("ann", None)]


@pytest.mark.parametrize("address", ["", "ann", "a b@example.org", "ann@example.org\nBcc: all@example.org", "a@b@c"])
def test_what_is_no_address_is_refused(connection: Connection, address: str) -> None:
    with pytest.raises(owners.BadAddressError, match="not an e-mail address"):
        owners.set_contact(connection, "ann", address)
