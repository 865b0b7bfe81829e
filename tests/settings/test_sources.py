"""The settings of sources."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from broker_assets.settings import Settings
from broker_assets.settings.sources import InputSource


def test_sources_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "BROKER_TELEMETRY__SOURCES",
        '[{"input": "spice_kernels", "url": "sftp://me@host/kernels", "secrets": {"password": "hidden-one"}}]',
    )
    (source,) = Settings().telemetry.sources
    assert source.minutes == 15
    assert source.revealed_options == {"password": "hidden-one"}
    assert "hidden-one" not in repr(source)


def test_unknown_inputs_are_refused() -> None:
    with pytest.raises(ValidationError):
        InputSource.model_validate({"input": "weather", "url": "/x"})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"input": "instrument_configuration", "url": "/x", "public_folder": "/y"}, "public_folder is of a git"),
        ({"input": "request_table", "url": "git+https://git.example/requests"}, "cannot be a git repository"),
        ({"input": "spice_kernels", "url": "git+https://git.example/kernels", "remove": True}, "remove has no meaning"),
    ],
)
def test_settings_without_effect_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        InputSource.model_validate(given)
