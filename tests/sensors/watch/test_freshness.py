"""Assets that are overdue."""

from __future__ import annotations

import time

import pytest
from dagster import AssetKey
from dagster_private import FreshnessState, FreshnessStateChange
from operator_mailbox import Operator

from broker_assets.sensors.alerting import Watched

pytestmark = pytest.mark.database


def test_overdue_asset(operator: Operator) -> None:
    key = AssetKey("sources")
    operator.watched = Watched(overdue=(key,))
    assert operator.told() == []
    what = "sources: overdue: not updated within the limit of its freshness policy"
    for state, subjects in [
        (FreshnessState.FAIL, [f"error: {what}"]),
        (FreshnessState.WARN, []),
        (FreshnessState.UNKNOWN, []),
        (FreshnessState.PASS, [f"resolved: {what}"]),
    ]:
        change = FreshnessStateChange(
            key=key, new_state=state, previous_state=state, state_change_timestamp=time.time()
        )
        operator.instance.report_runless_asset_event(change)
        assert operator.told() == subjects
