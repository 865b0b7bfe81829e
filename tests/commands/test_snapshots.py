"""`broker-assets snapshots`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tns_tables import fill
from typer.testing import CliRunner

from broker_assets.commands.snapshots import app
from broker_assets.database import engine

__all__ = ["fill"]


pytestmark = pytest.mark.database


def test_commands(
    database_url: str, fill: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from broker_assets.settings import load_settings

    monkeypatch.setenv("BROKER_DATABASE__URL", database_url)
    monkeypatch.setenv("BROKER_HOME", str(tmp_path / "home"))
    load_settings.cache_clear()
    with engine.connect(database_url, autocommit=True) as connection:
        fill(connection, 3)
    run = CliRunner().invoke
    folder = str(tmp_path / "snapshots")
    assert run(app, ["write", "--folder", folder]).exit_code == 0
    installed = run(app, ["install", folder, "--database", database_url])
    assert installed.exit_code == 0, installed.output
    assert run(app, ["install", str(tmp_path), "--database", database_url]).exit_code != 0
    assert run(app, ["write", "--table", "no_such_table"]).exit_code != 0
    load_settings.cache_clear()
