"""Findings of several looks, and links."""

from __future__ import annotations

from broker_assets.monitoring.alerts import Alert, Cause
from broker_assets.sensors.watch.findings import Findings, Links


def test_findings_of_several_looks() -> None:
    one, two = Cause("check", "sources", "", "balances"), Cause("run", "drain")
    together = Findings.together([Findings([Alert(one, "fails")]), Findings(ended={two: "it works"})])
    assert [alert.cause for alert in together.alerts] == [one]
    assert together.ended == {two: "it works"}


def test_links_lead_to_the_pages_of_dagster() -> None:
    links = Links("https://dagster.example.org/")
    assert links.backfill("abcdefgh").endswith("(https://dagster.example.org/runs/b/abcdefgh)")
    assert links.instigator("sensor", "kafka_lag", "__repository__", "broker_assets").endswith(
        "/locations/__repository__@broker_assets/sensors/kafka_lag)"
    )
    assert links.asset("sources").endswith("/assets/sources)")
    assert links.check("alert_stream/a b", "c", "2024-05-01").endswith(
        "/assets/alert_stream/a%20b?view=checks&checkDetail=c&partition=2024-05-01)"
    )
