"""A token that may only read, at an endpoint that writes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import Request

from broker_assets.access import accounts, tokens
from broker_assets.api.authentication import NotAuthenticatedError, ReadOnlyTokenError, caller
from broker_assets.api.connections import Connections
from broker_assets.database import engine
from broker_assets.settings.access import AccessSettings

pytestmark = pytest.mark.database


@pytest.fixture
def request_with(database_url: str) -> Any:
    connections = Connections(database_url, writes=True)
    connections.open()
    app = SimpleNamespace(state=SimpleNamespace(accounts=connections, access=AccessSettings(requests=5)))

    def make(header: str) -> Request:
        return Request({"type": "http", "app": app, "headers": [(b"authorization", header.encode())]})

    yield make
    connections.close()


def test_scope_header_and_parameter(request_with: Any, database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        user = accounts.add(connection, "ann", "correct horse")
        reading = tokens.create(connection, user, "reads")
        writing = tokens.create(connection, user, "writes", "write")
    assert not caller(request_with(f"Token {reading}"), None).writes
    with pytest.raises(ReadOnlyTokenError):
        caller(request_with(f"token {reading}"), writing, writing=True)
    assert caller(request_with(""), writing, writing=True).writes
    assert caller(request_with("Basic eDp5"), writing).user.username == "ann"
    for header in ("", "Token", f"Bearer {writing}"):
        with pytest.raises(NotAuthenticatedError):
            caller(request_with(header), None)
