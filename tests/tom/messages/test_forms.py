"""Uploaded messages are read as AMPEL sends them, and bad ones are named."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from broker_assets.tom.messages.forms import BadMessage, uploaded
from broker_assets.tom.messages.storing import MESSAGES

GOOD: dict[str, Any] = {
    "alertId": 155218500031,
    "diaSourceId": 155218500031,
    "elasticcPublishTimestamp": 1700000000123,
    "brokerIngestTimestamp": 1700000000123.5,
    "brokerName": "AMPEL",
    "brokerVersion": None,
    "classifierName": "snn",
    "classifierParams": "v1",
    "classifications": [{"classId": 2222, "probability": 0.25, "more": 1}, {"classId": 200, "probability": 1}],
}


def test_one_or_several_messages() -> None:
    table = uploaded([GOOD, {**GOOD, "brokerPublishTimestamp": 0, "classifications": []}])
    assert table.schema == MESSAGES
    assert table["classid"].to_pylist() == [[2222, 200], []]
    assert table["probability"].to_pylist() == [[0.25, 1.0], []]
    assert table["brokeringesttimestamp"].to_pylist()[0] == datetime.datetime(
        2023, 11, 14, 22, 13, 20, 123500, tzinfo=datetime.UTC
    )
    assert table["msghdrtimestamp"].to_pylist() == [None, datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)]
    assert uploaded(GOOD).num_rows == 1
    # The schema of the campaign allows it.
    assert uploaded({**GOOD, "brokerIngestTimestamp": None})["brokeringesttimestamp"].to_pylist() == [None]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"alertId": None}, "alertId must be an integer"),
        ({"alertId": True}, "alertId must be an integer"),
        ({"diaSourceId": 2**63}, "does not fit 64 bits"),
        ({"elasticcPublishTimestamp": None}, "milliseconds since 1970"),
        ({"brokerIngestTimestamp": "now"}, "milliseconds since 1970"),
        ({"brokerIngestTimestamp": 1e300}, "is not a time"),
        ({"brokerIngestTimestamp": float("nan")}, "is not a time"),
        ({"brokerName": None}, "brokerName must be a text"),
        ({"brokerName": "x" * 101}, "longer than 100"),
        ({"classifierName": "x" * 201}, "longer than 200"),
        ({"classifierParams": "a\x00"}, "cannot be stored"),
        ({"classifications": None}, "must be a list"),
        ({"classifications": ["x"]}, "must have classId and probability"),
        ({"classifications": [{"classId": 32768, "probability": 1}]}, "does not fit 16 bits"),
        ({"classifications": [{"classId": 1, "probability": "1"}]}, "not a number"),
        ({"classifications": [{"classId": 1, "probability": float("nan")}]}, "not finite"),
    ],
)
def test_bad_messages_are_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadMessage, match=f"message 1.*{said}"):
        uploaded([GOOD, {**GOOD, **change}])


def test_missing_keys_are_named() -> None:
    for name in GOOD:
        with pytest.raises(BadMessage, match=f"message 0 has no {name}"):
            uploaded({key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize("documents", [[], "text", 5, None, [5]])
def test_other_bodies_are_refused(documents: Any) -> None:
    with pytest.raises(BadMessage):
        uploaded(documents)
