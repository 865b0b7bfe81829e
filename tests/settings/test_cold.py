"""Settings of the cold store."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker_assets.settings import Settings
from broker_assets.settings.cold import ColdSettings


def test_nothing_leaves_by_itself_unless_it_is_asked_for() -> None:
    found = ColdSettings()
    assert (found.nightly, found.detach) == (False, False)
    # Packets repeat the points of a year, which must be in the database when they are compared.
    assert found.hot_months >= 13


def test_folders_follow_from_home(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings(home=Path("/state")).warehouse == "file:///state/cold"
    assert Settings(home=Path("/state")).hats == "file:///state/hats"
    monkeypatch.setenv("BROKER_COLD__WAREHOUSE_URL", "s3://bucket/cold")
    monkeypatch.setenv("BROKER_COLD__CATALOGUE_OPTIONS", '{"token": "secret"}')
    found = Settings()
    assert found.warehouse == "s3://bucket/cold"
    assert found.cold.catalogue_options["token"].get_secret_value() == "secret"
    assert "secret'" not in repr(found)
