"""Sinks are checked before they are stored, and topics are never shared."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from delivery_peers import settings
from queued_messages import queue

from broker_assets.delivery import owners, sinks
from broker_assets.delivery.errors import SinkError
from broker_assets.settings.delivery import DestinationSettings, ReaderSettings

pytestmark = pytest.mark.database

Connection = psycopg.Connection[Any]


def add_filter(connection: Connection, owner: str = "ann", name: str = "bright", *, public: bool = True) -> int:
    row = connection.execute(
        "INSERT INTO filters (owner, name, public, version) VALUES (%s, %s, %s, 1) RETURNING filterid",
        (owner, name, public),
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_two_filters_with_one_reduced_name_have_two_topics(connection: Connection) -> None:
    first = add_filter(connection, "1", "2abc")
    second = add_filter(connection, "12", "abc")
    topics = [sinks.add(connection, settings(), number, "kafka").target for number in (first, second)]
    assert topics == ["lasair_12abc", f"lasair_12abc-{second}"]


def test_kafka_creates_no_topic_that_differs_in_dots_and_underscores_only(connection: Connection) -> None:
    guarded = settings(readers=ReaderSettings(access_control=True))
    for public in (True, False):
        owner = "7" if public else "8"
        numbers = [add_filter(connection, owner, name, public=public) for name in ("SN.a", "SN_a", "SN a", "SN..a")]
        topics = [sinks.add(connection, guarded, number, "kafka").target for number in numbers]
        begins = "lasair_7" if public else "private.8."
        assert topics == [f"{begins}SN.a", f"{begins}SN_a-{numbers[1]}", f"{begins}SNa", f"{begins}SN..a"]
        assert len({topic.replace(".", "_") for topic in topics}) == len(topics)


def test_the_name_with_the_number_may_be_taken_too(connection: Connection) -> None:
    first, second = add_filter(connection, "1", "abc"), add_filter(connection, "1", "a#bc")
    other = add_filter(connection, "1", f"abc-{second}")
    topics = [sinks.add(connection, settings(), number, "kafka").target for number in (first, other, second)]
    assert topics == ["lasair_1abc", f"lasair_1abc-{second}", f"lasair_1abc-{second}-{second}"]


def test_a_removed_sink_keeps_its_topic_and_comes_back(connection: Connection) -> None:
    number = add_filter(connection)
    made = sinks.add(connection, settings(), number, "kafka")
    queue(connection, [1, 2], filterid=number)
    assert sinks.remove(connection, made.sinkid) == 2
    assert sinks.listed(connection) == []
    with pytest.raises(SinkError, match="no sink"):
        sinks.remove(connection, made.sinkid)
    connection.execute("DELETE FROM filters")
    again = add_filter(connection)
    other = sinks.add(connection, settings(), again, "kafka")
    assert other.target == f"lasair_annbright-{again}", "its readers know the old name as that of another filter"
    connection.execute("UPDATE filters SET filterid = %s", (number,))
    back = sinks.add(connection, settings(), number, "kafka", form="lite")
    assert (back.sinkid, back.target, back.format, back.active) == (made.sinkid, made.target, "lite", True)
    assert [one.sinkid for one in sinks.listed(connection, filterid=number)] == [made.sinkid]


def test_private_topics_need_access_control(connection: Connection) -> None:
    number = add_filter(connection, public=False)
    with pytest.raises(SinkError, match="anybody could read"):
        sinks.add(connection, settings(), number, "kafka")
    guarded = settings(readers=ReaderSettings(access_control=True))
    made = sinks.add(connection, guarded, number, "kafka")
    assert (made.target, made.public) == ("private.ann.bright", False)


def test_an_address_is_given_or_that_of_the_owner(connection: Connection) -> None:
    number = add_filter(connection)
    with pytest.raises(SinkError, match="contacts set"):
        sinks.add(connection, settings(), number, "email")
    owners.set_contact(connection, "ann", "ann@example.org")
    assert sinks.add(connection, settings(), number, "email").target == "ann@example.org"
    made = sinks.add(connection, settings(), number, "email", "bob@example.org", schedule="day")
    assert made.due_at > made.created_at


REFUSED: list[tuple[Any, str | None, dict[str, Any], str]] = [
    ("kafka", "mine", {}, "leave the target out"),
    ("kafka", None, {"schedule": "day"}, "not one of now"),
    ("email", "nobody", {}, "not an e-mail address"),
    ("email", "ann@example.org", {"form": "voevent"}, "not one of plain, lite, full"),
    ("webhook", None, {}, "needs a target"),
    ("webhook", "ftp://example.org/", {}, "a webhook is a URL"),
    ("webhook", "https://example.org:x/", {}, "not a URL"),
    ("webhook", "http://example.org/", {"private": False}, "must begin with https"),
    ("webhook", "https://ann:secret@example.org/", {}, "leave user and password out"),
    ("webhook", "https://example.org/", {"key": None}, "WEBHOOK_KEY_FILE"),
    ("webhook", "https://example.org/", {"key": "k" * 31}, "has 31 characters"),
    ("webhook", "https://ex ample.org/", {}, "no blanks"),
    ("webhook", "https://example.org/a\r\nX-Other: b", {}, "no blanks and no control characters"),
    ("webhook", "https://example.org/\u2028", {}, "no blanks and no control characters"),
    ("webhook", f"https://{'ü' * 70}.example.org/", {}, "not a name of a host"),
    ("apprise", "team", {}, "there are: public-channel"),
    ("pigeon", None, {}, "not one of kafka"),
]


def test_what_cannot_be_is_refused(connection: Connection) -> None:
    number = add_filter(connection)
    for kind, target, options, said in REFUSED:
        given = dict(options)
        configured = settings(
            private_addresses=given.pop("private", True),
            webhook_key=given.pop("key", "k" * 32),
            destinations={
                "team": DestinationSettings(url="json://localhost", owners=["bob"]),  # type: ignore[arg-type]
                "public-channel": DestinationSettings(url="json://localhost"),  # type: ignore[arg-type]
            },
        )
        with pytest.raises(SinkError, match=said):
            sinks.add(connection, configured, number, kind, target, **given)
    assert sinks.listed(connection) == []


def test_there_is_no_such_filter(connection: Connection) -> None:
    with pytest.raises(SinkError, match="no filter 99"):
        sinks.add(connection, settings(), 99, "kafka")
