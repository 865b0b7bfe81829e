"""Filters of the demonstration: they are accepted, pass alerts, and one another's messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from broker_assets.database import engine
from broker_assets.filters.query import check
from broker_assets.local.demo_filters import ANNOTATED, ANNOTATOR, TrendAnnotator, add, forms, trend
from broker_assets.settings import DeliverySettings, Settings
from broker_assets.sky.lists import create_watchlist
from broker_assets.sky.watchlists import parse_watchlist


def test_they_ask_for_a_watchlist_for_context_with_features_and_for_an_annotation() -> None:
    first, second, third, fourth = (check(form) for form in forms(3).values())
    assert first.watchlists == {3}
    assert {"objects", "sherlock_classifications"} <= second.tables
    assert third.annotators == {ANNOTATOR}
    assert "notice_events" in fourth.tables


def test_what_rises_and_what_fades() -> None:
    def said(fluxes: list[float | None]) -> Any:
        points = [{"midpointMjdTai": 100.0 - n, "psfFlux": flux} for n, flux in enumerate(fluxes)]
        found = trend({"alert": {"diaSourcesList": points}})
        return found and found["classification"]

    assert said([9.0, 8.0, None, 1.0]) == "rises"
    assert said([1.0, 2.0, 3.0, 9.0]) == "fades"
    assert said([1.0, 2.0]) is None
    assert trend({}) is None


@pytest.mark.database
def test_they_are_active_with_their_sinks(database_url: str) -> None:
    mail = DeliverySettings.model_validate({"mail": {"host": "127.0.0.1"}})
    with engine.connect(database_url, autocommit=True) as connection:
        watchlist = create_watchlist(connection, "demo", "w", parse_watchlist(["1,1,one"]), radius=5.0, public=True)
        added = add(connection, Settings(delivery=mail), "demo", watchlist)
        assert len(added.filters) == 4
        rows = connection.execute(
            "SELECT kind, format, schedule FROM filter_sinks JOIN filters USING (filterid) WHERE filters.active"
            " ORDER BY sinkid"
        ).fetchall()
        assert rows == [
            ("kafka", "plain", "now"), ("email", "plain", "hour"), ("kafka", "lite", "now"),
            ("email", "plain", "hour"), ("kafka", "plain", "now"), ("email", "plain", "now"),
            ("kafka", "plain", "now"), ("email", "plain", "hour"),
        ]  # fmt: skip
        assert added.topic is not None
        assert connection.execute("SELECT topic, owner FROM annotators").fetchall() == [(ANNOTATOR, "demo")]


@pytest.mark.kafka
def test_the_program_annotates_some_objects_and_ends(kafka: str, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from confluent_kafka import Consumer, Producer

    from broker_assets.local import demo_filters

    monkeypatch.setattr(demo_filters, "IDLE_SECONDS", 8.0)
    monkeypatch.setattr(demo_filters, "ANNOTATOR", f"trend_{topic.replace('-', '_').replace('.', '_')}")
    producer = Producer({"bootstrap.servers": kafka})
    for number in range(ANNOTATED + 3):
        points = [{"midpointMjdTai": float(n), "psfFlux": float(n)} for n in range(6)]
        producer.produce(topic, json.dumps({"diaObjectId": number, "alert": {"diaSourcesList": points}}).encode())
    producer.flush(20)
    annotator = TrendAnnotator(kafka, {}, topic)
    annotator.start()
    annotator.join(60)
    assert not annotator.is_alive()
    reader = Consumer({"bootstrap.servers": kafka, "group.id": topic, "auto.offset.reset": "earliest"})
    reader.subscribe([f"anno_{demo_filters.ANNOTATOR}"])
    found: list[Any] = []
    for _ in range(60):
        if len(found) == ANNOTATED:
            break
        message = reader.poll(1.0)
        if message is not None and message.error() is None:
            found.append(json.loads(message.value() or b""))
    reader.close()
    assert len({one["objectId"] for one in found}) == ANNOTATED
    assert {one["classification"] for one in found} == {"rises"}
