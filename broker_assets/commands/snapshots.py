"""`broker-assets snapshots`: tables as versioned files for other nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from upath import UPath

from broker_assets.commands.status import connected_or_given
from broker_assets.commands.terminal import terminal
from broker_assets.database.engine import connect, describe
from broker_assets.database.tables import metadata
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore
from broker_assets.settings import load_settings
from broker_assets.tns.snapshots import DEFAULT_TABLES, install_snapshot, known_tables, write_snapshot

app = typer.Typer(no_args_is_help=True, help="Tables as versioned files for other nodes.")
Tables = Annotated[
    list[str] | None, typer.Option("--table", help="Tables; default: those that other nodes need for joins.")
]


def _chosen(names: list[str] | None) -> list[str]:
    unknown = [name for name in names or [] if name not in metadata.tables]
    if unknown:
        raise typer.BadParameter(f"there is no table {', '.join(unknown)}", param_hint="--table")
    return [table.name for table in known_tables(tuple(names or DEFAULT_TABLES))]


@app.command()
def write(
    folder: Annotated[
        str | None, typer.Option(help="Folder or fsspec URL; default: `snapshots` in the archive.")
    ] = None,
    table: Tables = None,
) -> None:
    """Write a new version of each table that has changed."""
    settings = connected_or_given(load_settings())
    target = UPath(folder) if folder is not None else ObjectStore.of(settings).path("snapshots")
    with connect(Database.of(settings).url, autocommit=True) as connection:
        for name in _chosen(table):
            with connection.transaction():
                done = write_snapshot(connection, metadata.tables[name], target)
            state = "new version" if done.changed else "unchanged"
            terminal().print(f"{name}: {done.rows} rows, {state} {done.version} in {target / name}")


@app.command()
def install(
    folder: Annotated[Path, typer.Argument(help="Folder of the snapshots.")],
    database: Annotated[str, typer.Option(help="URL of the database to install into (postgresql+psycopg://…).")],
    table: Tables = None,
) -> None:
    """Install snapshots into another database, replacing its tables; a damaged snapshot changes nothing."""
    if not folder.is_dir():
        raise typer.BadParameter(f"{folder} is not a folder", param_hint="FOLDER")
    names = [name for name in _chosen(table) if table or (folder / name).is_dir()]
    if not names:
        raise typer.BadParameter(f"{folder} has no snapshot of {', '.join(_chosen(table))}", param_hint="FOLDER")
    with connect(database, autocommit=True) as connection:
        for name in names:
            done = install_snapshot(connection, metadata.tables[name], UPath(folder))
            terminal().print(
                f"{name}: {done.rows} rows in {describe(database)}, {done.removed} removed or replaced,"
                f" {done.added} added (version {done.version})"
            )
