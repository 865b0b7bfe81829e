"""Assets that were overdue: those that are first, then those of the last days."""

from __future__ import annotations

import pytest

from broker_assets.database import engine
from broker_assets.monitoring.freshness import misses

pytestmark = pytest.mark.database


def test_what_is_overdue_comes_first_and_old_ones_are_left_out(database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        for number, (kind, asset, ended) in enumerate(
            (("freshness", "ended", 2), ("freshness", "old", 40), ("canary", "now", None), ("check", "other", None))
        ):
            connection.execute(
                "INSERT INTO notification (fingerprint, subject, cause, kind, asset, count, first_at, ended_at)"
                " VALUES (%s, 'too late', '', %s, %s, 3, now() - interval '50 days', now() - %s * interval '1 day')",
                (str(number), kind, asset, ended),
            )
        assert [(miss.asset, miss.until is None, miss.count) for miss in misses(connection)] == [
            ("now", True, 3), ("ended", False, 3),
        ]  # fmt: skip
        assert {miss.what for miss in misses(connection)} == {"too late"}
        connection.execute("UPDATE notification SET detail = 'fresh' WHERE asset = 'other'")
        assert [miss.asset for miss in misses(connection)] == ["other", "now", "ended"], "a promise of telemetry"
        connection.execute("DELETE FROM notification WHERE asset = 'other'")
        assert [miss.asset for miss in misses(connection, days=60)] == ["now", "ended", "old"]
