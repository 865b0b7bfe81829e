import datetime

import numpy as np
import psycopg
import pytest

from broker_assets.database.engine import conninfo
from broker_assets.settings import Settings
from broker_assets.settings.stream import ClusterSettings, KafkaSettings
from broker_assets.settings.surveys import BrokerSettings, SurveySettings
from broker_assets.stream.broker_message_run import broker_streams, look, run_brokers, stream_named
from broker_assets.stream.messages import SourceUnavailableError, StreamEnds, TopicAbsentError
from broker_assets.tom.survey.fake_broker import ReceivedAlert, answers

TODAY = datetime.date(2023, 11, 5)
BROKERS = {
    "fink": BrokerSettings(kind="fink", topics=["fink-elasticc"]),
    "alerce": BrokerSettings(kind="alerce", cluster="alerce"),
    "later": BrokerSettings(kind="antares", topics=["not-yet"]),
    "silent": BrokerSettings(kind="antares", topics=["x"], active=False),
}


def settings(**survey):
    clusters = {"alerce": ClusterSettings(bootstrap_servers="alerce:9092")}
    return Settings(
        kafka=KafkaSettings(bootstrap_servers="own:9092"),
        survey=SurveySettings(brokers=BROKERS, clusters=clusters, batch_max=50, idle_seconds=0.0, **survey),
    )


class Clusters:
    """Topics in memory."""

    def __init__(self, packets, topics):
        self.sources = {name: packets.ListSource.of(values) for name, values in topics.items()}

    def open(self, location):
        return self.sources[location.topic]

    def ends(self, location, positions):
        if location.topic not in self.sources:
            raise TopicAbsentError(location.topic)
        logs = self.sources[location.topic].logs
        return StreamEnds(location.topic, {number: len(log) for number, log in logs.items()}, dict.fromkeys(logs, 0))

    def topics(self, location):
        return ["lc_classifier_x_20231104", "lc_classifier_x_20220101", "other"]


def datums(count):
    return answers([ReceivedAlert(number, number, 0) for number in range(count)], 0, np.random.default_rng(1))


def test_streams_are_those_of_active_brokers_and_of_topics_near_today(packets):
    streams, problems = broker_streams(settings(), Clusters(packets, {}).topics, TODAY)
    assert list(streams) == [
        "broker.fink.fink-elasticc", "broker.alerce.lc_classifier_x_20231104", "broker.later.not-yet",
    ]  # fmt: skip
    assert problems == {}

    def away(location):
        raise SourceUnavailableError("away")

    streams, problems = broker_streams(settings(), away, TODAY)
    assert list(streams) == ["broker.fink.fink-elasticc", "broker.later.not-yet"]
    assert problems == {"alerce": "away"}


def test_a_stream_is_found_by_its_name():
    assert stream_named(settings(), "broker.silent.x").topic == "x"
    with pytest.raises(LookupError, match="no broker with the stream"):
        stream_named(settings(), "broker.nobody.x")


@pytest.mark.database
def test_a_run_reads_all_that_waits(database_url, packets):
    clusters = Clusters(packets, {"fink-elasticc": datums(100), "lc_classifier_x_20231104": datums(3)})
    with psycopg.connect(conninfo(database_url), autocommit=True) as connection:
        lag = look(connection, settings(), clusters.ends, clusters.topics, today=TODAY)
    assert lag.lag == {"broker.fink.fink-elasticc": 200, "broker.alerce.lc_classifier_x_20231104": 6}
    run = run_brokers(database_url, settings(), clusters.open, clusters.ends, lambda _: [])
    assert (run.count("received"), run.count("stored"), run.problems) == (200, 200, {})
    with psycopg.connect(conninfo(database_url), autocommit=True) as connection:
        assert not any(look(connection, settings(), clusters.ends, lambda _: []).lag.values())


@pytest.mark.database
def test_a_broker_without_servers_is_a_problem_of_its_own(database_url, packets):
    clusters = Clusters(packets, {"fink-elasticc": datums(1)})
    wrong = settings()
    wrong.survey.clusters.clear()
    run = run_brokers(database_url, wrong, clusters.open, clusters.ends, clusters.topics)
    assert run.count("received") == 2
    assert "set BROKER_SURVEY__CLUSTERS__ALERCE__BOOTSTRAP_SERVERS" in run.problems["alerce"]


@pytest.mark.database
def test_a_run_without_end_stops_when_it_is_asked(database_url, packets):
    clusters = Clusters(packets, {"fink-elasticc": datums(10)})
    looks = []

    def stop():
        looks.append(1)
        with psycopg.connect(conninfo(database_url)) as connection:
            return connection.execute("SELECT count(*) FROM elasticc2_brokermessage").fetchone() == (20,)

    run = run_brokers(database_url, settings(), clusters.open, clusters.ends, lambda _: [], forever=True, stop=stop)
    assert run.count("stored") == 20
