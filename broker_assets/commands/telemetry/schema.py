"""`broker-assets telemetry schema`: the formats of product files, and whether files conform to them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from broker_assets.commands.terminal import echo


def schema(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="`ql-lightcurve`, …; `packets` and `requested-packets` (level LB), `default`; without it: list all."
        ),
    ] = None,
    level: Annotated[str | None, typer.Option(help="LB, L0, L1, CAL, ANC or LL01.")] = None,
    version: Annotated[int | None, typer.Option(help="Version of the product; default: the latest.")] = None,
    check: Annotated[
        list[Path] | None, typer.Option(help="Product files, or folders of them, to check; repeatable.")
    ] = None,
    update: Annotated[
        Path | None,
        typer.Option(help="For developers: derive all schemas from the code and write new ones to this folder."),
    ] = None,
) -> None:
    """Print the schema of a product as JSON, or check files against their schemas.

    Example:

        broker-assets telemetry schema ql-lightcurve --level L1

        broker-assets telemetry schema --check archive/L1

    Exit code 0: printed, or all files conform; 1: a file differs, cannot be read or has no schema, or a format changed
    under its version; 2: there is no such schema.
    """
    if update is not None:
        raise typer.Exit(_update(update))
    if check:
        raise typer.Exit(_check(_files(check)))
    from broker_assets.telemetry.products.schemas.schema import schemas

    known = schemas()
    if kind is None:
        chosen = [item for item in known if level in (None, item.level)]
        for item in chosen:
            columns = sum(len(extension.columns) for extension in item.extensions)
            echo(f"{item.level:<5}{item.kind:<24}V{item.version:02d}{columns:>5} columns")
        raise typer.Exit(0 if chosen else 2)
    fitting = [item for item in known if item.kind == kind and level in (None, item.level)]
    wanted: dict[str, Any] = {}
    for item in fitting:
        if version in (None, item.version) and (item.level not in wanted or item.version > wanted[item.level].version):
            wanted[item.level] = item
    if not wanted:
        names = ", ".join(sorted({item.kind for item in known}))
        echo(f"error: there is no such schema; kinds: {names}", err=True)
        raise typer.Exit(2)
    documents = [json.loads(item.text()) for item in wanted.values()]
    echo(json.dumps(documents[0] if len(documents) == 1 else documents, indent=1, ensure_ascii=False))


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        found += sorted(path.rglob("*.fits")) if path.is_dir() else [path]
    return found


def _check(files: Sequence[Path]) -> int:
    """Print the differences to standard output; return the exit code."""
    from broker_assets.telemetry.products.files.reading import UnreadableFile, read
    from broker_assets.telemetry.products.schemas.changes import differences
    from broker_assets.telemetry.products.schemas.schema import UnknownSchema, schema_of, schemas

    known = schemas()
    wrong = 0
    for path in files:
        try:
            product = read(path)
            found = differences(schema_of(product, known), product)
        except (UnreadableFile, UnknownSchema, FileNotFoundError) as error:
            found = [str(error)]
        wrong += bool(found)
        for text in found:
            echo(f"{path}: {text}")
    echo(f"{len(files)} files, {wrong} with differences", err=True)
    return 1 if wrong or not files else 0


def _update(folder: Path) -> int:
    from broker_assets.telemetry.products.files.reading import read
    from broker_assets.telemetry.products.schemas.changes import FormatChanged, merged, update
    from broker_assets.telemetry.products.schemas.schema import described
    from broker_assets.telemetry.products.schemas.specimens import write_specimens

    with tempfile.TemporaryDirectory(prefix="specimens-") as temporary:
        derived = merged(described(read(path)) for path in write_specimens(Path(temporary)))
    try:
        for path in update(folder, derived):
            echo(path)
    except FormatChanged as error:
        echo(f"error: {error}", err=True)
        return 1
    return 0
