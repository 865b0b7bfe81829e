"""The alert cycle of the survey by commands, with the original's options, Kafka and PostgreSQL: its pinned numbers."""

import os

import psycopg
import pytest
from api_classifier import classify
from interface_server import serving
from manage import create_test_users
from tom_connection import disconnect

from broker_assets.database.engine import conninfo
from broker_assets.settings import DatabaseSettings, Settings, load_settings

pytestmark = [pytest.mark.database, pytest.mark.kafka, pytest.mark.shared, pytest.mark.slow]


class Cycle:
    """The topics of a cycle, and its counts."""

    def __init__(self, command, url, kafka, name):
        self.command, self.url, self.kafka, self.name = command, url, kafka, name

    def run(self, *arguments):
        result = self.command("tom", *arguments)
        assert result.exit_code == 0, result.output
        return result.output

    def query(self, statement, *values):
        with psycopg.connect(conninfo(self.url)) as connection:
            return connection.execute(statement, values).fetchall()

    def counts(self, *tables):
        return [self.query(f"SELECT count(*) FROM elasticc2_{table}")[0][0] for table in tables]

    def send(self, *days):
        topics = [f"--{kind}-topic={self.name}-{kind}" for kind in ("wfd", "ddf-full", "ddf-limited")]
        schema = "/tests/schema/elasticc.v0_9_1.alert.avsc"
        return self.run(
            "send_elasticc2_alerts", *days, "-k", self.kafka, *topics, "-s", schema, "-r", "running", "--do"
        )

    def answer(self):
        source, group = f"{self.name}-wfd", f"{self.name}-group"
        return self.run(
            "fake_broker", "-k", self.kafka, "-s", source, "-s", f"{self.name}-ddf-full", "-t", f"{self.name}-answers",
            "-g", group, "--idle-seconds", "5",
        )  # fmt: skip

    def poll(self):
        return self.run("brokerpoll2", "--do-test", "--grouptag", "t", "--test-topic", f"{self.name}-answers", "--once")


@pytest.fixture
def cycle(command, survey_url, kafka, tmp_path, monkeypatch):
    monkeypatch.setenv("BROKER_DATABASE__URL", survey_url)
    monkeypatch.setenv("BROKER_KAFKA__BOOTSTRAP_SERVERS", kafka)
    load_settings.cache_clear()
    return Cycle(command, survey_url, kafka, f"cycle-{os.getpid()}")


def test_the_cycle_gives_its_numbers(cycle, tmp_path):
    assert "545 alerts sent" in cycle.send("-d", "60578")
    assert "1,090 messages about 545 alerts" in cycle.answer()
    assert "1,090 stored" in cycle.poll()
    assert cycle.counts("brokermessage", "brokerclassifier", "brokersourceids") == [1090, 2, 545]
    assert cycle.query("SELECT sum(cardinality(probability)) FROM elasticc2_brokermessage") == [(11_445,)]
    cycle.run("update_elasticc2_sources")
    assert cycle.counts("brokersourceids", "diaobject", "diasource", "diaforcedsource") == [0, 102, 545, 4242]

    assert "60575.0008" in cycle.run("clock")
    assert "105 alerts sent" in cycle.send("-a", "100")
    assert cycle.counts("ppdbalert WHERE alertsenttimestamp IS NOT NULL") == [650]
    assert "210 messages about 105 alerts" in cycle.answer()
    assert "210 stored" in cycle.poll()
    assert cycle.counts("brokermessage") == [1300]
    assert cycle.query("SELECT sum(cardinality(probability)) FROM elasticc2_brokermessage") == [(13_650,)]
    cycle.run("update_elasticc2_sources")
    # Of bands without a detection the original has no row.
    assert cycle.counts("diaobject", "diasource", "diaforcedsource", "diaobjectinfo") == [131, 650, 5765, 268]
    assert cycle.query(
        "SELECT firstsource_id, latestsource_id, firstsourceflux, latestsourcemjd"
        " FROM elasticc2_diaobjectinfo WHERE diaobject_id = 6048 AND filtername = 'g'"
    ) == [(604800047, 604800047, pytest.approx(408.03259, abs=1e-5), 60355.1755)]
    # Four most probable classes of each object and classifier that answered.
    assert cycle.counts("diaobjectclassification") == [262]

    create_test_users()
    disconnect()
    with serving(Settings(home=tmp_path, database=DatabaseSettings(url=cycle.url), streams=[])) as url:
        # Batches of at most 100 alerts.
        assert classify(cycle.kafka, f"{cycle.name}-wfd", url, "apibroker", "testing", 650) >= 7
    assert cycle.counts("brokerclassifier", "brokermessage") == [3, 1950]
    assert cycle.query("SELECT sum(cardinality(probability)) FROM elasticc2_brokermessage") == [(14_950,)]
    assert cycle.query(
        "SELECT DISTINCT classid, probability, msghdrtimestamp >= brokeringesttimestamp,"
        " descingesttimestamp - msghdrtimestamp < interval '30 s', now() - descingesttimestamp < interval '5 min',"
        " streammessage_id FROM elasticc2_brokermessage WHERE topicname = 'REST_push'"
    ) == [([111, 112], [0.25, 0.75], True, True, True, -1)]
    # Its detections are known already: they are listed again for the next import, which finds nothing new.
    assert cycle.counts("brokersourceids") == [650]
    cycle.run("update_elasticc2_sources")
    assert cycle.counts("brokersourceids", "diaobject", "diasource", "diaforcedsource") == [0, 131, 650, 5765]
    # Times of messages from Kafka are those of the alerts that they answer.
    assert cycle.query(
        "SELECT count(*) FROM elasticc2_brokermessage AS message JOIN elasticc2_ppdbalert AS alert USING (alert_id)"
        " WHERE topicname <> 'REST_push' AND (msghdrtimestamp < brokeringesttimestamp"
        " OR abs(extract(epoch FROM alertsenttimestamp - elasticcpublishtimestamp)) > 60)"
    ) == [(0,)]
