"""E-mail about accounts."""

from __future__ import annotations

import datetime
import logging

import pytest
from delivery_peers import mail_server

from broker_assets.access.accounts import User
from broker_assets.access.mailed_links import Link
from broker_assets.api.account.letters import Letters
from broker_assets.settings import ServerSettings, Settings
from broker_assets.settings.delivery import DeliverySettings, MailSettings

ANN = User(1, "ann", "ann@example.org", frozenset(), True, datetime.datetime.now(datetime.UTC), None)
LINK = Link(ANN, "s3cret")


def test_a_message_has_the_address_of_the_settings() -> None:
    with mail_server() as mailbox:
        mail = MailSettings(host="127.0.0.1", port=mailbox.port)
        Letters(Settings(delivery=DeliverySettings(mail=mail), server=ServerSettings(api_port=8123))).send(
            "activation", [LINK]
        )
    text = mailbox.messages[0].get_content()
    assert "http://127.0.0.1:8123/activate/s3cret/" in text
    assert "UTC" in text


def test_what_cannot_be_sent_is_logged_without_the_link(caplog: pytest.LogCaptureFixture) -> None:
    letters = Letters(Settings())
    assert not letters.can_send
    with caplog.at_level(logging.WARNING):
        letters.send("password", [LINK])
    assert "was not sent" in caplog.text
    assert "s3cret" not in caplog.text
