"""From an alert on a topic to the message of a filter, and its whole path back; nothing is sent twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from delivery_peers import receiver
from delivery_peers import settings as delivery
from platform_in_process import platform, survey
from queued_messages import add_sink, queue
from stored_filters import enabled

from broker_assets.database.engine import connect
from broker_assets.monitoring.notification_path import as_document, notification_path
from broker_assets.packets.kafka_place import kafka_place

__all__ = ["platform", "survey"]

pytestmark = [pytest.mark.database, pytest.mark.slow]


def test_the_path_of_a_message_and_no_second_one(platform: Any, survey: Callable[..., Any]) -> None:
    platform.settings = platform.settings.model_copy(update={"delivery": delivery()})
    platform.reload()
    with receiver() as hook, connect(platform.database.url, autocommit=True) as connection:
        number = enabled(connection, "SELECT diaObjectId, nDiaSources FROM objects WHERE nDiaSources >= 2", "bright")
        sink = add_sink(connection, filterid=number, target=hook.url(), format="lite")
        platform.append(list(survey(objects=3, visits=3).packets()))
        platform.drain()
        assert len(hook.accepted) == 6, "the drain run sends what it queued: two alerts of three objects"
        records = [match["record"] for one in hook.accepted for match in one.document["matches"]]
        assert {tuple(record) for record in records} == {("diaObjectId", "nDiaSources", "UTC", "alert")}
        assert {len(record["alert"]["diaSourcesList"]) for record in records} == {2, 3}
        row = connection.execute(
            "SELECT deliveryid, diaobjectid, diasourceid FROM deliveries ORDER BY deliveryid LIMIT 1"
        ).fetchone()
        assert row is not None
        lines = notification_path(connection, row[0], kafka_place)
        found: dict[str, str] = {}
        for name, text in lines:
            found.setdefault(name, text)
        offset = found["packet"].partition("offset ")[2].partition(";")[0]
        assert found["packet"] == f"topic rubin-alerts, partition 0, offset {offset}; source {row[2]}"
        assert 0 <= int(offset) < 9
        assert found["light curve"].startswith("2 sources up to that night, from 1 batches")
        assert found["filter"] == f"bright of ann: {number}, version 1"
        assert "nDiaSources >= 2" in found["definition"]
        assert any("filter_matches" in text for _, text in lines)
        assert found["sink"] == f"{sink}: webhook {hook.url()}, lite"
        assert "status 200" in found["receipt"]
        assert '"receipt"' in as_document(lines)

        # The night is delivered: whatever computes its matches again sends nothing.
        connection.execute("UPDATE ingest_batch_facts SET version = 'older code'")
        nights = [night for (night,) in connection.execute("SELECT DISTINCT night::text FROM deliveries ORDER BY 1")]
        for night in nights:
            assert platform.make("filter_matches", night=night).success
        assert connection.execute("SELECT count(*) FROM filter_matches").fetchone() == (6,)
        assert connection.execute("SELECT count(*) FROM deliveries").fetchone() == (6,)
        assert len(hook.accepted) == 6


def test_what_is_not_known_any_more_says_so(platform: Any) -> None:
    with connect(platform.database.url, autocommit=True) as connection:
        add_sink(connection)
        queue(connection, [7])
        (number,) = connection.execute("SELECT deliveryid FROM deliveries").fetchone() or (0,)
        found = dict(notification_path(connection, number, kafka_place))
        assert "no longer known" in found["packet"]
        assert "no longer known" in found["filter"]
        assert found["receipt"] == "none yet"
        with pytest.raises(LookupError, match="no message 99"):
            notification_path(connection, 99, kafka_place)
