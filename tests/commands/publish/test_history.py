"""`broker-assets publish status` and `history` on a history of a few decisions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from broker_assets.cli import app
from broker_assets.settings import load_settings

pytestmark = pytest.mark.database


@pytest.fixture
def call(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The command, on an empty history."""
    monkeypatch.setenv("BROKER_DATABASE__URL", database_url)
    load_settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(app, ["publish", *arguments], env={"COLUMNS": "200"})
    load_settings.cache_clear()


def test_an_empty_history(call: Any) -> None:
    shown = call("status")
    assert (shown.exit_code, shown.output.strip()) == (0, "Nothing has been delivered yet.")
    document = json.loads(call("status", "--json").output)
    assert document == {"counts": {}, "held": [], "pending": [], "runs": []}
    assert "no such entries" in call("history", "anything").output
    assert call("history", "--json").output == ""


def test_limits_of_options(call: Any) -> None:
    assert call("history", "--limit", "0").exit_code == 2
    assert call("verify", "--target", "no-such-archive").exit_code != 0
