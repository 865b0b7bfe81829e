import numpy as np
import pytest

from broker_assets.tom.messages.datums import read_datums
from broker_assets.tom.survey.encoding import varint
from broker_assets.tom.survey.fake_broker import RANDOM_CLASSES, REST_CLASS, ReceivedAlert, answers, run_fake_broker
from broker_assets.tom.survey.kafka_topics import KafkaTopics, Outgoing


def test_each_alert_has_a_sure_answer_and_a_random_one():
    alerts = [ReceivedAlert(5, 5, 1_700_000_000_000), ReceivedAlert(6, 6, 1_700_000_000_001)]
    rows = read_datums(answers(alerts, 1_700_000_000_005, np.random.default_rng(1))).rows.to_pylist()
    assert [(row["alert_id"], row["classifiername"], row["classifierparams"], len(row["classid"])) for row in rows] == [
        (5, "NugentClassifier", "100%", 1), (5, "RandomSNType", "Perfect", 20),
        (6, "NugentClassifier", "100%", 1), (6, "RandomSNType", "Perfect", 20),
    ]  # fmt: skip
    assert (rows[0]["classid"], rows[0]["probability"]) == ([2222], [1.0])
    drawn = rows[1]
    assert sorted(drawn["classid"][:-1]) == sorted(RANDOM_CLASSES)
    assert drawn["classid"][-1] == REST_CLASS
    assert min(drawn["probability"]) >= 0
    assert sum(drawn["probability"]) == pytest.approx(1.0, abs=1e-5)
    assert drawn["classid"] != rows[3]["classid"]


@pytest.mark.kafka
def test_alerts_of_topics_that_come_later_are_answered_once(kafka, new_topic):
    target = new_topic(1)
    topics = KafkaTopics({"bootstrap.servers": kafka})
    source = f"{target}-alerts"
    looks = 0

    def stop():
        nonlocal looks
        looks += 1
        if looks == 2:
            topics.send([Outgoing(source, b""), *(Outgoing(source, varint(number)) for number in range(7))])
        return topics.seen({target: {}})[target] == set(range(7))

    done = run_fake_broker({"bootstrap.servers": kafka}, [source, f"{source}-never"], target, group=target, stop=stop)
    assert done == (7, 14, 1, (f"{source}-never",))
    again = run_fake_broker({"bootstrap.servers": kafka}, [source], target, group=target, idle_seconds=1.0)
    assert again == (0, 0, 0, ())
