"""How the application is set up for accounts."""

from __future__ import annotations

import pytest

from broker_assets.access.signing import BadKey
from broker_assets.api.account.routes import signer_of
from broker_assets.settings import ServerSettings, Settings
from broker_assets.settings.access import AccessSettings


def test_a_server_for_others_needs_a_signing_key() -> None:
    public = ServerSettings(public_hosts=["broker.example.org"])
    with pytest.raises(ValueError, match="BROKER_ACCESS__SIGNING_KEY"):
        signer_of(Settings(server=public))
    with pytest.raises(BadKey):
        signer_of(Settings(server=public, access=AccessSettings(signing_key="short")))  # type: ignore[arg-type]
    settings = Settings(server=public, access=AccessSettings(signing_key="k" * 32))  # type: ignore[arg-type]
    assert signer_of(settings).is_signed("a", "b", signer_of(settings).sign("a", "b"))
    assert signer_of(Settings()).sign("a", "b")
