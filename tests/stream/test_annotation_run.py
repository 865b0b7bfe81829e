"""A whole run over real Kafka: every annotator of the table, other brokers' messages, Lasair's own producer."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from broker_messages import Sent, ampel_report, antares, babamul, fink, hopskotch
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from broker_assets.accounting import balance
from broker_assets.annotations.annotators import AnnotatorChange, add_annotator, change_annotator
from broker_assets.database import engine
from broker_assets.delivery.readers import Readers
from broker_assets.local.jars import kafka_jars
from broker_assets.local.kafka import ApacheKafka
from broker_assets.local.processes import LocalPlatformError
from broker_assets.resources.kafka import Kafka
from broker_assets.settings import AnnotationSettings, ClusterSettings, KafkaSettings, Settings
from broker_assets.stream.annotation_run import AnnotationRun, run_annotations

pytestmark = [pytest.mark.database, pytest.mark.kafka]
Connection = psycopg.Connection[Any]


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with engine.connect(database_url, autocommit=True) as opened:
        opened.execute("INSERT INTO objects (diaobjectid, survey) SELECT n, 1 FROM generate_series(1, 99) AS n")
        yield opened


def settings_of(kafka: str, **clusters: ClusterSettings) -> Settings:
    annotations = AnnotationSettings(clusters=clusters, idle_seconds=1.0)
    return Settings(kafka=KafkaSettings(bootstrap_servers=kafka), annotations=annotations)


def run(database_url: str, settings: Settings, **options: Any) -> AnnotationRun:
    kafka = Kafka([])
    return run_annotations(database_url, settings, kafka.source_at, kafka.ends_at, **options)


def send(kafka: str, topic: str, *messages: Sent) -> None:
    producer = Producer({"bootstrap.servers": kafka})
    for one in messages:
        producer.produce(topic, key=one.key, value=one.value, headers=one.headers)
    assert producer.flush(30) == 0


def test_every_active_annotator_is_read_in_the_form_of_its_broker(
    database_url: str, connection: Connection, kafka: str, new_topic: Callable[..., str]
) -> None:
    sent = {
        "fink": [fink(1), fink(2)],
        "ampel": [hopskotch(ampel_report(3, SNIa=0.8)), hopskotch(ampel_report(4, TDE=0.9), "avro")],
        "babamul": [babamul(5)],
        "antares": [antares({"lsst_diaObjectId": "6"}, ["fast"])],
    }
    for kind, messages in sent.items():
        topic = new_topic(1)
        add_annotator(connection, kind, "them", source={"kind": kind, "topics": [topic], "cluster": "others"})
        send(kafka, topic, *messages)
    own = new_topic(2)
    add_annotator(connection, "ours", "anna", source={"topics": [own]})
    add_annotator(connection, "asleep", "anna", source={"topics": [own]}, active=False)
    add_annotator(connection, "absent", "anna")  # its topic does not exist
    add_annotator(connection, "elsewhere", "anna", source={"kind": "lasair", "cluster": "unknown", "topics": ["x"]})
    send(kafka, own, Sent(None, b'{"objectId": 7, "classification": "SN"}', []), Sent(None, b"{", []))
    seen: list[int] = []

    def triggered(inside: Connection, ingestid: int, rows: pa.Table) -> int:
        seen.extend(rows["diaobjectid"].to_pylist())
        return rows.num_rows

    settings = settings_of(kafka, others=ClusterSettings(bootstrap_servers=kafka))
    due: list[bool] = []
    found = run(database_url, settings, triggered=triggered, matched=lambda: due.append(True))
    assert due
    assert (found.count("stored"), found.count("quarantined"), found.matches) == (7, 1, 7)
    assert sorted(seen) == [1, 2, 3, 4, 5, 6, 7]
    assert list(found.problems) == ["annotator.elsewhere.x"]
    assert "BROKER_ANNOTATIONS__CLUSTERS__UNKNOWN__BOOTSTRAP_SERVERS" in found.problems["annotator.elsewhere.x"]
    said = connection.execute("SELECT diaobjectid, topic, classification FROM annotations ORDER BY 1").fetchall()
    assert [(number, topic) for number, topic, _ in said] == [
        (1, "fink"), (2, "fink"), (3, "ampel"), (4, "ampel"), (5, "babamul"), (6, "antares"), (7, "ours"),
    ]  # fmt: skip
    assert [text for _, topic, text in said if topic in ("ampel", "antares", "ours")] == ["SNIa", "TDE", "fast", "SN"]
    again = run(database_url, settings)
    assert again.count("received") == 0
    assert balance.batches(connection) == []
    assert balance.offsets(connection) == []


def test_an_annotator_that_is_activated_during_a_run_is_read(
    database_url: str, connection: Connection, kafka: str, new_topic: Callable[..., str]
) -> None:
    topic = new_topic(1)
    add_annotator(connection, "late", "anna", source={"topics": [topic]}, active=False)
    send(kafka, topic, Sent(None, b'{"objectId": 7, "classification": "SN"}', []))
    settings = settings_of(kafka)
    settings.annotations.idle_seconds = 30.0
    stop = threading.Event()
    results: list[AnnotationRun] = []

    def read() -> None:
        results.append(run(database_url, settings, stop=stop.is_set))

    thread = threading.Thread(target=read)
    thread.start()
    change_annotator(connection, "late", AnnotatorChange(active=True))
    deadline = time.monotonic() + 60
    while connection.execute("SELECT count(*) FROM annotations").fetchone() == (0,) and time.monotonic() < deadline:
        time.sleep(0.1)
    stop.set()
    thread.join(60)
    assert [found.count("stored") for found in results] == [1]


def test_filters_that_fail_end_the_run_and_lose_nothing(
    database_url: str, connection: Connection, kafka: str, new_topic: Callable[..., str]
) -> None:
    topic = new_topic(1)
    add_annotator(connection, "ours", "anna", source={"topics": [topic]})
    send(kafka, topic, Sent(None, b'{"objectId": 7, "classification": "SN"}', []))

    def failing(inside: Connection, ingestid: int, rows: pa.Table) -> int:
        raise RuntimeError("a filter runner that fails")

    with pytest.raises(RuntimeError, match="filter runner"):
        run(database_url, settings_of(kafka), triggered=failing)
    assert connection.execute("SELECT count(*) FROM annotations").fetchone() == (1,)
    found = run(database_url, settings_of(kafka), triggered=lambda inside, ingestid, rows: rows.num_rows)
    assert (found.count("received"), found.matches) == (0, 1)


@pytest.fixture(scope="module")
def sasl_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    try:
        broker = ApacheKafka(tmp_path_factory.mktemp("guarded"), kafka_jars(), readers=True)
        broker.start()
    except LocalPlatformError as error:
        if os.environ.get("BROKER_TEST_KAFKA_REQUIRED") == "1":
            raise
        pytest.skip(f"needs Apache Kafka: {error}")
    yield broker
    broker.stop()


def test_lasairs_producer_works_unmodified_for_the_owner_only(
    database_url: str, connection: Connection, sasl_kafka: ApacheKafka
) -> None:
    from lasair import lasair_producer

    assert sasl_kafka.listeners is not None
    ours = ClusterSettings(bootstrap_servers=sasl_kafka.bootstrap_servers, client=dict(sasl_kafka.client))
    admin = AdminClient({"bootstrap.servers": sasl_kafka.bootstrap_servers, "log_level": 0, **sasl_kafka.client})
    for made in admin.create_topics([NewTopic("anno_fastfinder", num_partitions=1)]).values():
        made.result(30)
    add_annotator(connection, "fastfinder", "anna")
    readers = Readers(ours)
    readers.let_write("otto", ["anno_fastfinder"])  # a former owner
    readers.let_write("anna", ["anno_fastfinder"])
    for owner in ("otto", "anna"):
        user, password = readers.create(owner)
        producer = lasair_producer(sasl_kafka.listeners.private, user, password, "anno_fastfinder")
        producer.produce(1, f"of {owner}", version="0.3", explanation="fast", classdict={"p": 0.9}, url="https://a.org")
        producer.produce("2", "supernova")
        producer.flush()
    settings = Settings(annotations=AnnotationSettings(kafka=ours, idle_seconds=1.0))
    found = run(database_url, settings)
    assert (found.count("received"), found.count("stored")) == (2, 2)
    assert connection.execute(
        "SELECT diaobjectid, classification, version, explanation, classdict, url FROM annotations ORDER BY 1"
    ).fetchall() == [
        (1, "of anna", "0.3", "fast", {"p": 0.9}, "https://a.org"),
        (2, "supernova", "0.1", "", {}, ""),
    ]


def test_settings_of_clusters_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = "BROKER_ANNOTATIONS__CLUSTERS__FINK__"
    for name, value in {
        "BOOTSTRAP_SERVERS": "fink:9093", "SECURITY_PROTOCOL": "SASL_PLAINTEXT", "SASL_MECHANISM": "SCRAM-SHA-512",
        "USERNAME": "us", "PASSWORD": "secret",
    }.items():  # fmt: skip
        monkeypatch.setenv(prefix + name, value)
    location = Settings().annotation_location("annotator.fink.t", "t", "fink")
    assert (location.topic, location.cluster.bootstrap_servers) == ("t", "fink:9093")
    assert location.cluster.properties()["sasl.password"] == "secret"
    monkeypatch.delenv(prefix + "PASSWORD")
    with pytest.raises(ValueError, match=r"cluster 'fink': a user needs its password"):
        Settings()
