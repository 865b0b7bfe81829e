"""Traces are off unless somebody sets an endpoint, and secrets are not shown."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from broker_assets.settings import Settings
from broker_assets.settings.traces import TraceSettings


def test_off_by_default_and_set_by_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().traces.endpoint is None
    monkeypatch.setenv("BROKER_TRACES__ENDPOINT", "http://127.0.0.1:4318/v1/traces")
    monkeypatch.setenv("BROKER_TRACES__HEADERS", '{"authorization": "secret"}')
    found = Settings().traces
    assert (found.endpoint, found.share) == ("http://127.0.0.1:4318/v1/traces", 0.01)
    assert "secret" not in repr(found)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_a_part(share: float) -> None:
    with pytest.raises(ValidationError):
        TraceSettings(share=share)


@pytest.mark.parametrize("endpoint", ["collector:4318", "grpc://collector:4317"])
def test_an_endpoint_is_an_address_of_http(endpoint: str) -> None:
    with pytest.raises(ValidationError):
        TraceSettings(endpoint=endpoint)
