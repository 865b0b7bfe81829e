"""`broker-assets telemetry`: telemetry on the command line, without Dagster and without a network."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from broker_assets.commands.original_options import NORMALISED, OptionalValue, original
from broker_assets.commands.telemetry.fetching import fetch
from broker_assets.commands.telemetry.files import app as files_app
from broker_assets.commands.telemetry.lowlatency import lowlatency
from broker_assets.commands.telemetry.process import process
from broker_assets.commands.telemetry.remake import remake, stale
from broker_assets.commands.telemetry.schema import schema
from broker_assets.commands.telemetry.simulate import simulate
from broker_assets.commands.telemetry.status import status
from broker_assets.commands.terminal import echo

app = typer.Typer(help="Telemetry packets and products.", no_args_is_help=True)
app.command(
    cls=original(
        {
            "--update-rid-lut": OptionalValue(
                r"(https?|file)://.*", ("--update-rid-lut",), ("--update-rid-lut", "--rid-lut-url")
            )
        }
    ),
    context_settings=NORMALISED,
)(process)
app.command()(schema)
app.command()(simulate)
app.command()(status)
app.command()(stale)
app.command()(remake)
app.command()(lowlatency)
app.command()(fetch)
app.add_typer(files_app, name="files")


@app.callback()
def telemetry() -> None:
    """Telemetry packets and products."""


@app.command()
def decode(
    files: Annotated[list[Path], typer.Argument(help="PktTmRaw or PktTcReport XML, binary or hexadecimal packets.")],
    idb: Annotated[Path, typer.Option("--idb", help="Folder with idb.sqlite, or with v<version>/idb.sqlite.")],
    idb_version: Annotated[str | None, typer.Option(help="Use this version for all times.")] = None,
    strict: Annotated[
        bool, typer.Option(help="A missing database version is an error; no other version is used instead.")
    ] = False,
) -> None:
    """Print one JSON document per packet, one per line; exit code 1 if any packet cannot be decoded."""
    # Imported here: `--help` must not wait for the numerical libraries.
    from broker_assets.telemetry.idb.database import DatabaseError
    from broker_assets.telemetry.idb.database_versions import InstrumentDatabases

    try:
        databases = InstrumentDatabases(idb, forced=idb_version, strict=strict)
    except DatabaseError as error:
        echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    failed = False
    try:
        for path in files:
            for document in _documents(path, databases):
                failed |= "error" in document
                echo(json.dumps(document, ensure_ascii=False))
    except BrokenPipeError:
        # The reader has closed the pipe; nothing may be written to it at exit either.
        sys.stderr.close()
    raise typer.Exit(1 if failed else 0)


def _documents(path: Path, databases: Any) -> Iterator[dict[str, Any]]:
    """One document per packet of a file, in file order."""
    from broker_assets.telemetry.decoding import documents

    yield from documents.of_file(path, databases)
