"""Everybody reads public topics without credentials, an owner those of their own filters, and nobody else's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from delivery_peers import read_topic, value

from broker_assets.annotations.client import NotSentError, run_annotator
from broker_assets.delivery.errors import SinkError
from broker_assets.delivery.readers import Readers
from broker_assets.delivery.topics import Outgoing, Topics
from broker_assets.local.jars import kafka_jars
from broker_assets.local.kafka import ApacheKafka
from broker_assets.local.processes import LocalPlatformError
from broker_assets.settings.stream import ClusterSettings

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

HEADERS = (("_format", b"json"),)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """A broker with listeners for readers, and three topics of filters."""
    try:
        made = ApacheKafka(tmp_path_factory.mktemp("guarded"), kafka_jars(), readers=True)
        made.start()
    except LocalPlatformError as error:
        if os.environ.get("BROKER_TEST_KAFKA_REQUIRED") == "1":
            raise
        pytest.skip(f"needs Apache Kafka: {error}")
    topics = Topics(cluster(made))
    for name in ("lasair_annbright", "private.ann.secret", "private.bob.secret"):
        topics.send([Outgoing(name, "a" * 32, json.dumps({"diaObjectId": 5, "topic": name}).encode(), HEADERS)])
    topics.close()
    Readers(cluster(made)).open_public_topics()
    yield made
    made.stop()


def cluster(broker: ApacheKafka) -> ClusterSettings:
    return ClusterSettings(bootstrap_servers=broker.bootstrap_servers, client=dict(broker.client))


def scram(user: str, password: str) -> dict[str, str]:
    return {
        "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": user,
        "sasl.password": password,
    }  # fmt: skip


def refusal(servers: str, topic: str, group: str, **properties: Any) -> int | None:
    """Code of the error that a reader of a topic gets first, if any."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group, "log_level": 0, **properties})
    consumer.subscribe([topic])
    try:
        for _ in range(40):
            message = consumer.poll(0.5)
            if message is not None:
                error = message.error()
                return None if error is None else int(error.code())
    finally:
        consumer.close()
    raise AssertionError("neither a message nor an error")


def writing(servers: str, topic: str, **properties: Any) -> int | None:
    """Code of the error that who writes to a topic gets, if any."""
    answers: list[Any] = []
    producer = Producer({"bootstrap.servers": servers, "log_level": 0, **properties})
    producer.produce(topic, b"{}", on_delivery=lambda error, _: answers.append(error))
    producer.flush(30)
    (error,) = answers
    return None if error is None else int(error.code())


def test_lasair_s_client_reads_a_public_topic_unmodified(broker: ApacheKafka) -> None:
    from lasair import lasair_consumer

    assert broker.listeners is not None
    consumer = lasair_consumer(broker.listeners.public, "some-group", "lasair_annbright")
    message = consumer.poll(timeout=30)
    assert message is not None
    assert message.error() is None
    assert json.loads(message.value())["diaObjectId"] == 5
    consumer.close()


def test_without_a_user_nothing_private_is_read_or_written(broker: ApacheKafka) -> None:
    assert broker.listeners is not None
    denied = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}
    assert refusal(broker.listeners.public, "private.ann.secret", "some-group") in denied
    assert refusal(broker.listeners.public, "lasair_annbright", "private.ann.group") in denied
    assert writing(broker.listeners.public, "lasair_annbright") == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_an_owner_reads_their_own_private_topics_only(broker: ApacheKafka) -> None:
    assert broker.listeners is not None
    servers = broker.listeners.private
    readers = Readers(cluster(broker))
    user, password = readers.create("ann")
    assert (user, user in readers.users()) == ("ann", True)
    own: dict[str, Any] = {**scram(user, password), "auto.offset.reset": "earliest", "group.id": "private.ann.g"}
    (message,) = read_topic(servers, "private.ann.secret", 1, **own)
    assert b"private.ann.secret" in value(message)
    assert len(read_topic(servers, "lasair_annbright", 1, **own)) == 1
    denied = refusal(servers, "private.bob.secret", "private.ann.g", **scram(user, password))
    assert denied == KafkaError.TOPIC_AUTHORIZATION_FAILED
    for topic in ("private.ann.secret", "lasair_annbright", "private.bob.secret"):
        refused = writing(servers, topic, **scram(user, password))
        assert refused == KafkaError.TOPIC_AUTHORIZATION_FAILED, "nobody writes to topics of filters"
    group = refusal(servers, "private.ann.secret", "private.bob.g", **scram(user, password))
    assert group == KafkaError.GROUP_AUTHORIZATION_FAILED
    _, other = readers.create("ann")
    assert other != password
    assert read_topic(servers, "private.ann.secret", 1, seconds=3, **{**own, "sasl.password": password}) == []
    assert len(read_topic(servers, "private.ann.secret", 1, **{**own, "sasl.password": other})) == 1
    readers.remove("ann")
    assert "ann" not in readers.users()


def test_an_annotator_without_rights_is_told_so(broker: ApacheKafka) -> None:
    assert broker.listeners is not None
    user, password = Readers(cluster(broker)).create("ann")
    own: dict[str, Any] = {"servers": broker.listeners.private, "annotator": "of_bob", "reading": scram(user, password)}
    with pytest.raises(KafkaException, match="authorization failed"):
        run_annotator(lambda row: "SN", filter_topic="private.bob.secret", group="private.ann.a", **own)
    with pytest.raises((KafkaException, NotSentError)):
        run_annotator(
            lambda row: "SN", filter_topic="private.ann.secret", group="private.ann.b", most=1,
            sending=scram(user, password), **own,
        )  # fmt: skip


def test_hop_client_reads_a_topic(broker: ApacheKafka) -> None:
    """With the user of an owner, over SASL, as its settings are."""
    from hop import Stream
    from hop.auth import Auth, SASLMethod
    from hop.io import StartPosition

    assert broker.listeners is not None
    user, password = Readers(cluster(broker)).create("ann")
    auth = Auth(user, password, ssl=False, method=SASLMethod.SCRAM_SHA_512)
    stream = Stream(auth=auth, start_at=StartPosition.EARLIEST, until_eos=True)
    address = f"kafka://{broker.listeners.private}/private.ann.secret"
    with stream.open(address, "r", group_id="private.ann.hop") as source:
        (message,) = list(source)
    assert message.content == {"diaObjectId": 5, "topic": "private.ann.secret"}


def test_a_broker_without_users_says_so(kafka: str, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="authorizer"):
        Readers(ClusterSettings(bootstrap_servers=kafka)).open_public_topics()
    with pytest.raises(SinkError, match="no Kafka"):
        Readers(ClusterSettings())


def test_no_owner_gets_the_user_of_the_platform() -> None:
    """An account may have any name: its owner would get our password and rights."""
    readers = Readers(ClusterSettings(bootstrap_servers="127.0.0.1:1", username="broker", password="p"))  # type: ignore[arg-type]
    for change in (readers.create, readers.remove):
        with pytest.raises(SinkError, match="the platform itself logs in to Kafka as broker"):
            change("broker")
