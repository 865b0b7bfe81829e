"""Alerts are recorded, told once per cause, and never lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import sqlalchemy as sa

from broker_assets.database.tables import notification
from broker_assets.resources.database import Database
from broker_assets.resources.notifier import GROUP, Alert, AppriseDestination, Delivery, DeliveryError, Notifier

pytestmark = pytest.mark.database


class Mailbox:
    """A destination that keeps what it is sent, or refuses."""

    def __init__(self, name: str = "mailbox") -> None:
        self.name = name
        self.refuses = False
        self.messages: list[tuple[str, str]] = []

    def send(self, subject: str, body: str) -> None:
        if self.refuses:
            raise DeliveryError(f"{self.name} is full")
        self.messages.append((subject, body))


@pytest.fixture
def database(database_url: str) -> Database:
    return Database(database_url)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def notifier(database: Database, mailbox: Mailbox) -> Notifier:
    return Notifier(database, [mailbox])


CAUSE = Alert("check sources/ledger_balances", "The ledger does not balance", "2 messages are unaccounted for")


def test_alert_is_sent_once(notifier: Notifier, mailbox: Mailbox) -> None:
    notifier.record([CAUSE])
    assert notifier.deliver() == Delivery(sent=1)
    notifier.record([CAUSE, CAUSE])
    assert notifier.deliver() == Delivery()
    assert mailbox.messages == [
        (
            "[broker-assets] The ledger does not balance",
            "**The ledger does not balance**\n\n2 messages are unaccounted for",
        )
    ]


def test_cause_that_lasts_is_repeated_after_the_window(database: Database, mailbox: Mailbox) -> None:
    notifier = Notifier(database, [mailbox], repeat=timedelta(0))
    notifier.record([CAUSE])
    notifier.deliver()
    assert notifier.deliver() == Delivery(), "not seen again since"
    notifier.record([CAUSE])
    assert notifier.deliver() == Delivery(sent=1)
    assert "seen 2 times" in mailbox.messages[1][1]


def test_cause_that_ended_is_news_when_it_comes_back(notifier: Notifier, mailbox: Mailbox) -> None:
    notifier.record([CAUSE])
    notifier.deliver()
    notifier.end([CAUSE.cause])
    assert notifier.deliver() == Delivery()
    notifier.record([CAUSE])
    assert notifier.deliver() == Delivery(sent=1)
    assert "seen" not in mailbox.messages[1][1], "counted anew"


def test_refused_alert_is_kept_and_sent_later(notifier: Notifier, mailbox: Mailbox, database: Database) -> None:
    mailbox.refuses = True
    notifier.record([CAUSE])
    delivery = notifier.deliver()
    assert (delivery.sent, delivery.waiting, delivery.failures) == (0, 1, ("mailbox is full",))
    with database.engine.connect() as connection:
        row = connection.execute(sa.select(notification)).one()
    assert (row.sent_at, row.failure) == (None, "mailbox is full")
    mailbox.refuses = False
    assert notifier.deliver() == Delivery(sent=1)
    with database.engine.connect() as connection:
        row = connection.execute(sa.select(notification)).one()
    assert row.sent_at is not None
    assert row.failure is None


def test_ended_cause_that_was_never_told_is_still_told(notifier: Notifier, mailbox: Mailbox) -> None:
    notifier.record([CAUSE])
    notifier.end([CAUSE.cause])
    assert notifier.deliver() == Delivery(sent=1)


def test_one_failing_destination_does_not_repeat_the_others(database: Database, mailbox: Mailbox) -> None:
    broken = Mailbox("slack")
    broken.refuses = True
    notifier = Notifier(database, [mailbox, broken])
    notifier.record([CAUSE])
    notifier.deliver()
    notifier.deliver()
    broken.refuses = False
    assert notifier.deliver() == Delivery(sent=1)
    assert (len(mailbox.messages), len(broken.messages)) == (1, 1)


def test_many_causes_are_one_message(notifier: Notifier, mailbox: Mailbox) -> None:
    notifier.record(Alert(f"cause {i}", f"Subject {i}") for i in range(GROUP + 5))
    assert notifier.deliver() == Delivery(sent=GROUP, waiting=5)
    assert notifier.deliver() == Delivery(sent=5)
    assert mailbox.messages[0][0].startswith(f"[broker-assets] {GROUP + 5} alerts: ")
    assert "And 5 more" in mailbox.messages[0][1]
    told = "".join(body for _, body in mailbox.messages)
    assert all(f"**Subject {i}**" in told for i in range(GROUP + 5))


def test_without_destination_the_log_has_it(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier(database)
    notifier.record([CAUSE])
    assert notifier.deliver() == Delivery(sent=1)
    assert "The ledger does not balance" in caplog.text


def test_links() -> None:
    notifier = Notifier(Database(None), web_address="http://host:3000/")
    assert notifier.run_link("0123456789ab") == "[run 01234567](http://host:3000/runs/0123456789ab)"
    assert (
        notifier.asset_link("alert_stream/rubin") == "[alert_stream/rubin](http://host:3000/assets/alert_stream/rubin)"
    )


class Webhook(BaseHTTPRequestHandler):
    """Takes JSON posts, answers with the server's `status`."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(json.loads(body))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def webhook() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Webhook)
    server.received, server.status = [], 200  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_apprise_delivers_markdown_with_link(database: Database, webhook: HTTPServer) -> None:
    destination = AppriseDestination(f"json://127.0.0.1:{webhook.server_port}/hook")
    notifier = Notifier(database, [destination], web_address="http://host:3000")
    notifier.record([Alert("run drain", "A run failed", notifier.run_link("0123456789ab"))])
    assert notifier.deliver() == Delivery(sent=1)
    (message,) = webhook.received  # type: ignore[attr-defined]
    assert message["title"] == "[broker-assets] A run failed"
    assert "http://host:3000/runs/0123456789ab" in message["message"]


def test_apprise_failure_is_seen(database: Database, webhook: HTTPServer) -> None:
    webhook.status = 500  # type: ignore[attr-defined]
    notifier = Notifier(database, [AppriseDestination(f"json://127.0.0.1:{webhook.server_port}/hook")])
    notifier.record([CAUSE])
    assert notifier.deliver().waiting == 1


def test_wrong_url_is_refused_without_showing_it() -> None:
    with pytest.raises(ValueError, match="nonsense") as caught:
        AppriseDestination("nonsense://user:secret@host")
    assert "secret" not in str(caught.value)
