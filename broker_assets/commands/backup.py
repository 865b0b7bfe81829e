"""`broker-assets backup`: make backups, list them, check them, restore them, keep the write-ahead log."""

from __future__ import annotations

import datetime
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from broker_assets.backups.inventory import compare_inventory
from broker_assets.backups.log import make_slot, receive_arguments, segments
from broker_assets.backups.manifest import KINDS, BackupError, Kind
from broker_assets.backups.programs import Connection
from broker_assets.backups.recovery import restore_base
from broker_assets.backups.shelf import Backup
from broker_assets.backups.users_data import restore_users_data
from broker_assets.backups.verification import Verified, verify_base, verify_users_data
from broker_assets.commands.status import connected_or_given
from broker_assets.commands.terminal import echo, terminal
from broker_assets.instants import instant
from broker_assets.resources.backups import Backups
from broker_assets.settings import Settings, load_settings

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Backups of users' data, of the database server, and the list of the object store: run, list, restore, …",
)
WHICH = f"{', '.join(KINDS)}"


@app.command()
def run(
    kind: Annotated[list[str] | None, typer.Argument(help=f"What to save: {WHICH}; all unless given.")] = None,
) -> None:
    """Make backups now.

    Example: `broker-assets backup run users`
    """
    backups = _connected()
    for one in _kinds(kind):
        made = backups.make(one)
        echo(f"{made.name}: {_size(made)} in {made.path}")


@app.command("list")
def list_backups() -> None:
    """List the backups; for damaged ones, show what is wrong."""
    backups = Backups.of(load_settings())
    table = Table("Backup", "Size", "Holds", title=f"Backups in {backups.shelf.folder}", title_justify="left")
    for backup in backups.shelf.backups():
        table.add_row(backup.name, _size(backup), _holds(backup))
    if table.row_count:
        terminal().print(table)
    else:
        echo(f"There are no backups in {backups.shelf.folder}: `broker-assets backup run` makes them.")
    kept = segments(backups.shelf.log)
    if kept:
        echo(f"Write-ahead log: {len(kept)} segments, {kept[0].name} to {kept[-1].name}.")
    copies = backups.copies
    if copies is not None:
        echo(f"Copies in {copies.url}: {', '.join(copies.names()) or 'none'}.")


@app.command()
def check(
    kind: Annotated[list[str] | None, typer.Argument(help=f"What to check: {WHICH}; all unless given.")] = None,
) -> None:
    """Restore the newest backups into a server of their own and compare them; the exit code is 1 if one fails."""
    failed = False
    settings = load_settings()
    for one in _kinds(kind):
        try:
            echo(_checked(one, settings))
        except BackupError as error:
            failed = True
            echo(f"{one}: {error}", err=True)
    if failed:
        raise typer.Exit(1)


@app.command()
def restore(
    name: Annotated[str, typer.Argument(help="Backup, as `list` shows it; or a kind, for the newest of it.")],
    database: Annotated[
        str | None,
        typer.Option(help="Users' data: URL of the database (postgresql+psycopg://…); default: that of the settings."),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(help="Base backup: new data folder of the server; default: that of the embedded server."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(help="Base backup: leave out transactions after this time, UTC: 2027-01-31T12:00:00."),
    ] = None,
    log: Annotated[
        bool, typer.Option("--log/--no-log", help="Base backup: follow the write-ahead log to its end.")
    ] = True,
    replace: Annotated[
        bool, typer.Option("--replace", help="Users' data: delete those already in the database.")
    ] = False,
) -> None:
    """Restore a backup, completely or not at all.

    Users' data go into an empty database or, with `--replace`, replace what it has; rows to which other data refer,
    such as objects to root objects, stay. A base backup becomes the data folder of a server that is not running; start
    it, and the streams continue from the restored position.

    Example: `broker-assets backup restore database`
    """
    settings = load_settings()
    backups = Backups.of(settings)
    moment = _moment(until)
    chosen = backups.shelf.named(name, until=moment if name == "database" else None)
    if chosen.kind == "objects":
        raise typer.BadParameter("the list of the object store is compared by `check`, not restored", param_hint="NAME")
    if moment is not None and not log:
        raise typer.BadParameter("a base backup is brought to a time by the log", param_hint="--until --no-log")
    foreign = (
        {"--into": into is not None, "--until": until is not None, "--no-log": not log}
        if chosen.kind == "users"
        else {"--database": database is not None, "--replace": replace}
    )
    if given := [option for option, present in foreign.items() if present]:
        what = "users' data" if chosen.kind == "users" else "a base backup"
        raise typer.BadParameter(f"{chosen.name} is of {what}, which has no such option", param_hint=" ".join(given))
    if chosen.kind == "users":
        target = database or _connected().url
        held = restore_users_data(backups.shelf, chosen, target, replace=replace)
        rows = sum(one.rows for one in held.values())
        echo(f"{chosen.name}: {rows} rows in {len(held)} tables, as when they were saved.")
        return
    folder = into or settings.home.resolve() / "postgres" / "data"
    manifest = backups.shelf.opened(chosen)
    found = restore_base(
        backups.shelf, chosen, backups.programs, folder, database=manifest.database, until=moment, follow=log
    )
    if found.segments:
        echo(f"{chosen.name} is in {folder}, with {found.segments} segments of the write-ahead log.")
    else:
        echo(f"{chosen.name} is in {folder}, as of {manifest.ended:%Y-%m-%d %H:%M:%S %Z}, without write-ahead log.")
    for topic, partition, offset in found.positions:
        echo(f"{topic}/{partition} continues at {offset}.")
    if Backups.of(connected_or_given(settings)).log_in_use:
        echo(
            f"The server in the settings runs, and its log is still kept in {backups.shelf.log}. If the restored "
            "server takes its place, stop the receiver of the log and rename that folder to log-<time> first."
        )
    elif (aside := backups.shelf.close_log()) is not None:
        echo(f"The log of the earlier server was renamed to {aside}; other backups are still restored with it.")
    echo("Start the server, then make a base backup: the log of the restored server begins with it.")


@app.command()
def fetch(name: Annotated[str, typer.Argument(help="Copy, as `list` shows it.")]) -> None:
    """Fetch a backup from the copies on another machine."""
    backups = Backups.of(load_settings())
    if backups.copies is None:
        raise typer.BadParameter(
            "the settings name no location for copies: set BROKER_BACKUP__COPY_URL", param_hint="NAME"
        )
    echo(f"{backups.copies.fetch(name, backups.shelf).path} is complete.")


@app.command()
def receive() -> None:
    """Keep the write-ahead log of the server as it is written, until stopped.

    `broker-assets up` starts this where the setting `backup.continuous` says so; in containers it is a service.
    """
    backups = _connected()
    connection = Connection.of(backups.url)
    make_slot(backups.programs, backups.shelf.log, connection)
    arguments = receive_arguments(backups.shelf.log, connection, compress=backups.settings.compress_log)
    program = backups.programs.path("pg_receivewal")
    echo(f"Keeping the write-ahead log in {backups.shelf.log}.")
    sys.stdout.flush()
    # `exec`: this process is no longer needed, and signals reach the program itself.
    command = [os.fspath(part) for part in (program, *arguments)]
    os.execve(command[0], command, {**os.environ, **connection.environment})  # noqa: S606 - our own command


def _connected() -> Backups:
    return Backups.of(connected_or_given(load_settings()))


def _kinds(given: list[str] | None) -> list[Kind]:
    unknown = [one for one in given or () if one not in KINDS]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: kinds are {WHICH}", param_hint="KIND")
    return [kind for kind in KINDS if not given or kind in given]


def _moment(text: str | None) -> datetime.datetime | None:
    """The time of `--until`, UTC unless it has a time zone."""
    if text is None:
        return None
    try:
        return instant(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time such as 2027-01-31T12:00:00", param_hint="--until") from None


def _checked(kind: Kind, settings: Settings) -> str:
    backups = Backups.of(settings)
    scratch = settings.backup.scratch
    if kind == "users":
        return _sentence(verify_users_data(backups.shelf, backups.programs, scratch))
    if kind == "database":
        return _sentence(verify_base(backups.shelf, backups.programs, scratch))
    connected = _connected()
    newest = backups.shelf.newest("objects")
    found = compare_inventory(backups.shelf, newest, connected.url, connected.store)
    if not found.harmless:
        lacking = ", ".join([*found.missing, *found.changed][:10])
        raise BackupError(f"{len(found.missing)} files are missing and {len(found.changed)} have changed: {lacking}")
    return f"{newest.name}: nothing is missing; {found.surplus} files are newer."


def _sentence(found: Verified) -> str:
    if found.tables:
        return f"{found.name}: {found.rows} rows in {found.tables} tables were restored and are equal."
    return f"{found.name}: a server started on it; {found.messages} messages are in its ledger."


def _holds(backup: Backup) -> str:
    manifest = backup.manifest
    if manifest is None:
        return f"damaged: {backup.damage}"
    if manifest.kind == "users":
        return f"{sum(one.rows for one in manifest.tables.values())} rows in {len(manifest.tables)} tables"
    if manifest.kind == "objects":
        return f"{manifest.objects} files of {manifest.bytes:,} bytes"
    messages = manifest.ledger.received if manifest.ledger is not None else 0
    return f"PostgreSQL {manifest.server // 10000}, {messages} messages in the ledger"


def _size(backup: Backup) -> str:
    return f"{backup.manifest.size:,} bytes" if backup.manifest is not None else ""
