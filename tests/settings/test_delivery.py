"""Secrets of delivery come from the environment or from files, and are never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker_assets.settings import Settings
from broker_assets.settings.delivery import DeliverySettings, MailSettings
from broker_assets.settings.stream import SecretFileError


def test_secrets_come_from_files(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hidden" * 6 + "\n")
    settings = DeliverySettings(webhook_key_file=file, mail=MailSettings(password_file=file))
    assert settings.revealed_webhook_key() == b"hidden" * 6
    assert settings.mail.revealed_password() == "hidden" * 6
    assert DeliverySettings().revealed_webhook_key() is None
    with pytest.raises(SecretFileError, match="missing"):
        DeliverySettings(webhook_key_file=tmp_path / "missing").revealed_webhook_key()
    with pytest.raises(SecretFileError, match="has 6 characters; it needs at least 32"):
        DeliverySettings(webhook_key="hidden").revealed_webhook_key()  # type: ignore[arg-type]
    assert "hidden" not in repr(DeliverySettings(webhook_key="hidden"))  # type: ignore[arg-type]


def test_the_environment_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_DELIVERY__MAIL__HOST", "mail.example.org")
    monkeypatch.setenv("BROKER_DELIVERY__DESTINATIONS__team__URL", "slack://a/b/c")
    monkeypatch.setenv("BROKER_KAFKA__BOOTSTRAP_SERVERS", "kafka:9092")
    settings = Settings()
    assert settings.delivery.mail.host == "mail.example.org"
    assert settings.delivery.destinations["team"].url.get_secret_value() == "slack://a/b/c"
    assert settings.delivery_cluster.bootstrap_servers == "kafka:9092"
