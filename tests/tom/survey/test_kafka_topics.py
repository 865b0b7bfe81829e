import pytest

from broker_assets.tom.survey.encoding import varint
from broker_assets.tom.survey.kafka_topics import KafkaTopics, Outgoing, SendFailed, alert_number


@pytest.mark.parametrize("number", [0, 1, -1, 63, 64, 155218500031, 2**62])
def test_an_alert_begins_with_its_number(number):
    assert alert_number(varint(number) + b"rest") == number


@pytest.mark.parametrize("value", [b"", b"\xff" * 20])
def test_other_messages_have_none(value):
    with pytest.raises(ValueError, match="does not begin with the number"):
        alert_number(value)


@pytest.mark.kafka
def test_what_is_in_topics_after_a_position_is_seen(kafka, new_topic):
    name, other = new_topic(2), "survey-that-does-not-exist"
    topics = KafkaTopics({"bootstrap.servers": kafka})
    assert topics.positions([name, other]) == {name: {0: 0, 1: 0}, other: {}}
    topics.send([Outgoing(name, varint(number)) for number in range(50)])
    middle = topics.positions([name])
    assert sum(middle[name].values()) == 50
    topics.send([Outgoing(name, varint(number)) for number in range(50, 60)] + [Outgoing(name, b"\xff" * 20)])
    another = KafkaTopics({"bootstrap.servers": kafka})
    assert another.seen(middle) == {name: set(range(50, 60))}
    assert another.seen({name: {}, other: {}}) == {name: set(range(60)), other: set()}
    topics.close()


def test_kafka_that_cannot_be_reached_is_reported():
    topics = KafkaTopics({"bootstrap.servers": "127.0.0.1:9", "log_level": 0}, confirm_seconds=1.0)
    with pytest.raises(SendFailed, match="Kafka cannot be reached"):
        topics.positions(["alerts"])
