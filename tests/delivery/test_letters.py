"""Messages to owners are sent once, wait for an address, and are given up when refused for good."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from delivery_peers import Mailbox, mail_server, settings

from broker_assets.access import accounts
from broker_assets.delivery import owners
from broker_assets.delivery.letters import send_letters

pytestmark = pytest.mark.database

Connection = psycopg.Connection[Any]


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as started:
        yield started


def test_letters(connection: Connection, mailbox: Mailbox) -> None:
    owners.set_contact(connection, "ann", "ann@example.org")
    for subject in ("first", "second", "third"):
        owners.notify(connection, "ann", subject, "text")
    mailbox.answers += ["550 never", "451 later"]
    configured = settings(mail_port=mailbox.port)
    assert send_letters(connection, configured, "b.example") == 1
    rows = connection.execute("SELECT state, attempts, failure FROM owner_messages ORDER BY messageid").fetchall()
    assert [(state, attempts) for state, attempts, _ in rows] == [("dead", 1), ("pending", 1), ("delivered", 1)]
    assert rows[1][2] == "the mail server answers 451 later"
    assert send_letters(connection, configured, "b.example") == 0, "it waits"
    connection.execute("UPDATE owner_messages SET due_at = now()")
    assert send_letters(connection, configured, "b.example") == 1
    assert mailbox.subjects == ["[broker-assets] third", "[broker-assets] second"]


def test_a_letter_that_brings_out_a_defect_keeps_no_other_waiting(connection: Connection, mailbox: Mailbox) -> None:
    owners.set_contact(connection, "ann", "ann@example.org")
    for subject in ("first", "second"):
        owners.notify(connection, "ann", subject, "text")
    # A row that no release has written.
    connection.execute("UPDATE owner_messages SET created_at = 'infinity' WHERE subject = 'first'")
    assert send_letters(connection, settings(mail_port=mailbox.port), "b.example") == 1
    assert mailbox.subjects == ["[broker-assets] second"]
    ((failure, waits),) = connection.execute(
        "SELECT failure, due_at > now() FROM owner_messages WHERE attempts = 1 AND state = 'pending'"
    )
    assert (failure.startswith("a defect of the platform: "), waits) == (True, True)


def test_an_owner_with_an_account_is_reached_at_its_address(connection: Connection, mailbox: Mailbox) -> None:
    for name in ("ann", "bob", "carl"):
        accounts.add(connection, name, None, email=f"{name}@example.org")
        owners.notify(connection, name, "subject", "text")
    owners.set_contact(connection, "ann", "other@example.org")
    owners.set_contact(connection, "bob", None)
    assert send_letters(connection, settings(mail_port=mailbox.port), "b.example") == 2
    assert [str(message["To"]) for message in mailbox.messages] == ["other@example.org", "carl@example.org"]


def test_without_a_mail_server_letters_wait(connection: Connection) -> None:
    owners.set_contact(connection, "ann", "ann@example.org")
    owners.notify(connection, "ann", "subject", "text")
    assert send_letters(connection, settings(), "b.example") == 0
    row = connection.execute("SELECT state, failure, due_at > now() FROM owner_messages").fetchone()
    assert row == ("pending", "no mail server is configured: set BROKER_DELIVERY__MAIL__HOST", True)
