"""Where the target and observation manager answers as the original did."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from broker_assets.settings import Settings
from broker_assets.settings.tom import TomSettings


def test_the_environment_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().tom == TomSettings()
    monkeypatch.setenv("BROKER_TOM__ZERO_POINT", "31.4")
    monkeypatch.setenv("BROKER_TOM__LEGACY_ERRORS", "true")
    assert (Settings().tom.zero_point, Settings().tom.legacy_errors) == (31.4, True)
    with pytest.raises(ValidationError):
        TomSettings(largest_page=1)
