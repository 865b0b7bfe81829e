import datetime

import pytest

from broker_assets.tom.messages.documents import message_rows, taxonomy_names
from broker_assets.tom.messages.forms import BadMessage

SAID = {
    "alert": 7, "source": 8, "published": 1.7e12, "ingested": "2023-11-14T22:13:20Z", "broker": "B", "version": 2,
    "classifier": "C", "params": None, "classifications": [{"classId": 2222, "probability": 0.5}],
}  # fmt: skip
WHEN = datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.UTC)


def test_a_document_becomes_a_row():
    assert message_rows(SAID, {}, "{}") == [
        {
            "alert_id": 7, "diasource_id": 8, "elasticcpublishtimestamp": WHEN, "brokeringesttimestamp": WHEN,
            "brokername": "B", "brokerversion": "2", "classifiername": "C", "classifierparams": None,
            "classid": [2222], "probability": [0.5], "document": "{}",
        }
    ]  # fmt: skip


def test_in_the_first_campaigns_form_each_probability_names_its_classifier():
    items = [
        {"classifierName": name, "classifierParams": "p", "classId": number, "probability": 1}
        for name, number in (("a", 1), ("b", 2), ("a", 3))
    ]
    rows = message_rows(SAID | {"classifier": None, "classifications": items}, {}, None)
    assert [(row["classifiername"], row["classid"]) for row in rows] == [("a", [1, 3]), ("b", [2])]


def test_classes_may_have_names_of_the_taxonomy_or_of_the_broker():
    said = SAID | {"classifications": None, "probabilities": {"P(Ia)": 0.5, "SN II": 0.25, "111": 0.125}}
    (row,) = message_rows(said, {"SN II": 2224}, None)
    assert row["classid"] == [2222, 2224, 111]
    assert taxonomy_names()["ia"] == 2222


def test_without_a_detection_it_is_that_of_the_alert():
    assert message_rows(SAID | {"source": None, "alert": "155218500031"}, {}, None)[0]["diasource_id"] == 155218500031


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"alert": None}, "names no alert"),
        ({"alert": "x"}, "'x' is not the number of the alert"),
        ({"source": 2**63}, "is not the number of the detection"),
        ({"broker": ""}, "names no broker"),
        ({"classifier": None}, "names no classifier"),
        ({"classifications": None}, "has no classifications"),
        ({"classifications": "Ia"}, "is neither a table of names nor a list"),
        ({"classifications": [{"classId": 40000, "probability": 1}]}, "40000 is not the number of a class"),
        ({"classifications": [{"class": "Unheard", "probability": 1}]}, "the class 'Unheard' is neither"),
        ({"classifications": [{"classId": 1, "probability": "much"}]}, "'much' is not a probability"),
        ({"classifications": [{"classId": 1}]}, "None is not a probability"),
        ({"published": "soon"}, "'soon' is not a time"),
        ({"published": 1e300}, "is not a time in milliseconds"),
        ({"published": [1]}, "is not a time in milliseconds"),
    ],
)
def test_what_cannot_be_stored_is_refused(changes, reason):
    with pytest.raises(BadMessage, match=reason):
        message_rows(SAID | changes, {}, None)
