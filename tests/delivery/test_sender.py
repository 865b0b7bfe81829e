"""What is due reaches its sink in order, and what fails waits, or becomes a dead letter, without blocking the rest."""

from __future__ import annotations

import datetime
import json
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from delivery_peers import (
    Mailbox,
    Receiver,
    header,
    mail_server,
    make_due,
    read_topic,
    receiver,
    sender,
    settings,
    states,
    value,
)
from queued_messages import NIGHT, add_sink, identity, queue
from rude_receiver import rude_receiver, says

from broker_assets.database import engine
from broker_assets.delivery import backlog, owners, sinks
from broker_assets.delivery.topics import Outgoing, Topics
from broker_assets.delivery.webhooks import key_of
from broker_assets.settings.stream import ClusterSettings

pytestmark = pytest.mark.database

Connection = psycopg.Connection[Any]


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as started:
        yield started


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as started:
        yield started


def sources(received: Receiver) -> list[str]:
    return [match["trigger"].rpartition("/")[2] for one in received.accepted for match in one.document["matches"]]


# Topics ---------------------------------------------------------------------------------------------------------------


@pytest.mark.kafka
def test_topics_get_every_message_once_in_order(connection: Connection, database_url: str, kafka: str) -> None:
    first = add_sink(connection, kind="kafka", target="lasair_annbright")
    second = add_sink(connection, filterid=2, kind="kafka", target="lasair_bobfull", format="full")
    queue(connection, range(100, 150))
    queue(connection, [13, 101], filterid=2)
    with sender(database_url, settings(), kafka) as started:
        report = started.send_due()
        assert (report.delivered, report.dead, report.failures) == (51, 1, 0)
        assert started.send_due().delivered == 0
    messages = read_topic(kafka, "lasair_annbright", 51, seconds=2)
    assert [header(one, "trigger") for one in messages] == [f"alert/{n // 10}/{n}" for n in range(100, 150)]
    assert [header(one, "delivery-id") for one in messages][:1] == [identity(1, first, "alert/10/100")]
    assert {header(one, "_format") for one in messages} == {"json"}
    record = json.loads(value(messages[0]))
    assert list(record) == ["diaObjectId", "gmag", "UTC"]
    (only,) = read_topic(kafka, "lasair_bobfull", 1)
    assert json.loads(value(only))["alert"] == {"diaSourcesList": [{"psfFlux": 1.0}], "full": True}
    row = connection.execute(
        "SELECT receipt, bytes FROM deliveries WHERE sinkid = %s AND state = 'delivered'", (second,)
    ).fetchone()
    assert row == ({"topic": "lasair_bobfull", "partition": 0, "offset": 0}, len(value(only)))
    assert connection.execute("SELECT failure FROM deliveries WHERE state = 'dead'").fetchall() == [("no packet",)]


@pytest.mark.kafka
def test_what_a_dead_sender_wrote_is_found_and_not_written_again(
    connection: Connection, database_url: str, kafka: str
) -> None:
    sink = add_sink(connection, kind="kafka", target="lasair_anncrash")
    queue(connection, [1, 2, 3, 4])
    # It had begun with the first three, wrote two of them, and died before it stored a receipt.
    connection.execute("UPDATE deliveries SET state = 'sending', sent_at = now() WHERE diasourceid < 4")
    connection.commit()
    topics = Topics(ClusterSettings(bootstrap_servers=kafka))
    topics.send([Outgoing("lasair_anncrash", identity(1, sink, f"alert/0/{n}"), b"{}") for n in (1, 2)])
    topics.close()
    with sender(database_url, settings(), kafka) as started:
        assert started.send_due().delivered == 0, "what it wrote last may still be on its way"
        assert states(connection) == {"sending": 3, "pending": 1}
        connection.execute("UPDATE deliveries SET sent_at = now() - interval '1 minute' WHERE state = 'sending'")
        make_due(connection)
        assert started.send_due().delivered == 4
    messages = read_topic(kafka, "lasair_anncrash", 5, seconds=2)
    assert [header(one, "delivery-id") for one in messages] == [identity(1, sink, f"alert/0/{n}") for n in (1, 2, 3, 4)]
    offsets = connection.execute("SELECT (receipt->>'offset')::int FROM deliveries ORDER BY deliveryid").fetchall()
    assert offsets == [(0,), (1,), (2,), (3,)]


def test_without_kafka_messages_wait(connection: Connection, database_url: str) -> None:
    add_sink(connection, kind="kafka", target="lasair_annwait")
    queue(connection, [1, 2])
    with sender(database_url, settings(confirm_seconds=1.0), "127.0.0.1:1") as started:
        report = started.send_due()
    assert (report.delivered, report.dead, report.failures) == (0, 0, 1)
    assert states(connection) == {"pending": 2}
    row = connection.execute("SELECT failures, due_at > now(), failure LIKE '%Kafka%' FROM filter_sinks").fetchone()
    assert row == (1, True, True)
    assert connection.execute("SELECT DISTINCT attempts FROM deliveries").fetchall() == [(0,)]


# Webhooks -------------------------------------------------------------------------------------------------------------


def test_webhooks_are_signed_and_in_order(connection: Connection, database_url: str, hook: Receiver) -> None:
    sink = add_sink(connection, target=hook.url("/hook?token=1"))
    queue(connection, [1, 2, 3])
    configured = settings()
    with sender(database_url, configured) as started:
        assert started.send_due().delivered == 3
    assert sources(hook) == ["1", "2", "3"]
    first = hook.requests[0]
    key = key_of(configured.revealed_webhook_key() or b"", f"sink/{sink}")
    assert first.is_signed_with(key)
    assert not first.is_signed_with(key_of(b"another", f"sink/{sink}"))
    assert (first.path, first.headers["webhook-id"]) == ("/hook?token=1", identity(1, sink, "alert/0/1"))
    assert first.document["matches"][0]["record"]["diaObjectId"] == 0
    receipt = connection.execute("SELECT receipt FROM deliveries ORDER BY deliveryid LIMIT 1").fetchone()
    assert receipt is not None
    assert (receipt[0]["status"], receipt[0]["reply"]) == (200, "ok")


def test_a_dead_letter_does_not_block_those_behind_it(
    connection: Connection, database_url: str, hook: Receiver
) -> None:
    add_sink(connection, target=hook.url())
    queue(connection, [1, 2, 3])
    hook.answer = lambda request: 500 if b"alert/0/2" in request.body else 200
    with sender(database_url, settings(attempts=3)) as started:
        for attempt in range(3):
            started.send_due()
            expected = {"delivered": 1, "pending": 2} if attempt < 2 else {"delivered": 2, "dead": 1}
            assert states(connection) == expected, "those behind it wait while it may still pass"
            make_due(connection)
    assert sources(hook) == ["1", "3"]
    attempts = [one.headers["webhook-id"] for one in hook.requests if b"alert/0/2" in one.body]
    assert len(attempts) == 3
    assert len(set(attempts)) == 1
    row = connection.execute("SELECT attempts, failure FROM deliveries WHERE state = 'dead'").fetchone()
    assert row == (3, "127.0.0.1 answers 500: ok")


def test_a_sink_out_of_reach_loses_nothing_until_time_is_over(
    connection: Connection, database_url: str, hook: Receiver
) -> None:
    add_sink(connection, target=hook.url())
    queue(connection, [1, 2])
    hook.answer = lambda request: (503, {"retry-after": "120"})
    with sender(database_url, settings(attempts=1)) as started:
        started.send_due()
        assert states(connection) == {"pending": 2}
        row = connection.execute("SELECT due_at > now() + interval '100 seconds' FROM filter_sinks").fetchone()
        assert row == (True,), "it is left alone for as long as it asks"
        connection.execute("UPDATE deliveries SET created_at = now() - interval '73 hours' WHERE diasourceid = 1")
        make_due(connection)
        started.send_due()
        assert states(connection) == {"dead": 1, "pending": 1}
        hook.answer = lambda request: 200
        make_due(connection)
        started.send_due()
    assert sources(hook) == ["2"]
    assert connection.execute("SELECT failures, failure FROM filter_sinks").fetchone() == (0, None)


def test_what_the_receiver_refuses_for_good_is_not_tried_again(
    connection: Connection, database_url: str, hook: Receiver
) -> None:
    add_sink(connection, target=hook.url())
    queue(connection, [1, 2])
    hook.answer = lambda request: (307, {"location": "http://127.0.0.1:1/"}) if b"alert/0/1" in request.body else 410
    with sender(database_url, settings()) as started:
        assert started.send_due().dead == 2
    reasons = connection.execute("SELECT failure FROM deliveries ORDER BY deliveryid").fetchall()
    assert "redirects are not followed" in reasons[0][0]
    assert "answers 410" in reasons[1][0]


@pytest.mark.parametrize("begun", [False, True])
def test_nothing_goes_to_a_sink_once_it_is_removed(
    connection: Connection, database_url: str, hook: Receiver, begun: bool
) -> None:
    """Neither what it did not take at that moment, nor what a sender that died had begun, nor dead letters."""
    sink = add_sink(connection, target=hook.url())
    queue(connection, [1, 2, 3])
    connection.execute("UPDATE deliveries SET state = 'dead', finished_at = now() WHERE diasourceid = 3")

    def removes(request: Any) -> int:
        with engine.connect(database_url, autocommit=True) as other:
            sinks.remove(other, sink)
        return 503

    hook.answer = removes
    with sender(database_url, settings()) as started:
        if begun:
            connection.execute("UPDATE deliveries SET state = 'sending', sent_at = now() WHERE diasourceid = 1")
            assert sinks.remove(connection, sink) == 2
        else:
            started.send_due()
        asked = len(hook.requests)
        hook.answer = lambda request: 200
        assert backlog.retry(connection) == 0
        make_due(connection)
        assert started.send_due().delivered == 0
    assert (states(connection), len(hook.requests)) == ({"dismissed": 2, "dead": 1}, asked)
    assert backlog.backlog(connection).waiting == 0
    assert backlog.retry(connection, dismiss=True) == 1


def test_what_arrives_while_its_sink_is_removed_is_delivered(
    connection: Connection, database_url: str, hook: Receiver
) -> None:
    sink = add_sink(connection, target=hook.url())
    queue(connection, [1])

    def removes(request: Any) -> int:
        with engine.connect(database_url, autocommit=True) as other:
            sinks.remove(other, sink)
        return 200

    hook.answer = removes
    with sender(database_url, settings()) as started:
        assert started.send_due().delivered == 1
    assert states(connection) == {"delivered": 1}


def test_quotas_are_counted_and_shown(connection: Connection, database_url: str, hook: Receiver) -> None:
    sink = add_sink(connection, target=hook.url(), messages_per_night=2)
    small = add_sink(connection, filterid=2, target=hook.url("/small"), bytes_per_night=300)
    queue(connection, [1, 2, 3, 4])
    queue(connection, [1, 2, 3], filterid=2)
    with sender(database_url, settings()) as started:
        started.send_due()
    used = "SELECT messages, over_quota FROM delivery_usage WHERE sinkid = %s"
    assert connection.execute(used, (sink,)).fetchall() == [(2, 2)]
    assert connection.execute(used, (small,)).fetchall() == [(2, 1)]
    assert states(connection) == {"delivered": 4, "over_quota": 3}
    with sender(database_url, settings()) as started:
        queue(connection, [5])
        assert started.send_due().delivered == 0
    assert connection.execute(used, (sink,)).fetchall() == [(2, 3)]
    assert backlog.retry(connection, sinkid=sink, state="over_quota") == 3
    with sender(database_url, settings()) as started:
        assert started.send_due().delivered == 0
    assert connection.execute(used, (sink,)).fetchall() == [(2, 3)], "the quota is the same: they are counted once"
    connection.execute("UPDATE filter_sinks SET messages_per_night = 4 WHERE sinkid = %s", (sink,))
    assert backlog.retry(connection, sinkid=sink, state="over_quota") == 3
    with sender(database_url, settings()) as started:
        assert started.send_due().delivered == 2
    assert connection.execute(used, (sink,)).fetchall() == [(4, 1)]


@pytest.mark.parametrize("schedule", ["now", "hour"])
def test_messages_over_a_quota_do_not_block_those_of_other_nights(
    connection: Connection, database_url: str, hook: Receiver, schedule: str
) -> None:
    """One at a time was taken out of the way, every two seconds."""
    sink = add_sink(connection, target=hook.url(), messages_per_night=1, schedule=schedule)
    queue(connection, range(300))
    queue(connection, [1000, 1001], night=datetime.date(2026, 11, 21))
    make_due(connection)
    with sender(database_url, settings()) as started:
        if schedule == "hour":
            # As if a digest had used the quota up.
            connection.execute(
                "INSERT INTO delivery_usage (sinkid, night, messages, bytes, over_quota) VALUES (%s, %s, 1, 9, 0)",
                (sink, NIGHT),
            )
        report = started.send_due()
    assert sources(hook) == (["0", "1000"] if schedule == "now" else ["1000"])
    assert report.delivered == len(sources(hook))
    over = dict(connection.execute("SELECT night, over_quota FROM delivery_usage").fetchall())
    assert over == {NIGHT: 299 if schedule == "now" else 300, datetime.date(2026, 11, 21): 1}
    assert states(connection) == {"delivered": report.delivered, "over_quota": sum(over.values())}


def test_one_sink_has_one_sender(connection: Connection, database_url: str, hook: Receiver) -> None:
    sink = add_sink(connection, target=hook.url())
    queue(connection, [1])
    from broker_assets.delivery.queue import lock, unlock

    assert lock(connection, [sink]) == {sink}
    connection.commit()
    with sender(database_url, settings()) as started:
        assert started.send_due().delivered == 0
        unlock(connection, [sink])
        connection.commit()
        assert started.send_due().delivered == 1


def test_no_words_of_a_receiver_end_the_sender(connection: Connection, database_url: str, hook: Receiver) -> None:
    """What PostgreSQL cannot hold: NUL, and pauses of more than its longest interval."""
    nul = b"\r\ncontent-length: 5\r\n\r\n\0\xff\xed\xa0\x80"
    with (
        rude_receiver(says(b"HTTP/1.1 200 OK" + nul)) as taken,
        rude_receiver(says(b"HTTP/1.1 400 No" + nul)) as refused,
        rude_receiver(says(b"HTTP/1.1 503 Later\r\nretry-after: 1e300" + nul)) as busy,
    ):
        for number, url in enumerate((taken, refused, busy, hook.url()), start=1):
            add_sink(connection, filterid=number, target=url)
            queue(connection, [number], filterid=number)
        with sender(database_url, settings()) as started:
            report = started.send_due()
    assert (report.delivered, report.dead, report.failures) == (2, 1, 1)
    rows = connection.execute("SELECT state, failure, receipt->>'reply' FROM deliveries ORDER BY filterid").fetchall()
    assert [state for state, *_ in rows] == ["delivered", "dead", "pending", "delivered"]
    assert rows[0][2].startswith("\N{REPLACEMENT CHARACTER}")
    assert "answers 400: \N{REPLACEMENT CHARACTER}" in rows[1][1]
    ((due,),) = connection.execute("SELECT due_at < now() + interval '2 hours' FROM filter_sinks WHERE filterid = 3")
    assert due


@pytest.mark.kafka
def test_nothing_waits_for_a_slow_receiver(
    connection: Connection, database_url: str, kafka: str, hook: Receiver, mailbox: Mailbox
) -> None:
    """Neither topics, nor messages to owners, nor a sink for which there is no place but that of the slow one."""
    add_sink(connection, filterid=2, kind="kafka", target="lasair_annslow")
    add_sink(connection, filterid=3, target=hook.url())
    owners.set_contact(connection, "ann", "ann@example.org")
    reached = threading.Event()

    def silent(_: Any, ending: threading.Event) -> None:
        reached.set()
        ending.wait()

    with rude_receiver(silent) as slow:
        number = add_sink(connection, target=slow)
        connection.execute("UPDATE filter_sinks SET due_at = now() - interval '1 minute' WHERE sinkid = %s", (number,))
        queue(connection, [1])
        configured = settings(workers=1, webhook_seconds=5.0, mail_port=mailbox.port)
        with sender(database_url, configured, kafka) as started:
            assert started.send_due(wait=False).delivered == 0
            assert reached.wait(30)
            queue(connection, [2], filterid=2)
            queue(connection, [3], filterid=3)
            owners.notify(connection, "ann", "Filter 3 is paused", "It took too long.")
            connection.commit()
            report = started.send_due(wait=False)
            assert states(connection) == {"sending": 1, "delivered": 1, "pending": 1}, "the topic goes first"
            report.add(started.send_due())
    assert (report.delivered, report.failures) == (3, 1)
    assert states(connection) == {"delivered": 2, "pending": 1}
    assert mailbox.subjects == ["[broker-assets] Filter 3 is paused"]


def test_a_sink_has_its_turn_and_lets_others_go_first(
    connection: Connection, database_url: str, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker_assets.delivery.sender.TURN_SECONDS", 0.0)
    first = add_sink(connection, target=hook.url("/first"))
    connection.execute("UPDATE filter_sinks SET due_at = now() - interval '1 minute' WHERE sinkid = %s", (first,))
    add_sink(connection, filterid=2, target=hook.url("/second"))
    queue(connection, [1])
    queue(connection, [2], filterid=2)
    with sender(database_url, settings(workers=1)) as started:
        assert started.send_due().delivered == 0
        row = connection.execute("SELECT sinkid = %s FROM filter_sinks ORDER BY due_at LIMIT 1", (first,)).fetchone()
        assert row == (False,)
        monkeypatch.undo()
        assert started.send_due().delivered == 2
    assert [request.path for request in hook.accepted] == ["/second", "/first"]


def test_a_defect_with_one_sink_does_not_end_the_others(
    connection: Connection, database_url: str, hook: Receiver
) -> None:
    """Rows that no release has written bring out what nobody has thought of."""
    owners.notify(connection, "ann", "Filter 3 is paused", "It took too long.")
    owners.set_contact(connection, "ann", "ann@example.org")
    connection.execute("UPDATE owner_messages SET created_at = 'infinity'")
    broken = add_sink(connection, target=hook.url("/broken"))
    connection.execute("UPDATE filter_sinks SET target = 'http://[broken' WHERE sinkid = %s", (broken,))
    add_sink(connection, filterid=2, target=hook.url())
    queue(connection, [1])
    queue(connection, [2], filterid=2)
    with sender(database_url, settings()) as started:
        report = started.send_due()
    assert (report.delivered, report.failures) == (1, 1)
    ((failure,),) = connection.execute("SELECT failure FROM deliveries WHERE state = 'pending'")
    assert "a defect of the platform: ValueError" in failure


# E-mail ---------------------------------------------------------------------------------------------------------------


def test_matches_come_by_e_mail(connection: Connection, database_url: str, mailbox: Mailbox) -> None:
    add_sink(connection, kind="email", target="ann@example.org")
    queue(connection, [21])
    with sender(database_url, settings(mail_port=mailbox.port)) as started:
        assert started.send_due().delivered == 1
    (message,) = mailbox.messages
    assert (message["Subject"], message["To"], message["From"]) == (
        "bright: object 2", "ann@example.org", "broker@example.org",
    )  # fmt: skip
    receipt = connection.execute("SELECT receipt->>'smtp', receipt->>'message_id' FROM deliveries").fetchone()
    assert receipt == ("250 OK: queued as 1", message["Message-ID"])


def test_a_digest_has_what_came_in_together(connection: Connection, database_url: str, mailbox: Mailbox) -> None:
    add_sink(connection, kind="email", target="ann@example.org", schedule="day")
    connection.execute("UPDATE filter_sinks SET due_at = now() + interval '1 hour'")
    queue(connection, [1, 2, 3])
    with sender(database_url, settings(mail_port=mailbox.port)) as started:
        assert started.send_due().delivered == 0, "it is not time yet"
        make_due(connection)
        mailbox.answers.append("451 try again later")
        started.send_due()
        assert states(connection) == {"pending": 3}
        make_due(connection)
        assert started.send_due().delivered == 3
        queue(connection, [4])
        assert started.send_due().delivered == 0, "the next one is tomorrow's"
    assert mailbox.subjects == ["bright: 3 matches of the day"]


@pytest.mark.parametrize(("schedule", "seconds"), [("hour", 3600), ("day", 86_400)])
def test_the_first_match_after_an_empty_period_waits_for_its_digest(
    connection: Connection, database_url: str, mailbox: Mailbox, schedule: str, seconds: int
) -> None:
    sink = add_sink(connection, kind="email", target="ann@example.org", schedule=schedule)
    behind = add_sink(connection, filterid=2, name="late", kind="email", target="ann@example.org", schedule=schedule)
    # Two periods ago nothing waited for the first; nobody sent what waited for the second.
    connection.execute("UPDATE filter_sinks SET due_at = date_trunc('day', now()) - interval '2 days'")
    queue(connection, [1])
    queue(connection, [2], filterid=2)
    connection.execute("UPDATE deliveries SET created_at = now() - interval '4 days' WHERE filterid = 2")
    with sender(database_url, settings(mail_port=mailbox.port)) as started:
        assert started.send_due().delivered == 1
        assert mailbox.subjects == [f"late: 1 match of the {schedule}"]
        dues = connection.execute(
            "SELECT sinkid, extract(epoch FROM due_at - now())::float8, extract(minute FROM due_at)::int,"
            " extract(hour FROM due_at AT TIME ZONE 'UTC')::int FROM filter_sinks ORDER BY sinkid"
        ).fetchall()
        assert [one[0] for one in dues] == [sink, behind]
        assert all(0 < after <= seconds and minute == 0 for _, after, minute, _ in dues)
        assert schedule == "hour" or {hour for *_, hour in dues} == {settings().digest_hour}
        make_due(connection)
        connection.execute("UPDATE deliveries SET created_at = now() - interval '1 minute' WHERE filterid = 1")
        assert started.send_due().delivered == 1


def test_a_digest_that_was_begun_is_sent_as_it_was(connection: Connection, database_url: str, mailbox: Mailbox) -> None:
    """A sender died with it: the receiver recognises the Message-ID."""
    add_sink(connection, kind="email", target="ann@example.org", schedule="hour")
    queue(connection, [1, 2])
    make_due(connection)
    identifiers = []
    with sender(database_url, settings(mail_port=mailbox.port)) as started:
        started.send_due()
        identifiers.append(mailbox.messages[-1]["Message-ID"])
        connection.execute("UPDATE deliveries SET state = 'sending', receipt = NULL, finished_at = NULL")
        queue(connection, [3])
        make_due(connection)
        started.send_due()
    assert mailbox.subjects == [
        "bright: 2 matches of the hour",
        "bright: 2 matches of the hour",
        "bright: 1 match of the hour",
    ]
    assert mailbox.messages[1]["Message-ID"] == identifiers[0] != mailbox.messages[2]["Message-ID"]


@pytest.mark.parametrize("kind", ["email", "webhook"])
def test_what_cannot_be_written_does_not_take_the_digest_with_it(
    connection: Connection, database_url: str, mailbox: Mailbox, hook: Receiver, kind: str
) -> None:
    add_sink(
        connection, kind=kind, target="ann@example.org" if kind == "email" else hook.url(), schedule="hour",
        format="lite",
    )  # fmt: skip
    queue(connection, [12, 13, 14])  # 13 has no packet
    make_due(connection)
    with sender(database_url, settings(mail_port=mailbox.port)) as started:
        report = started.send_due()
    assert (report.delivered, report.dead, report.failures) == (2, 1, 0)
    assert connection.execute("SELECT diasourceid, failure FROM deliveries WHERE state = 'dead'").fetchall() == [
        (13, "no packet")
    ]
    if kind == "email":
        assert mailbox.subjects == ["bright: 2 matches of the hour"]
    else:
        assert sources(hook) == ["12", "14"]


def test_a_digest_with_light_curves_comes_in_parts(
    connection: Connection, database_url: str, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are in memory together: thousands of packets would not fit."""
    from broker_assets.delivery.sender import DIGEST_MESSAGES

    assert DIGEST_MESSAGES["full"] <= 50
    assert DIGEST_MESSAGES["lite"] <= 200
    monkeypatch.setitem(DIGEST_MESSAGES, "full", 2)
    add_sink(connection, target=hook.url(), schedule="day", format="full")
    queue(connection, [1, 2, 3])
    make_due(connection)
    with sender(database_url, settings()) as started:
        assert started.send_due().delivered == 3
    assert [len(one.document["matches"]) for one in hook.accepted] == [2, 1]


def test_owners_are_sent_their_messages(connection: Connection, database_url: str, mailbox: Mailbox) -> None:
    owners.notify(connection, "ann", "Filter 3 is paused", "It took too long.")
    owners.notify(connection, "bob", "Filter 4 is paused", "Nobody knows where bob is.")
    owners.set_contact(connection, "ann", "ann@example.org")
    connection.commit()
    with sender(database_url, settings(mail_port=mailbox.port)) as started:
        assert started.send_due().delivered == 1
        assert mailbox.subjects == ["[broker-assets] Filter 3 is paused"]
        assert started.send_due().delivered == 0
        owners.set_contact(connection, "bob", "bob@example.org")
        connection.commit()
        assert started.send_due().delivered == 1
