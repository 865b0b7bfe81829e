"""Alerts are recorded, told once per cause, and never lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import sqlalchemy as sa
from operator_mailbox import Mailbox

from broker_assets.database.tables import notification
from broker_assets.monitoring.alerts import SUBJECT_CHARACTERS, Alert, Cause, Severity
from broker_assets.resources.database import Database
from broker_assets.resources.notifier import BODY_CHARACTERS, GROUP, AppriseDestination, Delivery, Notifier

pytestmark = pytest.mark.database


@pytest.fixture
def database(database_url: str) -> Database:
    return Database(database_url)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def notifier(database: Database, mailbox: Mailbox) -> Notifier:
    return Notifier(database, [mailbox])


CAUSE = Alert(
    Cause("check", "sources", "2024-05-01", "ledger_balances"),
    "the ledger does not balance",
    body="2 messages are unaccounted for",
    next_step="keep the logs",
    link="[the check](http://host:3000/assets/sources?view=checks)",
)
SUBJECT = "error: sources of 2024-05-01: the ledger does not balance"


def of(place: str, severity: Severity = "error") -> Alert:
    return Alert(Cause("run", place), "run failed", severity)


def test_alert_is_sent_once(notifier: Notifier, mailbox: Mailbox) -> None:
    notifier.record([CAUSE])
    assert notifier.deliver() == Delivery(sent=1)
    notifier.record([CAUSE, CAUSE])
    assert notifier.deliver() == Delivery()
    ((subject, body),) = mailbox.messages
    assert subject == SUBJECT
    assert body.split("\n\n") == [
        f"**{SUBJECT}**",
        "2 messages are unaccounted for",
        "Next step: keep the logs",
        CAUSE.link,
    ]


def test_next_step_and_link_are_never_cut(notifier: Notifier, mailbox: Mailbox) -> None:
    notifier.record([replace(CAUSE, what="a line\n" * 500, body="a line\n" * 50_000)])
    notifier.deliver()
    ((subject, body),) = mailbox.messages
    assert len(subject) <= SUBJECT_CHARACTERS
    assert "\n" not in subject
    assert body.endswith(f"Next step: keep the logs\n\n{CAUSE.link}")
    assert len(body) < BODY_CHARACTERS + 500


def test_severity_is_passed_on(notifier: Notifier, mailbox: Mailbox) -> None:
    notifier.record([of("a", "warning")])
    notifier.deliver()
    notifier.record([of("b", "warning"), of("c", "error")])
    notifier.deliver()
    notifier.end({of("a").cause: "it works"})
    notifier.deliver()
    assert mailbox.importance == ["warning", "error", "resolved"]


def test_warning_that_becomes_an_error_is_news(notifier: Notifier, mailbox: Mailbox) -> None:
    for severity, sent in (("warning", 1), ("warning", 0), ("error", 1), ("error", 0), ("warning", 0)):
        notifier.record([of("a", severity)])  # type: ignore[arg-type]
        assert notifier.deliver() == Delivery(sent=sent)


def test_cause_that_lasts_is_repeated_after_the_window(database: Database, mailbox: Mailbox) -> None:
    notifier = Notifier(database, [mailbox], repeat=timedelta(0))
    notifier.record([CAUSE])
    notifier.deliver()
    assert notifier.deliver() == Delivery(), "not seen again since"
    notifier.record([CAUSE])
    assert notifier.deliver() == Delivery(sent=1)
    assert "seen 2 times" in mailbox.messages[1][1]


def test_end_is_sent_once_and_says_what_ended_it(notifier: Notifier, mailbox: Mailbox) -> None:
    notifier.record([CAUSE])
    notifier.deliver()
    mailbox.told()
    notifier.end({CAUSE.cause: "the check passed"})
    assert notifier.deliver() == Delivery(sent=1)
    assert notifier.deliver() == Delivery()
    ((subject, body),) = mailbox.messages
    assert subject == "resolved: sources of 2024-05-01: the ledger does not balance"
    assert "the check passed" in body
    assert "http://host:3000/assets/sources?view=checks" in body


def test_cause_that_ended_is_news_when_it_comes_back(notifier: Notifier, mailbox: Mailbox) -> None:
    notifier.record([CAUSE])
    notifier.deliver()
    notifier.end({CAUSE.cause: "the check passed"})
    notifier.record([CAUSE])
    assert notifier.deliver() == Delivery(sent=1)
    assert mailbox.told() == [SUBJECT, SUBJECT], "the end between them was over before it could be sent"
    notifier.end({CAUSE.cause: "the check passed"})
    notifier.deliver()
    assert len(mailbox.told()) == 1


def test_what_lasts_and_what_has_ended(notifier: Notifier) -> None:
    notifier.record([of("a"), of("b", "warning"), of("c")])
    notifier.end({of("a").cause: "it works"})
    assert [alert.cause.asset for alert in notifier.lasting()] == ["c", "b"], "errors first"
    assert notifier.lasting(["check"]) == []
    assert notifier.ended([of("a").cause, of("b").cause, of("d").cause]) == {of("a").cause}


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
    mailbox.refuses = True
    notifier.record([CAUSE])
    notifier.deliver()
    notifier.end({CAUSE.cause: "the check passed"})
    mailbox.refuses = False
    notifier.deliver()
    notifier.deliver()
    assert mailbox.told() == [SUBJECT, SUBJECT.replace("error", "resolved")]


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
    notifier.record(of(f"job {i:02d}") for i in range(GROUP + 5))
    assert notifier.deliver() == Delivery(sent=GROUP, waiting=5)
    assert notifier.deliver() == Delivery(sent=5)
    assert mailbox.messages[0][0].startswith(f"{GROUP + 5} alerts: ")
    assert "And 5 more" in mailbox.messages[0][1]
    told = "".join(body for _, body in mailbox.messages)
    assert all(f"**error: job {i:02d}: run failed**" in told for i in range(GROUP + 5))
    notifier.end({of(f"job {i:02d}").cause: "it works" for i in range(GROUP + 5)})
    assert notifier.deliver() == Delivery(sent=GROUP, waiting=5)
    assert mailbox.messages[-1][0].startswith(f"{GROUP + 5} resolved: ")


def test_without_destination_the_log_has_it(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier(database)
    notifier.record([CAUSE])
    assert notifier.deliver() == Delivery(sent=1)
    assert "the ledger does not balance" in caplog.text


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


@pytest.mark.parametrize(("severity", "kind"), [("warning", "warning"), ("error", "failure")])
def test_apprise_delivers_markdown_with_link_and_severity(
    database: Database, webhook: HTTPServer, severity: Severity, kind: str
) -> None:
    destination = AppriseDestination(f"json://127.0.0.1:{webhook.server_port}/hook")
    notifier = Notifier(database, [destination])
    notifier.record([replace(CAUSE, severity=severity)])
    assert notifier.deliver() == Delivery(sent=1)
    notifier.end({CAUSE.cause: "the check passed"})
    notifier.deliver()
    first, second = webhook.received  # type: ignore[attr-defined]
    assert first["title"] == f"[broker-assets] {severity}: sources of 2024-05-01: the ledger does not balance"
    assert "http://host:3000/assets/sources?view=checks" in first["message"]
    assert (first["type"], second["type"]) == (kind, "success")


def test_apprise_failure_is_seen(database: Database, webhook: HTTPServer) -> None:
    webhook.status = 500  # type: ignore[attr-defined]
    notifier = Notifier(database, [AppriseDestination(f"json://127.0.0.1:{webhook.server_port}/hook")])
    notifier.record([CAUSE])
    assert notifier.deliver().waiting == 1


def test_wrong_url_is_refused_without_showing_it() -> None:
    with pytest.raises(ValueError, match="nonsense") as caught:
        AppriseDestination("nonsense://user:secret@host")
    assert "secret" not in str(caught.value)
