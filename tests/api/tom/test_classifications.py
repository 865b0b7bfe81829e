"""Classes, classifiers, and the upload of classifications in the form that AMPEL sends."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from broker_assets.database import engine

pytestmark = pytest.mark.database

MESSAGE: dict[str, Any] = {
    "alertId": 155218500031,
    "diaSourceId": 155218500031,
    "elasticcPublishTimestamp": 1700000000123,
    "brokerIngestTimestamp": 1700000000123.5,
    "brokerName": "AMPEL",
    "brokerVersion": "v0.8",
    "classifierName": "snn",
    "classifierParams": "1",
    "classifications": [{"classId": 2222, "probability": 0.75}, {"classId": 200, "probability": 0.25}],
}


@pytest.fixture
def broker(own_site: str, log_in: Any) -> Any:
    return log_in(own_site, "apibroker")


def test_the_dialogue_of_ampel(broker: Any, database_url: str) -> None:
    messages = [MESSAGE, {**MESSAGE, "classifierName": "other"}]
    answer = broker.put("elasticc2/brokermessage/", json=messages)
    assert answer.status_code == 201
    first = answer.json()["brokerMessageId"]
    assert answer.json() == {"brokerMessageId": first, "num_loaded": 2, "num_known": 0}
    assert answer.headers["Location"] == f"{broker.url}/elasticc2/brokermessage/{first}"
    # After a lost answer AMPEL sends the same again: the answer is another success, and nothing is stored twice.
    again = broker.put("elasticc2/brokermessage/?x=1", json=messages)
    assert (again.status_code, again.json()) == (201, {"brokerMessageId": first, "num_loaded": 0, "num_known": 2})
    assert again.headers["Location"] == answer.headers["Location"]
    with engine.connect(database_url) as connection:
        stored = connection.execute(
            "SELECT topicname, streammessage_id, alert_id, msghdrtimestamp, classid, probability"
            " FROM elasticc2_brokermessage ORDER BY brokermessage_id"
        ).fetchall()
        assert stored == [("REST_push", -1, 155218500031, None, [2222, 200], [0.75, 0.25])] * 2
        listed = connection.execute("SELECT diasource_id FROM elasticc2_brokersourceids").fetchall()
        assert listed == [(155218500031,)]
    # Known, but with other content: the first is kept, and the broker learns it.
    corrected = {**MESSAGE, "classifications": [{"classId": 2223, "probability": 1.0}]}
    answer = broker.put("elasticc2/brokermessage/", json=[corrected, messages[1]])
    assert answer.json() == {"brokerMessageId": first, "num_loaded": 0, "num_known": 2, "num_differing": 1}
    over = broker.put("elasticc/brokermessage/", json=messages)
    assert (over.status_code, over.text) == (403, "ELAsTiCC is over, posting classifications is disabled.")
    for path in ("brokermessage", "brokermessage/7/", "brokermessage/a/b/"):
        assert broker.put(f"elasticc2/{path}", json=MESSAGE).status_code == 201


def test_uploads_at_once_store_each_message_once(broker: Any, database_url: str, log_in: Any) -> None:
    messages = [{**MESSAGE, "alertId": number, "classifierName": f"c{number % 3}"} for number in range(60)]
    root = log_in(broker.url, "root")

    def put(place: int) -> int:
        client = broker if place % 2 else root
        answer = client.put("elasticc2/brokermessage/", json=messages if place % 3 else messages[::-1])
        assert answer.status_code == 201, answer.text
        return int(answer.json()["num_loaded"])

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(put, range(6))) == 60
    with engine.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM elasticc2_brokermessage").fetchall() == [(60,)]
        assert connection.execute("SELECT count(*) FROM elasticc2_brokerclassifier").fetchall() == [(3,)]


def test_bad_uploads_store_nothing(broker: Any, database_url: str) -> None:
    for body in (b"[]", b"{", b"5", b'[{"alertId": 1}]', b"\xff"):
        answer = broker.put("elasticc2/brokermessage/", data=body)
        assert answer.status_code == 422
        assert answer.headers["content-type"].startswith("text/plain")
    good_and_bad = [MESSAGE, {**MESSAGE, "classifications": [{"classId": 40_000, "probability": 1}]}]
    answer = broker.put("elasticc2/brokermessage/", json=good_and_bad)
    assert (answer.status_code, answer.text) == (422, "message 1: classId 40000 does not fit 16 bits")
    with engine.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM elasticc2_brokermessage").fetchall() == [(0,)]


def test_stored_messages_can_be_read(broker: Any) -> None:
    first = broker.put("elasticc2/brokermessage/", json=MESSAGE).json()["brokerMessageId"]
    one = broker.get(f"elasticc2/brokermessage/{first}/").json()
    assert one["classifications"] == [
        {"classifierName": "snn", "classifierParams": "1", "classId": 2222, "probability": 0.75},
        {"classifierName": "snn", "classifierParams": "1", "classId": 200, "probability": 0.25},
    ]
    assert (one["elasticcPublishTimestamp"], one["msgHdrTimestamp"]) == (1700000000123, None)
    assert broker.get("elasticc2/brokermessage/999/").json() == {}
    page = broker.get("elasticc2/brokermessage/alertid=1,155218500031/").json()
    assert page == {"offset": 0, "num": 100, "totalcount": 1, "count": 1, "brokermessages": [one]}
    page = broker.get("elasticc2/brokermessage/sourceid=155218500031/?offset=1&num=5").json()
    assert (page["totalcount"], page["count"], page["num"]) == (1, 0, 5)
    assert broker.get("elasticc2/brokermessage/objectid=5/").json()["totalcount"] == 0
    answer = broker.get("elasticc2/brokermessage/foo=1/")
    assert (answer.status_code, answer.text) == (422, 'Can\'t parse argument string "foo=1".')


def test_without_classifiers_there_are_none(broker: Any) -> None:
    assert broker.get("elasticc2/classifiers_json").json() == {}
    assert "Nothing is stored here yet" in broker.get("elasticc2/classifiers").text
    classes = broker.post("elasticc2/classids").json()
    assert len(classes) == 42
    assert list(classes) == sorted(classes, key=int)
    assert classes["2222"] == {
        "exactmatch": True, "categorymatch": True, "broadmatch": True, "generalmatch": True, "description": "Ia",
        "gentype": [10],
    }  # fmt: skip
    assert classes["2326"]["gentype"] == []
