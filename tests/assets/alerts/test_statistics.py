"""The asset of statistics over a drained night."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.lightcurves.statistics import STATISTICS_VERSION
from broker_assets.packets.kafka_place import kafka_place
from broker_assets.provenance import versions
from broker_assets.provenance.why import why

pytestmark = pytest.mark.database

FIRST, SECOND = "2025-11-20", "2025-11-21"


def stale(connection: psycopg.Connection[Any]) -> set[str]:
    return {item.partition for item in versions.stale(connection, asset="object_statistics")}


def test_statistics_of_a_night(platform: Any, survey: Callable[..., Any]) -> None:
    platform.append(list(survey(objects=5, visits=4).packets()))
    platform.drain()
    result = platform.make("object_statistics", night=SECOND)
    assert platform.checks(result)["object_statistics", "statistics_in_range", SECOND]
    event = platform.materialisations("object_statistics")[0].asset_materialization
    assert event.metadata["objects"].value == 5
    rows = platform.query("SELECT npoints, ndetections FROM object_statistics WHERE band = 'all'")
    assert rows == [(4, 4)] * 5
    assert event.metadata["dagster/row_count"].value == len(platform.query("SELECT FROM object_statistics"))
    assert "plot" in event.metadata
    with engine.connect(platform.settings.database.url or platform.database.url) as connection:
        [found, *_] = why(connection, "object_statistics", {"diaobjectid": 1}, kafka_place)
        assert found.missing == ()
        assert found.packet is not None
        assert found.packet.night.isoformat() == SECOND
        assert found.computed is not None
        assert found.computed.code_version == STATISTICS_VERSION
        assert set(found.computed.inputs) == {f"sources:{SECOND}", f"forced_sources:{SECOND}"}
        assert stale(connection) == set()
    version = platform.versions("object_statistics")
    platform.make("object_statistics", night=SECOND)
    assert platform.versions("object_statistics") == version
    platform.append(list(survey(objects=5, visits=4, first_object=100).packets()))
    platform.drain()
    with engine.connect(platform.database.url) as connection:
        assert stale(connection) == {SECOND}
        versions.deploy(connection, {"object_statistics": "another"})
        assert stale(connection) == {SECOND}


def test_a_night_without_alerts_has_none(platform: Any) -> None:
    platform.make("object_statistics", night=FIRST)
    assert platform.query("SELECT count(*) FROM object_statistics") == [(0,)]
