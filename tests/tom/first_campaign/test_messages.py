"""Messages of the first campaign are documents with the classifications of all their classifiers."""

from __future__ import annotations

from typing import Any

import first_campaign as campaign
import psycopg
import pytest

from broker_assets.tom.first_campaign.messages import read_first_messages
from broker_assets.tom.messages.reading import question_of

pytestmark = pytest.mark.database


def test_a_message_has_all_its_classifications(connection: psycopg.Connection[Any]) -> None:
    one = read_first_messages(connection, question_of("1", {}))
    assert one["classifications"][:2] == [
        {"classId": 111, "probability": 0.12, "classifierName": "c1", "classifierParams": None},
        {"classId": 112, "probability": 0.88, "classifierName": "c1", "classifierParams": None},
    ]
    assert len(one["classifications"]) == 4
    assert (one["brokerName"], one["brokerVersion"], one["alertId"]) == ("Broker", "v1", 100)
    assert one["elasticcPublishTimestamp"] == round(campaign.SENT.timestamp() * 1000)
    assert read_first_messages(connection, question_of("99", {})) == {}


def test_messages_are_found_by_alert_detection_and_object(connection: psycopg.Connection[Any]) -> None:
    for question, numbers in (
        ("alertid=100,204", [1, 10]),
        ("sourceid=301/offset=0/", [12]),
        ("objectid=2", [6, 7, 8, 9, 10]),
    ):
        page = read_first_messages(connection, question_of(question, {}))
        assert [one["brokerMessageId"] for one in page["brokermessages"]] == numbers
        assert (page["totalcount"], page["count"]) == (len(numbers), len(numbers))
    page = read_first_messages(connection, question_of("objectid=2/offset=3/num=1", {}))
    assert (page["totalcount"], page["count"], page["brokermessages"][0]["brokerMessageId"]) == (5, 1, 9)
