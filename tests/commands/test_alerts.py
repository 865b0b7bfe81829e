"""`broker-assets alerts`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from broker_assets.cli import app
from broker_assets.monitoring.alerts import Alert, Cause
from broker_assets.resources.database import Database
from broker_assets.resources.notifier import Notifier
from broker_assets.settings import load_settings

pytestmark = pytest.mark.database

ALERT = Alert(
    Cause("check", "sources", "2024-05-01", "ledger_balances"),
    "2 are missing",
    body="2 messages are missing",
    next_step="keep the logs",
    link="[the check](http://host:3000/assets/sources)",
)


@pytest.fixture
def call(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    Notifier(Database(database_url)).record([ALERT, Alert(Cause("sensor", "kafka_lag"), "it is stopped", "warning")])
    monkeypatch.setenv("BROKER_DATABASE__URL", database_url)
    load_settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(app, ["alerts", *arguments], env={"COLUMNS": "200"})
    load_settings.cache_clear()


def test_list_show_and_close(call: Any) -> None:
    listed = call("list")
    assert listed.exit_code == 1, listed.output
    number = ALERT.cause.fingerprint[:8]
    assert number in listed.output
    assert "sources of 2024-05-01: 2 are missing" in listed.output
    shown = call("show", number).output
    for text in ("2 messages are missing", "Next step: keep the logs", "http://host:3000/assets/sources"):
        assert text in shown
    closed = call("close", number, "--note", "the night is not rebuilt")
    assert closed.exit_code == 0, closed.output
    left = call("list", "--json")
    assert left.exit_code == 0, "only a warning is left"
    assert [json.loads(line)["asset"] for line in left.output.splitlines()] == ["kafka_lag"]
    assert call("show", number).exit_code == 1
    assert call("close", number, "--note", "again").exit_code == 1
