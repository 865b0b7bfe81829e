"""The program of the documentation, over real Kafka: it reads a filter's topic, classifies, and is read by us."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from broker_assets.annotations.annotators import add_annotator
from broker_assets.annotations.client import NotSentError, run_annotator
from broker_assets.database import engine
from broker_assets.replay.producer import ensure_topic
from broker_assets.resources.kafka import Kafka
from broker_assets.settings import AnnotationSettings, KafkaSettings, Settings
from broker_assets.stream.annotation_run import run_annotations

pytestmark = [pytest.mark.database, pytest.mark.kafka]
DOCUMENT = Path(__file__).parents[2] / "docs" / "annotations.md"


def send(kafka: str, topic: str, rows: list[dict[str, Any] | bytes]) -> None:
    producer = Producer({"bootstrap.servers": kafka})
    for row in rows:
        producer.produce(topic, row if isinstance(row, bytes) else json.dumps(row).encode())
    assert producer.flush(30) == 0


def test_the_program_of_the_documentation_annotates(
    kafka: str,
    new_topic: Callable[..., str],
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    [program] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    of_filter, of_annotator = new_topic(1), new_topic(1)
    # The topic of the annotator is of this test alone.
    program = program.replace('annotator="fastfinder"', f'annotator="fastfinder", kafka_topic="{of_annotator}"')
    program = program.replace('group="fastfinder-1"', f'group="{of_filter}"')
    send(kafka, of_filter, [{"diaObjectId": n, "ratio": ratio} for n, ratio in ((1, 1.5), (2, 2.5), (3, 9.0))])
    send(kafka, of_filter, [b"not JSON", {"ratio": 5.0}])
    monkeypatch.setenv("KAFKA", kafka)
    monkeypatch.setenv("FILTER_TOPIC", of_filter)
    monkeypatch.setenv("IDLE_SECONDS", "4")
    exec(compile(program, str(DOCUMENT), "exec"), {})  # noqa: S102 - it is ours
    assert "5 read, 2 annotated, 1 left alone, 2 failed" in capsys.readouterr().out
    with engine.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO objects (diaobjectid, survey) SELECT n, 1 FROM generate_series(1, 3) AS n")
        add_annotator(connection, "fastfinder", "anna", source={"topics": [of_annotator]})
        settings = Settings(
            kafka=KafkaSettings(bootstrap_servers=kafka), annotations=AnnotationSettings(idle_seconds=0.5)
        )
        source = Kafka([])
        run = run_annotations(database_url, settings, source.source_at, source.ends_at)
        assert run.count("stored") == 2
        assert connection.execute(
            "SELECT diaobjectid, classification, version, explanation, classdict FROM annotations ORDER BY 1"
        ).fetchall() == [
            (2, "fast riser", "1", "2.5 times its mean flux", {"ratio": 2.5}),
            (3, "fast riser", "1", "9.0 times its mean flux", {"ratio": 9.0}),
        ]


def test_it_goes_on_where_it_was_stopped(kafka: str, new_topic: Callable[..., str]) -> None:
    topic, back = new_topic(1), new_topic(1)
    send(kafka, topic, [{"diaObjectId": n} for n in range(5)])
    seen: list[int] = []

    def classify(row: Any) -> str:
        seen.append(row["diaObjectId"])
        return "SN"

    options: dict[str, Any] = {
        "filter_topic": topic, "annotator": "a", "servers": kafka, "group": topic, "kafka_topic": back,
    }  # fmt: skip
    assert run_annotator(classify, most=3, **options).sent == 3
    assert run_annotator(classify, most=2, **options).read == 2
    assert seen == [0, 1, 2, 3, 4]


def test_what_is_not_taken_is_not_read(kafka: str, new_topic: Callable[..., str]) -> None:
    """The librdkafka of the sender gives up before we do, and has nothing left to confirm then."""
    topic, back = new_topic(1), new_topic(1)
    send(kafka, topic, [{"diaObjectId": 1}])
    arguments: dict[str, Any] = {
        "filter_topic": topic, "annotator": "a", "servers": kafka, "group": topic, "kafka_topic": back, "most": 1,
    }  # fmt: skip
    away = {"bootstrap.servers": "127.0.0.1:1", "message.timeout.ms": 500, "log_level": 0}
    with pytest.raises(NotSentError, match="1 of 1 annotations were not accepted"):
        run_annotator(lambda row: "SN", sending=away, **arguments)
    assert run_annotator(lambda row: "SN", **arguments).sent == 1, "it is read again"


def test_a_topic_that_is_made_later_is_read(kafka: str, new_topic: Callable[..., str]) -> None:
    """The topic of a filter exists when its first match is sent."""
    of_annotator = new_topic(1)
    of_filter = f"{of_annotator}-later"
    done: list[Any] = []

    def run() -> None:
        done.append(
            run_annotator(
                lambda row: "seen", filter_topic=of_filter, annotator="fastfinder", servers=kafka, group=of_filter,
                kafka_topic=of_annotator, reading={"topic.metadata.refresh.interval.ms": 500}, most=1, idle_seconds=60,
            )
        )  # fmt: skip

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(4)
    assert thread.is_alive()
    ensure_topic(kafka, of_filter, partitions=1)
    send(kafka, of_filter, [{"diaObjectId": 1}])
    thread.join(60)
    assert not thread.is_alive()
    assert (done[0].read, done[0].sent) == (1, 1)
