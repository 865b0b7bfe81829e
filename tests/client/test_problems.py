"""What a client is told of an error."""

from __future__ import annotations

from broker_assets.client.problems import BrokerProblem


def test_of_a_problem_document() -> None:
    document = {"type": "urn:broker-assets:problem:gone", "detail": "it is gone", "advice": "ask again", "errors": [{}]}
    found = BrokerProblem(410, document)
    assert (found.kind, str(found), found.errors) == ("gone", "it is gone (ask again)", [{}])


def test_of_an_answer_of_another_server() -> None:
    assert str(BrokerProblem(502, {})) == "status 502"
