"""Alerts of the survey, reconstructed: numbers of the contract."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.database, pytest.mark.shared]


@pytest.mark.parametrize(
    ("number", "before", "forced"), [(155218500031, 22, 31), (155218500005, 5, 0), (155218500013, 13, 13)]
)
def test_the_numbers_of_the_contract(anna: Any, number: int, before: int, forced: int) -> None:
    alert = anna.post("elasticc2/getalert", json={"alertid": number}).json()
    assert (alert["alertId"], alert["diaObject"]["diaObjectId"]) == (number, 1552185)
    assert (len(alert["prvDiaSources"]), len(alert["prvDiaForcedSources"])) == (before, forced)
    assert anna.post("elasticc2/getalert", json={"sourceid": number}).json() == alert
    # If both are given, the alert wins.
    assert anna.get("elasticc2/getalert", json={"sourceid": 1, "alertid": number}).json() == alert


def test_single_precision_has_few_digits(anna: Any) -> None:
    source = anna.post("elasticc2/getalert", json={"alertid": 155218500005}).json()["diaSource"]
    assert source["psFlux"] == 4172.269
    assert (source["midPointTai"], source["filterName"], source["ra"], source["decl"]) == (
        60278.3084, "z", 62.578125, -35.501845,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"alertid": 666}, 500, "PPDBAlert matching query does not exist."),
        ({"sourceid": 666}, 500, "Unknown sourceid 666"),
        ({}, 500, "Must supply either alertid or sourceid"),
        ([1], 500, "Must supply either alertid or sourceid"),
        ({"alertid": None}, 422, "alertid must be an integer"),
        ({"alertid": 2**70}, 422, "alertid does not fit 64 bits"),
    ],
)
def test_mistakes(anna: Any, body: Any, status: int, said: str) -> None:
    answer = anna.post("elasticc2/getalert", json=body)
    assert (answer.status_code, answer.text) == (status, f"Exception in GetAlert: {said}")
