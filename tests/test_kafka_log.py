"""Lines of Kafka's clients: once, and how many like it were left out."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from broker_assets.kafka_log import WithoutRepetition, client_log
from broker_assets.local.processes import free_ports

PACKAGE = Path(__file__).parents[1] / "broker_assets"


def test_an_unavailable_broker_is_written_once(caplog: pytest.LogCaptureFixture) -> None:
    log = client_log("tests.kafka_log")
    (port,) = free_ports(1)
    consumer = Consumer(
        {"bootstrap.servers": f"127.0.0.1:{port}", "group.id": "x", "reconnect.backoff.max.ms": 100}, logger=log
    )
    with caplog.at_level(logging.INFO, log.name):
        consumer.subscribe(["alerts"])
        ends = time.monotonic() + 1.5
        while time.monotonic() < ends:
            consumer.poll(0.1)
        consumer.close()
    lines = [record.getMessage() for record in caplog.records if "Connection refused" in record.getMessage()]
    assert len(lines) == 1
    assert client_log("tests.kafka_log").filters == log.filters


def test_what_was_left_out_is_counted() -> None:
    repetition = WithoutRepetition(0.2)

    def said(client: int, milliseconds: int, port: int = 9092) -> str | None:
        words = (
            "FAIL",
            f"rdkafka#consumer-{client}",
            f"127.0.0.1:{port}: 100%s refused (after {milliseconds}ms in state X)",
        )
        record = logging.LogRecord("x", logging.ERROR, "", 0, "%s [%s] %s", words, None)
        return record.getMessage() if repetition.filter(record) else None

    assert said(1, 0) == "FAIL [rdkafka#consumer-1] 127.0.0.1:9092: 100%s refused (after 0ms in state X)"
    assert [said(1, 7), said(2, 0)] == [None, None]
    assert said(1, 0, port=9093) is not None
    time.sleep(0.25)
    assert str(said(3, 1)).endswith("(2 equal lines were left out)")
    assert said(3, 1) is None
    for port in range(1000):
        assert said(1, 0, port=port) is not None


def test_every_client_of_the_package_writes_through_it() -> None:
    """Where librdkafka writes to the standard error by itself, it does so with every attempt."""
    without = []
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        for kind in ("Consumer(", "Producer(", "AdminClient("):
            for piece in text.split(f" {kind}")[1:]:
                call = piece[: piece.find("\n\n")]
                if "logger=" not in call and "log_level" not in call:
                    without.append(f"{path.name}: {kind}")
    assert without == []
