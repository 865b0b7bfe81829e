import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from survey_topics import MemoryTopics, numbers, read_alert, topic_content

from broker_assets.database.engine import conninfo
from broker_assets.tom.survey.journal import SenderBusy, sole_sender
from broker_assets.tom.survey.kafka_topics import KafkaTopics, SendFailed
from broker_assets.tom.survey.selection import Window
from broker_assets.tom.survey.sending import AlertTopics, Pace, send_alerts

pytestmark = [pytest.mark.database, pytest.mark.shared]

CHOSEN = Window(None, 60290.0)
STREAMS = AlertTopics("wide", "full", "limited")
QUICK = Pace(flush_every=10, confirm_seconds=-2.0)
"""Without a time in which messages of senders that died may arrive: the topics are in memory."""


def query(url, statement, *values):
    with psycopg.connect(conninfo(url)) as connection:
        found = connection.execute(statement, values)
        return found.fetchall() if found.description else None


def sent(url):
    return query(url, "SELECT alert_id FROM elasticc2_ppdbalert WHERE alertsenttimestamp IS NOT NULL ORDER BY 1")


def test_alerts_are_sent_by_time_and_marked(survey_url):
    topics = MemoryTopics()
    report = send_alerts(survey_url, topics, CHOSEN, streams=STREAMS, pace=QUICK)
    alerts = [read_alert(value) for value in topics.of("wide")]
    times = [alert["diaSource"]["midPointTai"] for alert in alerts]
    assert times == sorted(times)
    assert max(times) <= 60290
    assert report.alerts == len(alerts) == report.messages["wide"] > 40
    assert [(one,) for one in sorted(alert["alertId"] for alert in alerts)] == sent(survey_url)
    assert query(survey_url, "SELECT count(*) FROM alert_sendings") == [(0,)]
    # Nothing is left to send.
    assert send_alerts(survey_url, topics, CHOSEN, streams=STREAMS, pace=QUICK).alerts == 0


def test_an_object_in_a_deep_field_goes_to_both_its_topics(survey_url):
    query(survey_url, "UPDATE elasticc2_ppdbdiaobject SET isddf = true WHERE diaobject_id = 1726710")
    topics = MemoryTopics()
    send_alerts(survey_url, topics, Window(None, 61380.0), streams=STREAMS, pace=Pace())
    full = {alert["alertId"]: alert for alert in map(read_alert, topics.of("full"))}
    limited = {alert["alertId"]: alert for alert in map(read_alert, topics.of("limited"))}
    assert full.keys() == limited.keys()
    assert {alert["diaObject"]["diaObjectId"] for alert in full.values()} == {1726710}
    assert not full.keys() & set(numbers(topics.of("wide")))
    pinned = 172671000100
    assert (len(full[pinned]["prvDiaSources"]), len(limited[pinned]["prvDiaSources"])) == (49, 2)


def test_a_sender_that_fails_leaves_no_alert_out_and_sends_none_twice(survey_url):
    query(survey_url, "UPDATE elasticc2_ppdbdiaobject SET isddf = true WHERE diaobject_id = 1552185")
    topics = MemoryTopics()
    topics.fail_after = 37
    with pytest.raises(SendFailed):
        send_alerts(survey_url, topics, CHOSEN, streams=STREAMS, pace=QUICK)
    assert query(survey_url, "SELECT count(*) FROM alert_sendings") == [(1,)]
    topics.fail_after = None
    report = send_alerts(survey_url, topics, CHOSEN, streams=STREAMS, pace=QUICK)
    assert report.recovered == 10
    for topic in STREAMS:
        found = numbers(topics.of(topic))
        assert len(found) == len(set(found))
    assert [(one,) for one in sorted({*numbers(topics.of("wide")), *numbers(topics.of("full"))})] == sent(survey_url)
    assert set(numbers(topics.of("full"))) == set(numbers(topics.of("limited")))


@pytest.mark.kafka
@pytest.mark.parametrize("fatal", ["begun", "confirmed"])
def test_a_sender_that_is_killed_leaves_no_alert_out_and_sends_none_twice(survey_url, kafka, new_topic, fatal):
    topic = new_topic(1)
    script = Path(__file__).with_name("dying_sender.py")
    died = subprocess.run([sys.executable, script, survey_url, kafka, topic, fatal, "3"], timeout=120)
    assert died.returncode == -9
    # The batch before may not have been marked yet when the third was begun.
    marked = len(sent(survey_url))
    assert marked in ((10, 20) if fatal == "begun" else (20,))
    topics = KafkaTopics({"bootstrap.servers": kafka})
    pace = Pace(flush_every=10, confirm_seconds=1.0)
    report = send_alerts(survey_url, topics, CHOSEN, streams=AlertTopics(topic), pace=pace)
    assert report.recovered == 30 - marked
    found = numbers(topic_content(kafka, topic))
    assert [(one,) for one in sorted(found)] == sent(survey_url)
    assert report.alerts == len(found) - marked


def test_a_rate_makes_small_batches(survey_url):
    batches: list[str] = []
    pace = Pace(rate=200.0, confirm_seconds=-2.0)
    report = send_alerts(survey_url, MemoryTopics(), CHOSEN, streams=STREAMS, pace=pace, step=batches.append)
    assert pace.batch == 200
    assert batches == ["begun", "confirmed", "marked"]
    assert report.alerts == len(sent(survey_url))


def test_a_sender_can_be_stopped_between_two_batches(survey_url):
    topics = MemoryTopics()
    report = send_alerts(survey_url, topics, CHOSEN, streams=STREAMS, pace=QUICK, stop=lambda: bool(topics.messages))
    assert report.alerts == len(topics.messages) == 10


def test_there_is_one_sender(survey_url):
    with (
        psycopg.connect(conninfo(survey_url), autocommit=True) as connection,
        sole_sender(connection, "elasticc2_ppdbalert"),
        pytest.raises(SenderBusy),
    ):
        send_alerts(survey_url, MemoryTopics(), CHOSEN)


@pytest.mark.parametrize("wrong", [{"flush_every": 0}, {"rate": 0.0}, {"rate": -1.0}])
def test_a_pace_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="not"):
        Pace(**wrong)
