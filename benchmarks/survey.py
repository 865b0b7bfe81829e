"""The simulated survey with Kafka and PostgreSQL: alerts sent and messages of brokers stored per second.

`python benchmarks/survey.py [--objects N] [--alerts N] [--messages N]`, on an embedded PostgreSQL with its durable
defaults and a Kafka of its own. The same run measures the naive method on a subset: each alert is queried, written by
fastavro and marked by itself; messages are read by fastavro and inserted row by row. The simulated objects have as many
detections and forced points as those of the ELAsTiCC2 campaign on average (15 and 240).
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import psycopg
import pyarrow as pa

from broker_assets.database import copy, migrations
from broker_assets.database.engine import connect
from broker_assets.local.kafka import apache_kafka
from broker_assets.local.postgres import EmbeddedPostgres
from broker_assets.resources.kafka import KafkaSource
from broker_assets.settings.stream import ClusterSettings
from broker_assets.settings.surveys import BrokerSettings, SurveySettings
from broker_assets.stream.broker_message_batches import read_broker_messages
from broker_assets.stream.broker_messages import BrokerStream
from broker_assets.tom.survey.fake_broker import ReceivedAlert, answers
from broker_assets.tom.survey.fields import OBJECT_COLUMNS
from broker_assets.tom.survey.kafka_topics import KafkaTopics, Outgoing
from broker_assets.tom.survey.loading import TARGETS
from broker_assets.tom.survey.points import alert_document
from broker_assets.tom.survey.schemas import alert_schema, classification_schema
from broker_assets.tom.survey.selection import pages, window
from broker_assets.tom.survey.sending import send_alerts

SOURCES, FORCED = 15, 240
FIRST, DAYS = 60_280.0, 400.0
NAIVE = 400
"""Alerts and messages of the naive way."""


def simulate(connection: psycopg.Connection[Any], objects: int) -> None:
    """Fill the tables of the survey."""
    random = np.random.default_rng(1)
    target = TARGETS["ppdb"]
    ids = np.arange(1, objects + 1)
    things: dict[str, Any] = {name: np.full(objects, 0.5, np.float32) for name in OBJECT_COLUMNS}
    things |= {
        "diaobject_id": ids, "simversion": ["bench"] * objects, "ra": random.random(objects) * 360,
        "decl": random.random(objects) * 60 - 60, "isddf": np.zeros(objects, bool),
    }  # fmt: skip
    mjd = np.sort(FIRST + random.random((objects, FORCED)) * DAYS, axis=1)
    number = ids[:, None] * 100_000 + np.arange(FORCED)
    forced: dict[str, Any] = {
        "diaforcedsource_id": number.ravel(), "midpointtai": mjd.ravel(),
        "filtername": np.array(list("ugrizY"))[random.integers(0, 6, objects * FORCED)],
        "psflux": random.normal(1000, 300, objects * FORCED).astype(np.float32),
        "psfluxerr": np.full(objects * FORCED, 100, np.float32), "diaobject_id": np.repeat(ids, FORCED),
    }  # fmt: skip
    # An outburst: the detections follow one another.
    first = random.integers(20, FORCED - SOURCES, objects)
    detected = (np.arange(FORCED) >= first[:, None]) & (np.arange(FORCED) < first[:, None] + SOURCES)
    chosen = detected.ravel()
    sources = {name: values[chosen] for name, values in forced.items() if name != "diaforcedsource_id"}
    sources |= {
        "diasource_id": forced["diaforcedsource_id"][chosen], "snr": np.full(chosen.sum(), 10, np.float32),
        "ra": np.repeat(things["ra"], SOURCES), "decl": np.repeat(things["decl"], SOURCES),
    }  # fmt: skip
    alerts = {"alert_id": sources["diasource_id"], "diasource_id": sources["diasource_id"],
              "diaobject_id": sources["diaobject_id"]}  # fmt: skip
    with connection.cursor() as cursor:
        for table, rows in (
            (target.objects, things), (target.sources, sources), (target.forced, forced), (target.alerts, alerts),
        ):  # fmt: skip
            copy.load(cursor, table, pa.table({name: pa.array(values) for name, values in rows.items()}))
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE")


def naive_alerts(url: str, servers: str, alerts: list[int]) -> float:
    """Alerts a second: queries for each, fastavro, and a mark for each."""
    schema = fastavro.parse_schema(alert_schema())
    topics = KafkaTopics({"bootstrap.servers": servers})
    begin = time.perf_counter()
    with connect(url) as connection:
        for alert in alerts:
            out = io.BytesIO()
            fastavro.schemaless_writer(out, schema, alert_document(connection, alert))
            topics.send([Outgoing("naive", out.getvalue())])
        for alert in alerts:
            connection.execute(
                "UPDATE elasticc2_ppdbalert SET alertsenttimestamp = now() WHERE alert_id = %s", (alert,)
            )
        connection.commit()
    return len(alerts) / (time.perf_counter() - begin)


def naive_messages(url: str, values: list[bytes]) -> float:
    """Messages a second: fastavro, and an INSERT for each."""
    schema = fastavro.parse_schema(classification_schema())
    begin = time.perf_counter()
    with connect(url) as connection:
        for number, value in enumerate(values):
            read: Any = fastavro.schemaless_reader(io.BytesIO(value), schema, None)
            connection.execute(
                "INSERT INTO elasticc2_brokerclassifier (brokername, brokerversion, classifiername, classifierparams)"
                " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (read["brokerName"], read["brokerVersion"], read["classifierName"], read["classifierParams"]),
            )
            connection.execute(
                "INSERT INTO elasticc2_brokermessage (streammessage_id, topicname, kafka_partition, alert_id,"
                " diasource_id, elasticcpublishtimestamp, brokeringesttimestamp, classid, probability, classifier_id)"
                " SELECT %s, 'naive', 0, %s, %s, %s, %s, %s, %s, classifier_id FROM elasticc2_brokerclassifier"
                " WHERE classifiername = %s ON CONFLICT DO NOTHING",
                (
                    number, read["alertId"], read["diaSourceId"], read["elasticcPublishTimestamp"],
                    read["brokerIngestTimestamp"], [one["classId"] for one in read["classifications"]],
                    [one["probability"] for one in read["classifications"]], read["classifierName"],
                ),
            )  # fmt: skip
        connection.commit()
    return len(values) / (time.perf_counter() - begin)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=6000)
    parser.add_argument("--alerts", type=int, default=40_000, help="sent, at most")
    parser.add_argument("--messages", type=int, default=200_000, help="stored")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="broker-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        broker = apache_kafka(folder / "kafka")
        broker.start()
        try:
            with EmbeddedPostgres(folder / "postgres") as server:
                url, servers = server.url("broker"), broker.bootstrap_servers
                migrations.upgrade(url)
                with connect(url) as connection:
                    simulate(connection, arguments.objects)
                    chosen = window(connection, through_day=FIRST + 2 * DAYS)
                    assert chosen is not None
                    some = next(pages(connection, chosen, size=NAIVE)).alert.tolist()
                naive = naive_alerts(url, servers, some)
                topics = KafkaTopics({"bootstrap.servers": servers})
                sent: list[int] = []
                begin, processor = time.perf_counter(), time.process_time()
                report = send_alerts(
                    url,
                    topics,
                    chosen,
                    stop=lambda: bool(sent and sent[-1] >= arguments.alerts),
                    progress=lambda report: sent.append(report.alerts),
                )
                rate = report.alerts / (time.perf_counter() - begin)
                processor = (time.process_time() - processor) / report.alerts * 1e6
                print(f"{'alerts sent':<28}{'a second':>12}{'beside':>12}")
                print(f"{'queries and fastavro, one by one':<34}{naive:>6,.0f}{'1':>12}")
                print(f"{'reconstructed by page':<34}{rate:>6,.0f}{rate / naive:>11,.0f}×")
                print(f"processor time of the sender: {processor:.0f} µs an alert\n")

                alerts = [ReceivedAlert(number, number, 1_700_000_000_000) for number in range(arguments.messages // 2)]
                values = answers(alerts, 1_700_000_000_001, np.random.default_rng(2))
                naive = naive_messages(url, values[:NAIVE])
                for start in range(0, len(values), 20_000):
                    topics.send([Outgoing("answers", value) for value in values[start : start + 20_000]])
                stream = BrokerStream("bench", "answers", BrokerSettings(kind="elasticc", topics=["answers"]))
                source = KafkaSource(ClusterSettings(bootstrap_servers=servers), "answers")
                begin, processor = time.perf_counter(), time.process_time()
                read = read_broker_messages(source, url, stream, SurveySettings(), idle_seconds=0.0)
                seconds = time.perf_counter() - begin
                source.close()
                assert read.stored == len(values), read
                processor = (time.process_time() - processor) / read.stored * 1e6
                rate = read.stored / seconds
                print(f"{'messages of brokers stored':<28}{'a second':>12}{'beside':>12}")
                print(f"{'fastavro and INSERT, one by one':<34}{naive:>6,.0f}{'1':>12}")
                print(f"{'batches with ledger':<34}{rate:>6,.0f}{rate / naive:>11,.0f}×")
                print(f"processor time of the reader: {processor:.0f} µs a message")
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
