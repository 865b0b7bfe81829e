"""The mailbox of the demonstration takes what the platform sends, and is used where nothing else is set."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker_assets.delivery.mail import MailServer, notice
from broker_assets.local.mailbox import Mailbox, environment, folder_of, forget, is_used, letters, prepare
from broker_assets.local.processes import LocalPlatformError
from broker_assets.settings import Settings
from broker_assets.settings.delivery import DeliverySettings, MailSettings


def test_messages_are_written_as_they_were_sent(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert environment(settings) == {}
    port = prepare(settings)
    assert environment(settings) == {
        "BROKER_DELIVERY__MAIL__HOST": "127.0.0.1",
        "BROKER_DELIVERY__MAIL__PORT": str(port),
        "BROKER_DELIVERY__WEBHOOK_KEY_FILE": str(folder_of(settings) / "webhook.key"),
    }
    assert len((folder_of(settings) / "webhook.key").read_text()) > 32
    with Mailbox(folder_of(settings), port):
        server = MailServer(MailSettings(host="127.0.0.1", port=port))
        for number in (1, 2):
            reply = server.send(
                notice(
                    sender="b@example.org", recipient="ann@example.org", subject=f"Zoë {number}",
                    text=f".a dot\n..two\n{number}", message_id=f"<{number}@b>", date=1.7e9,
                )
            )  # fmt: skip
            assert reply == "250 OK: written"
        server.close()
        with pytest.raises(LocalPlatformError, match="cannot listen"):
            Mailbox(folder_of(settings), port)
    first, second = letters(folder_of(settings))
    assert (first.recipient, first.subject, second.subject) == (
        "ann@example.org", "[broker-assets] Zoë 1", "[broker-assets] Zoë 2",
    )  # fmt: skip
    text = first.file.read_bytes().replace(b"\r\n", b"\n")
    assert b"\n.a dot\n..two\n1" in text


def test_what_the_user_has_set_stays(tmp_path: Path) -> None:
    mail = MailSettings(host="mail.example.org")
    settings = Settings(home=tmp_path, delivery=DeliverySettings(mail=mail, webhook_key="k" * 32))  # type: ignore[arg-type]
    prepare(settings)
    assert environment(settings) == {}


def test_another_port_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The previous one is taken by another program when the platform starts again."""
    first = prepare(Settings(home=tmp_path))
    for name, value in environment(Settings(home=tmp_path)).items():
        monkeypatch.setenv(name, value)
    settings = Settings(home=tmp_path)
    assert is_used(settings)
    with Mailbox(folder_of(settings), first):
        forget(settings)
        assert not is_used(Settings(home=tmp_path))
        second = prepare(Settings(home=tmp_path))
    assert environment(Settings(home=tmp_path))["BROKER_DELIVERY__MAIL__PORT"] == str(second) != str(first)
