import os
import signal
import subprocess
import sys
import time

import numpy as np
import psycopg
import pytest
from pubsub_service import PROJECT, PubSubService

from broker_assets.database.engine import conninfo
from broker_assets.tom.survey.fake_broker import ReceivedAlert, answers
from broker_assets.tom.survey.kafka_topics import KafkaTopics, Outgoing


def test_without_brokers_there_is_nothing_to_read(command):
    done = command("tom", "brokerpoll2", "--once")
    assert done.exit_code == 2
    assert "the settings have no brokers" in done.output


def test_a_broker_needs_a_topic(command):
    done = command("tom", "brokerpoll2", "--do-fink")
    assert done.exit_code == 2
    assert "--do-fink needs --fink-topic" in done.output


@pytest.mark.database
def test_a_broker_without_servers_is_a_problem(command):
    done = command("tom", "brokerpoll2", "--do-fink", "--fink-topic", "x", "--reset", "--once")
    assert done.exit_code == 1
    assert "set BROKER_SURVEY__CLUSTERS__FINK__BOOTSTRAP_SERVERS" in done.output


@pytest.mark.database
def test_nothing_is_imported_where_nothing_was_reported(command):
    done = command("tom", "update-elasticc2-sources", "--doall")
    assert done.exit_code == 0
    assert "0 detections listed" in done.output


@pytest.mark.database
def test_pitt_google_is_read_from_its_subscription(command, database_url, monkeypatch):
    options = ("--do-pitt", "--pitt-topic", "elasticc-loop", "--once", "--reset")
    assert "project: " in command("tom", "brokerpoll2", *options, "--pitt-project", "No").output
    with PubSubService() as service:
        datums = answers([ReceivedAlert(1, 1, 0)], 0, np.random.default_rng(1))
        service.publish("elasticc-loop-desc", *datums)
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", service.host)
        done = command("tom", "brokerpoll2", *options, "--pitt-project", PROJECT)
        assert done.exit_code == 0, done.output
        assert "broker.pitt-google.elasticc-loop-desc: 2 received = 2 stored" in done.output
        assert len(service.acknowledged) == 2


@pytest.mark.database
@pytest.mark.kafka
def test_it_reads_until_a_signal_ends_it(database_url, kafka, new_topic):
    topic = new_topic(1)
    datums = answers([ReceivedAlert(number, number, 0) for number in range(5)], 0, np.random.default_rng(1))
    KafkaTopics({"bootstrap.servers": kafka}).send([Outgoing(topic, datum) for datum in datums])
    environment = os.environ | {"BROKER_DATABASE__URL": database_url, "BROKER_KAFKA__BOOTSTRAP_SERVERS": kafka}
    arguments = ["tom", "brokerpoll2", "--do-test", "--grouptag", "tag", "--test-topic", topic]
    command = [sys.executable, "-m", "broker_assets.cli", *arguments]
    with (
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running,
        psycopg.connect(conninfo(database_url), autocommit=True) as connection,
    ):
        deadline = time.monotonic() + 120
        while connection.execute("SELECT count(*) FROM elasticc2_brokermessage").fetchone() != (10,):
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        running.send_signal(signal.SIGTERM)
        output, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert f"broker.test-tag.{topic}: 10 received = 10 stored" in output
