"""`annotate` and `annotatelist` by Lasair's own client, and in the form of AMPEL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from lasair import LasairError, lasair_client
from longest_history import longest

from broker_assets.annotations.annotators import AnnotatorChange, add_annotator, change_annotator, remove_annotator
from broker_assets.database import engine

pytestmark = pytest.mark.database


@pytest.fixture
def identifier(site: Any) -> int:
    return int(site.record(longest(site.alerts))["diaObject"]["diaObjectId"])


@pytest.fixture(autouse=True)
def annotators(filled_database_url: str) -> Iterator[None]:
    with engine.connect(filled_database_url, autocommit=True) as connection:
        for topic, owner in (("finder", "ann"), ("other", "bob"), ("asleep", "ann")):
            add_annotator(connection, topic, owner, public=True)
        change_annotator(connection, "asleep", AnnotatorChange(active=False))
        yield
        for topic in ("finder", "other", "asleep"):
            remove_annotator(connection, topic)


def test_an_annotation_by_the_client_is_seen_at_once(client: Any, identifier: int) -> None:
    said = {"version": "1.0", "explanation": "fast", "classdict": {"p": 0.9}, "url": "https://x.example/"}
    answer = client.annotate("finder", identifier, "SN", **said)
    assert answer["status"] == "success"
    assert answer["annotation_topic"] == "fast_annotations"
    assert json.loads(answer["message"]) == {
        "diaObjectId": str(identifier), "topic": "finder", "classification": "SN", **said,
        "classdict": json.dumps(said["classdict"]),
    }  # fmt: skip
    [row] = client.object(identifier)["lasairData"]["annotations"]
    assert (row["topic"], row["classification"], row["version"], row["explanation"]) == ("finder", "SN", "1.0", "fast")
    assert row["classdict"] == {"p": 0.9}
    client.annotate("finder", identifier, "AGN")
    [row] = client.object(identifier)["lasairData"]["annotations"]
    assert row["classification"] == "AGN"
    found = client.query("objects.diaObjectId, finder.classification", "objects, annotator:finder", "")
    assert [str(one["diaObjectId"]) for one in found] == [str(identifier)]


@pytest.mark.parametrize(
    ("topic", "says"), [("nobody", "nobody"), ("other", "ann does not own"), ("asleep", "not active")]
)
def test_annotators_that_may_not(client: Any, identifier: int, topic: str, says: str) -> None:
    with pytest.raises(LasairError) as refused:
        client.annotate(topic, identifier, "SN")
    assert "Bad Request" in refused.value.message
    assert says in refused.value.message
    assert topic in refused.value.message


def test_a_list_stops_at_the_first_that_is_refused(client: Any, identifier: int, site: Any) -> None:
    found = (site.record(alert)["diaObject"] for alert in site.alerts)
    every = sorted({int(one["diaObjectId"]) for one in found if one})[:3]
    said = [{"topic": "finder", "objectId": str(one), "classification": "CV"} for one in every]
    assert client.annotate_list(said)["n"] == 3
    said = [{**one, "classification": "AGN"} for one in said]
    said[1]["objectId"] = "12345"
    with pytest.raises(LasairError, match="annotation 2 of 3"):
        client.annotate_list(said)
    classes = [client.object(one)["lasairData"]["annotations"][0]["classification"] for one in every]
    assert classes == ["AGN", "CV", "CV"]


def test_a_token_that_reads_does_not_write(site: Any, new_token: Any, identifier: int) -> None:
    form = {"topic": "finder", "objectId": identifier, "classification": "SN"}
    header = {"Authorization": f"Token {new_token('ann', 'read')}"}
    answer = httpx.post(f"{site.url}/api/annotate/", data=form, headers=header)
    assert answer.status_code == 403
    assert "may only read" in answer.json()["detail"]
    assert httpx.get(f"{site.url}/api/annotate/", headers=header).status_code == 405


@pytest.mark.parametrize(
    "wrong",
    [
        {"classification": ""},
        {"classdict": "{"},
        {"classdict": "[1]"},
        {"objectId": "x"},
        {"url": "javascript:x"},
        {"explanation": "x" * 2000},
    ],
)
def test_an_annotation_that_cannot_be(site: Any, new_token: Any, identifier: int, wrong: dict[str, Any]) -> None:
    form = {"topic": "finder", "objectId": identifier, "classification": "SN"} | wrong
    header = {"Authorization": f"Token {new_token('ann')}"}
    answer = httpx.post(f"{site.url}/api/annotate/", data=form, headers=header)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_numbers_of_a_json_document_are_texts(site: Any, new_token: Any, identifier: int) -> None:
    header = {"Authorization": f"Token {new_token('ann')}"}
    said = {"topic": "finder", "objectId": identifier, "classification": 7, "version": 0.1, "classdict": {"p": 1}}
    answer = httpx.post(f"{site.url}/api/annotate/", json=said, headers=header)
    assert answer.status_code == 200, answer.text
    [row] = httpx.post(f"{site.url}/api/object/", json={"objectId": identifier, "lite": True}, headers=header).json()[
        "lasairData"
    ]["annotations"]
    assert (row["classification"], row["version"], row["classdict"]) == ("7", "0.1", {"p": 1})
    answer = httpx.post(f"{site.url}/api/object/", json={"objectId": True}, headers=header)
    assert (answer.status_code, list(answer.json())) == (400, ["objectId"])


def test_the_dialogue_of_ampel(site: Any, new_token: Any, identifier: int) -> None:
    client = lasair_client(new_token("ann"), endpoint=f"{site.url}/api")
    assert client.object(identifier, lite=True)
    answer = client.annotate("finder", str(identifier), "kilonova", version="0.1", classdict={"a": [1, None]}, url="")
    assert answer["status"] == "success"
