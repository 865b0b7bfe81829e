"""Assets that are overdue by their freshness policy."""

from __future__ import annotations

from collections.abc import Iterable

from dagster import AssetKey, DagsterInstance

from broker_assets.monitoring.alerts import Alert, Cause
from broker_assets.sensors.watch.findings import Findings, Links


def read_freshness(instance: DagsterInstance, links: Links, assets: Iterable[AssetKey]) -> Findings:
    """Assets that are overdue, and those that are not."""
    found = Findings()
    for key, record in instance.get_freshness_state_records(list(assets)).items():
        asset = key.to_user_string()
        cause = Cause("freshness", asset)
        if record.freshness_state.value == "FAIL":
            what = "overdue: not updated within the limit of its freshness policy"
            step = "look for failed runs and for a stopped sensor or schedule on the page of the asset"
            found.alerts.append(Alert(cause, what, "error", what, step, links.asset(asset)))
        elif record.freshness_state.value == "PASS":
            found.ended[cause] = "the asset is fresh"
    return found
