"""The command line on an empty database of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from broker_assets.cli import app
from broker_assets.settings import load_settings

Command = Callable[..., Result]


@pytest.fixture
def command(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Run `broker-assets …` as the user ann, in the folder of the test."""
    monkeypatch.setenv("BROKER_DATABASE__URL", database_url)
    monkeypatch.setenv("BROKER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    load_settings.cache_clear()

    def run(*arguments: Any, stdin: bytes | str | None = None) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)

    yield run
    load_settings.cache_clear()
