"""Options that are flags in the original and may have a value here."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from broker_assets.commands.original_options import NORMALISED, OptionalValue, original

OPTIONS = {
    "--sort-files": OptionalValue("name|made", ("--sort-files", "name"), ("--sort-files",)),
    "--update": OptionalValue("https?://.*", ("--update",), ("--update", "--url")),
}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "none False None []"),
        (["--sort_files"], "name False None []"),
        (["--sort-files", "made", "file"], "made False None ['file']"),
        (["--sort_files=made"], "made False None []"),
        (["--update", "file"], "none True None ['file']"),
        (["--update", "http://host/", "file"], "none True http://host/ ['file']"),
        (["--update=http://host/?a=b"], "none True http://host/?a=b []"),
    ],
)
def test_flags_and_values(words: list[str], expected: str) -> None:
    app = typer.Typer()

    @app.command(cls=original(OPTIONS), context_settings=NORMALISED)
    def command(
        files: list[str] | None = typer.Argument(None),
        sort: str = typer.Option("none", "--sort-files"),
        update: bool = typer.Option(False, "--update"),
        url: str | None = typer.Option(None),
    ) -> None:
        typer.echo(f"{sort} {update} {url} {files or []}")

    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert result.output.strip() == expected
