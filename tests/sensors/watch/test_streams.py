"""Streams that do not move, and clusters that do not answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from dagster import DagsterInstance
from operator_mailbox import Operator

from broker_assets.sensors.watch.streams import Limits
from broker_assets.stream.messages import SourceError, SourceUnavailableError, StreamEnds, TopicAbsentError

pytestmark = pytest.mark.database


class Clusters:
    """Ends of streams, or why there are none."""

    def __init__(self, **answers: dict[int, int] | SourceError) -> None:
        self.answers = answers

    def ends(self, name: str, positions: Mapping[int, int], *, timeout: float) -> StreamEnds:
        answer = self.answers[name]
        if isinstance(answer, SourceError):
            raise answer
        return StreamEnds(name, answer, dict.fromkeys(answer, 0))


@pytest.fixture
def clusters() -> Clusters:
    return Clusters(one={0: 0, 1: 0})


@pytest.fixture
def operator(database_url: str, clusters: Clusters) -> Any:
    with DagsterInstance.ephemeral() as instance:
        yield Operator(
            instance, database_url, kafka=clusters, streams=("one",), limits=Limits(stalled=900.0, unreachable=120.0)
        )


def moved(operator: Operator, partition: int, position: int) -> None:
    operator.query(
        'INSERT INTO stream_offset (topic, "partition", next_offset) VALUES '
        f"('one', {partition}, {position}) ON CONFLICT (topic, \"partition\") DO UPDATE SET next_offset = {position}"
    )


def test_partition_that_was_never_read(operator: Operator, clusters: Clusters) -> None:
    clusters.answers["one"] = {0: 0, 1: 7}
    assert operator.told(now=1000.0) == []
    assert operator.told(now=1899.0) == []
    subject = "alert_stream/one of 1: 7 messages wait, and the position has not moved for 15 minutes"
    assert operator.told(now=1900.0) == [f"error: {subject}"]
    moved(operator, 1, 7)
    assert operator.told(now=1930.0) == [f"resolved: {subject}"]


def test_partition_that_moves_is_no_alert_however_long_messages_wait(operator: Operator, clusters: Clusters) -> None:
    clusters.answers["one"] = {0: 1000, 1: 0}
    for minute in range(60):
        moved(operator, 0, minute)
        assert operator.told(now=60.0 * minute) == []


def test_one_partition_is_stuck_while_the_others_move(operator: Operator, clusters: Clusters) -> None:
    clusters.answers["one"] = {0: 1000, 1: 1000}
    moved(operator, 1, 5)
    for minute in range(16):
        moved(operator, 0, minute)
        told = operator.told(now=60.0 * minute)
    assert [subject.partition(":")[2].strip().partition(":")[0] for subject in told] == ["alert_stream/one of 1"]


def test_cluster_that_does_not_answer(operator: Operator, clusters: Clusters) -> None:
    clusters.answers["one"] = SourceUnavailableError("no broker at kafka:9092")
    assert operator.told(now=0.0) == []
    operator.look(now=120.0)
    ((subject, body),) = operator.mailbox.messages
    assert subject == "error: alert_stream/one: the Kafka cluster has not answered for 2 minutes"
    assert "no broker at kafka:9092" in body
    operator.mailbox.told()
    clusters.answers["one"] = {0: 0}
    assert [told.partition(":")[0] for told in operator.told(now=150.0)] == ["resolved"]


def test_topic_that_does_not_exist_yet_is_none(operator: Operator, clusters: Clusters) -> None:
    clusters.answers["one"] = TopicAbsentError("no such topic")
    assert [operator.told(now=now) for now in (0.0, 10_000.0)] == [[], []]


def test_topic_that_was_read_and_is_gone(operator: Operator, clusters: Clusters) -> None:
    moved(operator, 0, 7)
    clusters.answers["one"] = TopicAbsentError("Kafka at kafka:9092 has no topic 'one'")
    assert operator.told(now=0.0) == []
    operator.look(now=120.0)
    ((subject, body),) = operator.mailbox.messages
    assert subject == "error: alert_stream/one: the topic has been gone for 2 minutes"
    assert "Kafka at kafka:9092 has no topic 'one'" in body
    operator.mailbox.told()
    clusters.answers["one"] = {0: 7}
    assert [told.partition(":")[0] for told in operator.told(now=150.0)] == ["resolved"]


def test_stream_that_is_no_longer_configured(operator: Operator, clusters: Clusters) -> None:
    clusters.answers["one"] = {0: 7}
    operator.look(now=0.0)
    assert len(operator.told(now=1000.0)) == 1
    operator._options |= {"streams": ()}
    operator.position = replace(operator.position)
    assert [told.partition(":")[0] for told in operator.told(now=1030.0)] == ["resolved"]
