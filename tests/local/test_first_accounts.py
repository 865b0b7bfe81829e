"""The first accounts of one machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from broker_assets.access import accounts
from broker_assets.database import engine
from broker_assets.local.first_accounts import SIGNING_KEY, adopt_signing_key, make_first_accounts
from broker_assets.local.prepare import make_administrator
from broker_assets.settings import Settings
from broker_assets.settings.access import AccessSettings


@pytest.mark.database
def test_they_are_made_once_with_random_passwords(database_url: str) -> None:
    made = make_first_accounts(database_url, Settings())
    assert set(made) == {"admin", "guest"}
    assert len(set(made.values())) == 2
    with engine.connect(database_url, autocommit=True) as connection:
        assert accounts.log_in(connection, "admin", made["admin"], "::1").administers
        assert accounts.log_in(connection, "guest", made["guest"], "::1").is_guest
        accounts.remove(connection, "guest")
    assert make_first_accounts(database_url, Settings()) == {}


@pytest.mark.database
def test_a_password_of_the_settings_is_kept_and_not_shown(database_url: str) -> None:
    settings = Settings(access=AccessSettings(administrator="root", administrator_password="correct horse"))  # type: ignore[arg-type]
    make_administrator(database_url, settings.access)
    assert set(make_first_accounts(database_url, settings)) == {"guest"}
    assert make_first_accounts(database_url, settings) == {}
    with engine.connect(database_url, autocommit=True) as connection:
        assert accounts.log_in(connection, "root", "correct horse", "::1").administers


def test_the_key_that_signs_is_that_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGNING_KEY, "given")
    adopt_signing_key(Settings(home=tmp_path))
    assert os.environ[SIGNING_KEY] == "given"
    assert not (tmp_path / "signing-key").exists()
    monkeypatch.delenv(SIGNING_KEY)
    found = []
    for _ in range(2):
        adopt_signing_key(Settings(home=tmp_path / "home"))
        found.append(os.environ.pop(SIGNING_KEY))
    assert found[0] == found[1]
    assert len(found[0]) == 64
    assert (tmp_path / "home" / "signing-key").stat().st_mode & 0o077 == 0
