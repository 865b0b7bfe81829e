"""Settings of filters from the environment."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from broker_assets.settings import Settings


def test_limits_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_FILTERS__BATCH_SECONDS", "4")
    monkeypatch.setenv("BROKER_FILTERS__MATCHES_PER_NIGHT", "7")
    found = Settings().filters
    assert (found.batch_seconds, found.matches_per_night) == (4.0, 7)
    monkeypatch.setenv("BROKER_FILTERS__BATCH_SECONDS", "0")
    with pytest.raises(ValidationError, match="batch_seconds"):
        Settings()
