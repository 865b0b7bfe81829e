"""Topics are written in order and read back; what Kafka refuses and what it did not answer for are two things."""

from __future__ import annotations

import os

import pytest
from delivery_peers import header, read_topic

from broker_assets.delivery.errors import SinkUnavailableError
from broker_assets.delivery.topics import LARGEST_MESSAGE, Outgoing, Refused, Topics, Written, identity_of
from broker_assets.settings.stream import ClusterSettings

pytestmark = pytest.mark.kafka


def test_what_was_written_is_seen(kafka: str) -> None:
    topics = Topics(ClusterSettings(bootstrap_servers=kafka))
    messages = [Outgoing("lasair_seen", f"{number:032x}", b"%d" % number, (("n", b"1"),)) for number in range(20)]
    written = topics.send(messages)
    assert [written[one.identity] for one in messages] == [Written(0, number) for number in range(20)]
    wanted = [messages[3].identity, messages[15].identity, "f" * 32]
    found, after = topics.seen("lasair_seen", None, wanted)
    assert (found, after) == ({wanted[0]: Written(0, 3), wanted[1]: Written(0, 15)}, 20)
    assert topics.seen("lasair_seen", 10, wanted) == ({wanted[1]: Written(0, 15)}, 20)
    assert topics.seen("lasair_seen", 20, wanted) == ({}, 20)
    assert topics.seen("lasair_never_made", None, wanted) == ({}, 0)
    read = read_topic(kafka, "lasair_seen", 20)
    assert [identity_of(one.headers()) for one in read] == [one.identity for one in messages]
    assert header(read[0], "n") == "1"
    topics.close()


def test_a_message_that_is_too_large_is_refused_and_the_others_pass(kafka: str) -> None:
    topics = Topics(ClusterSettings(bootstrap_servers=kafka))
    large = os.urandom(LARGEST_MESSAGE + 1000)
    written = topics.send([Outgoing("lasair_large", name, value) for name, value in (("a", b"1"), ("b", large))])
    assert isinstance(written["a"], Written)
    refused = written["b"]
    assert isinstance(refused, Refused)
    assert refused.of_the_message
    assert isinstance(topics.send([Outgoing("lasair_large", "c", b"3")])["c"], Written)
    topics.close()


def test_without_kafka() -> None:
    assert Topics(ClusterSettings()).send([]) == {}
    with pytest.raises(SinkUnavailableError, match="no Kafka is configured"):
        Topics(ClusterSettings()).send([Outgoing("lasair_x", "a", b"")])
    with pytest.raises(SinkUnavailableError, match=r"127\.0\.0\.1:1"):
        Topics(ClusterSettings(bootstrap_servers="127.0.0.1:1"), confirm_seconds=0.5).send([Outgoing("x", "a", b"")])
