"""Every stored alert is in the topic once, in order, with what was computed of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from confluent_kafka import Producer
from delivery_peers import header, read_topic, value

from broker_assets.database import engine
from broker_assets.settings import Settings
from broker_assets.settings.stream import StreamSettings
from broker_assets.sky.lists import create_watchlist
from broker_assets.sky.watchlists import parse_watchlist
from broker_assets.stream.enriched_topic import EnrichedTopic

pytestmark = [pytest.mark.database, pytest.mark.kafka]

VISITS = [(0, 61000.2), (1, 61001.2), (2, 61002.2)]


@pytest.fixture
def settings(kafka: str, new_topic: Callable[..., str]) -> Settings:
    return Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": kafka},
            "streams": [StreamSettings(topic="alerts", survey="rubin", framing="confluent")],
            "delivery": {"enriched_topic": new_topic(1)},
        }
    )


def alerts(packets: ModuleType, numbers: Any) -> Any:
    return packets.ListSource.of([packets.encode(packets.alert(number, VISITS)) for number in numbers])


def sent(broker: Any, settings: Settings) -> int:
    topic = EnrichedTopic.of(settings)
    assert topic is not None
    try:
        with engine.connect(broker.database_url, autocommit=True) as connection:
            return topic.send(connection)
    finally:
        topic.close()


def read(settings: Settings, kafka: str, count: int) -> list[Any]:
    assert settings.delivery.enriched_topic is not None
    return read_topic(kafka, settings.delivery.enriched_topic, count)


def test_alerts_come_with_what_was_computed(broker: Any, packets: ModuleType, settings: Settings, kafka: str) -> None:
    with engine.connect(broker.database_url, autocommit=True) as connection:
        line = f"{6 * 0.37}, {-60.0 + 6 * 0.11}, mine"
        create_watchlist(connection, "ann", "public", parse_watchlist([line]), radius=5.0, public=True)
        create_watchlist(connection, "ann", "secret", parse_watchlist([line]), radius=5.0)
    assert sent(broker, settings) == 0, "it begins with what is stored from now on"
    source = alerts(packets, (5, 6, 7))
    source.append(0, b"no packet")
    broker.drain(source)
    assert sent(broker, settings) == 3
    assert sent(broker, settings) == 0
    messages = read(settings, kafka, 3)
    documents = [json.loads(value(one)) for one in messages]
    assert [one["diaObjectId"] for one in documents] == [5, 6, 7]
    assert len({header(one, "delivery-id") for one in messages}) == 3
    assert {header(one, "_format") for one in messages} == {"json"}
    second = documents[1]
    assert second["diaSourceId"] == packets.source_id(6, 2)
    assert len(second["alert"]["diaSourcesList"]) == 3
    assert second["alert"]["diaObject"]["diaObjectId"] == 6
    assert second["features"]["lastDiaSourceMjdTai"] == 61002.2
    assert [one["name"] for one in second["watchlists"]] == ["mine"], "private lists are nobody's business"
    assert documents[0]["watchlists"] == []


def test_what_a_sender_that_died_wrote_is_not_sent_again(
    broker: Any, packets: ModuleType, settings: Settings, kafka: str
) -> None:
    assert sent(broker, settings) == 0
    source = alerts(packets, (1, 2))
    broker.drain(source)
    with engine.connect(broker.database_url, autocommit=True) as connection:
        before = connection.execute("SELECT archivefileid, packets, next_offset FROM enriched_topics").fetchone()
        assert sent(broker, settings) == 2
        # It died before it noted how far it had come; somebody else wrote into the topic, too.
        connection.execute("UPDATE enriched_topics SET archivefileid = %s, packets = %s, next_offset = %s", before)
    assert settings.delivery.enriched_topic is not None
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(settings.delivery.enriched_topic, b"{}")
    producer.flush(10)
    source.append(0, packets.encode(packets.alert(3, VISITS)))
    broker.drain(source)
    assert sent(broker, settings) == 1
    assert [json.loads(value(one)).get("diaObjectId") for one in read(settings, kafka, 4)] == [1, 2, None, 3]


def test_without_kafka_alerts_wait(broker: Any, packets: ModuleType, settings: Settings, kafka: str) -> None:
    assert sent(broker, settings) == 0
    broker.drain(alerts(packets, (1,)))
    away = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})})
    away = away.model_copy(update={"delivery": away.delivery.model_copy(update={"confirm_seconds": 1.0})})
    assert sent(broker, away) == 0
    assert sent(broker, settings) == 1
    assert len(read(settings, kafka, 1)) == 1


def test_a_platform_without_the_setting_has_none() -> None:
    assert EnrichedTopic.of(Settings()) is None
