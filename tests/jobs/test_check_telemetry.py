"""All checks of telemetry in one run."""

from __future__ import annotations

import datetime

import pytest
from telemetry_watch import Watch, watch

__all__ = ["watch"]


pytestmark = pytest.mark.database


NOW = datetime.datetime.now(datetime.UTC)


def test_every_check_is_evaluated_in_one_run(watch: Watch) -> None:
    checks = watch.run()
    assert all(checks.values())
    defined = {
        key.to_user_string().replace(":", "/") for key in watch.definitions.resolve_asset_graph().asset_check_keys
    }
    assert set(checks) == defined
    assert "published_files/receipts_hold" in checks
    assert watch.tick() == []


def test_what_fails_is_told_once_and_again_after_it_was_well(watch: Watch) -> None:
    watch.records.file("old.xml", seen=5)
    assert [name for name, passed in watch.run().items() if not passed] == ["telemetry_register/backlog"]
    (told,) = watch.tick()
    assert told.startswith("error: telemetry_register: backlog: 1 telemetry file waits, the oldest for 5.")
    watch.run()
    assert watch.tick() == []
    watch.records.execute("UPDATE telemetry_file SET state = 'gone'")
    watch.run()
    (told,) = watch.tick()
    assert told.startswith("resolved: telemetry_register: backlog")
    watch.records.execute("UPDATE telemetry_file SET state = 'new'")
    watch.run()
    (told,) = watch.tick()
    assert told.startswith("error: telemetry_register: backlog")
