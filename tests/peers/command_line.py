"""`broker-assets` in this process: it does the same and starts at once."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from broker_assets.cli import app
from broker_assets.settings import load_settings


@dataclass(frozen=True)
class Done:
    """A command that has ended; the names are those of `subprocess.CompletedProcess`."""

    returncode: int
    stdout: str
    stderr: str


def invoke(*arguments: str, folder: Path, columns: int = 80, **environment: Any) -> Done:
    """Run a command without the settings of whoever runs the tests.

    Parameters
    ----------
    *arguments : str
        Those after `broker-assets`.
    folder : Path
        Working directory.
    columns : int
        Width of the terminal.
    **environment : str
        Variables of the environment.
    """
    kept: dict[str, str | None] = {name: None for name in os.environ if name.startswith(("BROKER_", "DAGSTER_"))}
    kept |= {"COLUMNS": str(columns), "NO_COLOR": "1", "TERM": "dumb", **environment}
    load_settings.cache_clear()
    try:
        with contextlib.chdir(folder):
            result = CliRunner().invoke(app, arguments, env=kept)
    finally:
        load_settings.cache_clear()
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)
