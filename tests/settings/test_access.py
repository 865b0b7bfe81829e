"""Settings of accounts."""

from __future__ import annotations

import datetime

import pytest

from broker_assets.settings import Settings


def test_keys_and_their_days_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = '[{"key": "old", "until": "2027-01-31T00:00:00"}, {"key": "older", "until": "2027-01-01T00:00:00+02:00"}]'
    monkeypatch.setenv("BROKER_ACCESS__SIGNING_KEY", "new")
    monkeypatch.setenv("BROKER_ACCESS__EARLIER_SIGNING_KEYS", earlier)
    access = Settings().access
    assert access.signing_key is not None
    assert access.signing_key.get_secret_value() == "new"
    assert access.earlier_signing_keys[0].until == datetime.datetime(2027, 1, 31, tzinfo=datetime.UTC)
    assert "old" not in repr(access)
    assert not access.registration
    assert access.openid.issuer is None
