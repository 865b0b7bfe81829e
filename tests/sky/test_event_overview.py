"""What is shown of events with cones: their hits, and the notices behind them."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from event_notices import einstein_probe, icecube

from broker_assets.settings import MovingListSettings
from broker_assets.sky.event_notices import read_event_notice
from broker_assets.sky.event_overview import events, received
from broker_assets.sky.moving_lists import apply_event_notice

pytestmark = pytest.mark.database


def test_events_by_list_with_their_hits_and_notices(connection: psycopg.Connection[Any]) -> None:
    lists = {name: MovingListSettings(name=name, topics=(name,), days_after=20_000) for name in ("X-ray", "neutrinos")}
    for name, content in (("X-ray", einstein_probe()), ("neutrinos", icecube(1)), ("neutrinos", icecube(2, "update"))):
        apply_event_notice(connection, read_event_notice(content), lists[name], topic=name)
    connection.execute(
        "INSERT INTO watchlist_hits (diaobjectid, cone_id, wl_id, arcsec)"
        " SELECT number, cone_id, wl_id, 1 FROM notice_events, generate_series(1, 3) AS number WHERE stream = 'X-ray'"
    )
    assert {row["stream"]: row["hits"] for row in events(connection)} == {"X-ray": 3, "neutrinos": 0}
    assert [row["kind"] for row in events(connection, stream="NEUTRINOS", ended=True)] == ["update", "initial"]
    assert len(events(connection, ended=True, limit=2)) == 2
    assert [row["number"] for row in received(connection, "141234_7654321")] == [1, 2]
    assert received(connection, "nothing") == []
