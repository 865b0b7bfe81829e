"""The application as a whole: health, and what is not there."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.api import create_app
from broker_assets.settings import Settings

pytestmark = pytest.mark.database


def test_readiness_and_status(site: Any) -> None:
    assert site.client.get("/ready").json() == {"status": "ok"}
    status = site.client.get("/api/status").json()
    assert status["healthy"] is False
    assert any(problem.startswith("Kafka") for problem in status["problems"])
    totals = status["totals"]
    assert totals["received"] == totals["stored"] + totals["duplicate"] + totals["quarantined"]
    assert totals["stored"] == len(site.alerts)
    assert status["waiting"] == 3
    assert sum(reason["waiting"] for reason in status["quarantine"]) == 3
    assert sum(night["stored"] for night in status["nights"]) == len(site.alerts)
    states = {service["name"]: service["state"] for service in status["services"]}
    assert states == {"database": "running", "Kafka": "unavailable"}


def test_health_is_that_of_the_platform_and_says_what_is_wrong(site_with_alerts: Any) -> None:
    answer = site_with_alerts.get("/health")
    assert answer.status_code == 503
    health = answer.json()
    assert health["status"] == "problems"
    assert health["problems"] == ["sources of 2024-05-01: ledger_balances: 2 are missing"]
    assert health["notices"] == ["kafka_lag: the sensor is stopped"]
    assert health["alerts"] == 2
    site_with_alerts.get("/ready").raise_for_status()


def test_health_of_a_platform_of_which_nothing_is_wrong(healthy_site: Any) -> None:
    answer = healthy_site.get("/health")
    assert (answer.status_code, answer.json()["status"], answer.json()["problems"]) == (200, "ok", [])
    assert answer.json()["watched_at"] is not None


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/sources/1/packet", 404, "is unknown"),
        ("/api/sources/1/cutouts/science.fits", 404, "is unknown"),
        ("/api/sources/x/packet", 422, ""),
        ("/api/sources/99999999999999999999/packet", 422, ""),
        ("/api/objects/1/lightcurve", 404, "is unknown"),
        ("/api/objects/0/lightcurve", 404, "is unknown"),
        ("/api/objects/1;drop table/lightcurve", 404, "neither"),
        ("/api/objects/ZTF18abc/lightcurve", 404, "neither"),
        ("/api/objects/ZTF18abcdefg/lightcurve", 404, "is unknown"),
        ("/api/why/1", 404, "is unknown"),
        ("/api/nothing", 404, ""),
    ],
)
def test_what_is_not_there_is_said_plainly(site: Any, path: str, status: int, words: str) -> None:
    answer = site.client.get(path)
    assert answer.status_code == status
    assert words in answer.text


@pytest.mark.filterwarnings("error:Duplicate Operation ID")
def test_every_operation_of_the_interfaces_has_an_identifier_of_its_own() -> None:
    app = create_app(Settings())
    documents = [app.openapi()]
    documents += [route.app.openapi() for route in app.routes if hasattr(getattr(route, "app", None), "openapi")]  # type: ignore[attr-defined]
    assert len(documents) >= 3
    for document in documents:
        operations = [one for path in document["paths"].values() for one in path.values()]
        names = [one["operationId"] for one in operations if "operationId" in one]
        assert len(names) == len(set(names))
