"""Delivery of matches: what sinks received, its checks, and the runs that send."""

from __future__ import annotations

from dagster import Definitions

from broker_assets.assets.alerts.deliveries import build_deliveries_asset
from broker_assets.checks.delivery import build_delivery_checks
from broker_assets.jobs.deliver import build_deliver
from broker_assets.sensors.deliveries import build_deliveries
from broker_assets.settings import Settings
from broker_assets.stream.enrichment import EnrichmentPlan

MATCHES = "filter_matches"
"""Asset of the matches of filters."""


def definitions(settings: Settings, plan: EnrichmentPlan) -> Definitions:
    """Definitions of the delivery of matches."""
    deliver = build_deliver(settings)
    parents = [MATCHES] if any(table.asset == MATCHES for _, table in plan.facts) else ["objects"]
    return Definitions(
        assets=[build_deliveries_asset(parents)],
        asset_checks=build_delivery_checks(settings),
        jobs=[deliver],
        sensors=[build_deliveries(deliver)],
    )
