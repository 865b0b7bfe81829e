"""A classifier that reads alerts from Kafka and uploads its classifications over HTTP, as AMPEL does.

It classifies every alert in the same way. Its name, classes and times are those of the test double of DESC's TOM
(contract, 5.7): one PUT for each batch of alerts, by a user who has logged in with the dialogue of `tom_client.py`.
"""

from __future__ import annotations

import time
from typing import Any

import requests
from confluent_kafka import Consumer

from broker_assets.tom.survey.kafka_topics import alert_number

NAME = {
    "brokerName": "apiclassifier", "brokerVersion": "1.0", "classifierName": "AlwaysTheSame",
    "classifierParams": "0.5 111, 0.75 112",
}  # fmt: skip
SAYS = [{"classId": 111, "probability": 0.25}, {"classId": 112, "probability": 0.75}]


def logged_in(url: str, name: str, password: str) -> requests.Session:
    """A session that has logged in, and sends its token with every request."""
    session = requests.Session()
    session.get(f"{url}/accounts/login/").raise_for_status()
    form = {"username": name, "password": password, "csrfmiddlewaretoken": str(session.cookies["csrftoken"])}
    answer = session.post(f"{url}/accounts/login/", data=form)
    assert "Please enter a correct" not in answer.text
    session.headers["X-CSRFToken"] = str(session.cookies["csrftoken"])
    return session


def classify(kafka: str, topic: str, url: str, name: str, password: str, count: int, seconds: float = 60.0) -> int:
    """Upload messages about some of the alerts of a topic; return the number of requests."""
    session = logged_in(url, name, password)
    consumer = Consumer(
        {"bootstrap.servers": kafka, "group.id": f"{topic}-classifier", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    done = requests_made = 0
    deadline = time.monotonic() + seconds
    try:
        while done < count and time.monotonic() < deadline:
            received = [message for message in consumer.consume(100, 0.5) if message.error() is None]
            if received:
                documents = [_document(message) for message in received]
                answer = session.put(f"{url}/elasticc2/brokermessage/", json=documents)
                assert (answer.status_code, answer.json()["num_loaded"]) == (201, len(received)), answer.text
                assert answer.headers["location"].endswith(f"/{answer.json()['brokerMessageId']}")
                done += len(received)
                requests_made += 1
    finally:
        consumer.close()
    assert done == count
    return requests_made


def _document(message: Any) -> dict[str, Any]:
    number = alert_number(message.value())
    now = time.time() * 1000
    return {
        "alertId": number, "diaSourceId": number, "elasticcPublishTimestamp": message.timestamp()[1],
        "brokerIngestTimestamp": now, "brokerPublishTimestamp": now + 0.5, **NAME, "classifications": SAYS,
    }  # fmt: skip
