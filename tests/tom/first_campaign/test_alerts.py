"""Alerts of the first campaign have the history that its rule gives."""

from __future__ import annotations

from typing import Any

import first_campaign as campaign
import psycopg
import pytest

from broker_assets.tom.first_campaign.alerts import alert_documents

pytestmark = pytest.mark.database


def test_the_history_of_an_alert(connection: psycopg.Connection[Any]) -> None:
    first, second, fifth = alert_documents(connection, [200, 201, 204])
    assert list(first) == [
        "alertId", "diaSource", "prvDiaSources", "prvDiaForcedSources", "prvDiaNonDetectionLimits", "diaObject",
        "cutoutDifference", "cutoutTemplate",
    ]  # fmt: skip
    assert (first["prvDiaSources"], first["prvDiaForcedSources"], first["cutoutTemplate"]) == ([], [], None)
    # Half a day after the first detection there is no forced photometry yet.
    assert [one["diaSourceId"] for one in second["prvDiaSources"]] == [200]
    assert second["prvDiaForcedSources"] == []
    assert [one["diaSourceId"] for one in fifth["prvDiaSources"]] == [200, 201, 202, 203]
    times = [one["midPointTai"] - campaign.PEAK for one in fifth["prvDiaForcedSources"]]
    assert times == [-50.0, -26.0, -25.75, -3.0, 12.0]
    assert fifth["diaSource"] == campaign.source(2, 4) | {"parentDiaSourceId": None}
    assert len(fifth["diaObject"]) == 74
    assert fifth["diaObject"]["hostgal_mag_Y"] == 20.5


def test_alerts_come_in_the_order_asked_for_and_unknown_ones_are_left_out(connection: psycopg.Connection[Any]) -> None:
    assert [one["alertId"] for one in alert_documents(connection, [304, 7, 100])] == [304, 100]
    assert alert_documents(connection, []) == []
