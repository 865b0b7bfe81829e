"""Open alerts, errors first; closed by hand; when somebody last looked for them."""

from __future__ import annotations

import pytest

from broker_assets.database.engine import connect
from broker_assets.monitoring.alerts import Alert, Cause, close, last_watch, open_alerts
from broker_assets.resources.database import Database
from broker_assets.resources.notifier import Notifier

pytestmark = pytest.mark.database

NIGHT = Cause("check", "sources", "2024-05-01", "balances")
JOB = Cause("run", "maintenance", "", "maintenance")


def test_causes_differ_by_kind_asset_partition_and_detail() -> None:
    alike = [
        NIGHT,
        Cause("run", "sources", "2024-05-01"),
        Cause("check", "objects", "2024-05-01", "balances"),
        Cause("check", "sources", "2024-05-02", "balances"),
        Cause("check", "sources", "2024-05-01", "fresh"),
        Cause("check", "sources", "", "balances"),
    ]
    assert len({cause.fingerprint for cause in alike}) == len(alike)


def test_what_is_open_and_what_is_closed_by_hand(database_url: str) -> None:
    notifier = Notifier(Database(database_url))
    notifier.record([Alert(JOB, "late", "warning"), Alert(NIGHT, "2 are missing", link="[page](http://host/page)")])
    with connect(database_url, autocommit=True) as connection:
        first, second = open_alerts(connection)
        assert (first.cause, first.severity, first.link) == (NIGHT, "error", "http://host/page")
        assert (second.cause, second.severity, second.link) == (JOB, "warning", "")
        assert close(connection, [first.number], "night 2024-05-01 is not rebuilt") == 1
        assert [alert.cause for alert in open_alerts(connection)] == [JOB]
        ended = connection.execute("SELECT ended_by FROM notification WHERE ended_at IS NOT NULL").fetchall()
        assert ended == [("night 2024-05-01 is not rebuilt",)]


@pytest.mark.parametrize("number", ["", "zz"])
def test_number_of_no_single_alert_is_refused(database_url: str, number: str) -> None:
    Notifier(Database(database_url)).record([Alert(NIGHT, "2 are missing")])
    with connect(database_url) as connection, pytest.raises(LookupError, match="not the numbers of open alerts"):
        close(connection, [number], "note")


def test_nobody_has_looked_yet(database_url: str) -> None:
    with connect(database_url) as connection:
        assert last_watch(connection) is None
