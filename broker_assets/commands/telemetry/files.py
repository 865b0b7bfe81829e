"""`broker-assets telemetry files`: telemetry files that arrived, their state, and how to retry them."""

from __future__ import annotations

import dataclasses
import datetime
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.status import database
from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    import psycopg

    from broker_assets.telemetry.reception.register import Entry

app = typer.Typer(no_args_is_help=True, help="Telemetry files that arrived: list, show, retry, dismiss.")

STATES = ("new", "staging", "staged", "processed", "failed", "quarantined", "gone", "dismissed")


@app.command("list")
def list_files(
    state: Annotated[
        list[str] | None,
        typer.Option("--state", "-s", help=f"Only files in this state ({', '.join(STATES)}); repeatable."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of files, newest first.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document per line.")] = False,
) -> None:
    """List files of the register.

    Example: `broker-assets telemetry files list --state quarantined --state failed`
    """
    from broker_assets.telemetry.reception.register import entries

    unknown = sorted(set(state or ()) - set(STATES))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)} is not one of {', '.join(STATES)}", param_hint="--state")
    settings = load_settings()
    with database(settings) as connection:
        found = entries(connection, states=state, limit=limit)
        following = _following(connection, found, settings)
    if as_json:
        for entry in found:
            echo(_json(entry, next=following[entry.telemetryfileid]))
        return
    if not found:
        terminal().print("There are no such files.")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("entry", "file", "state", "seen", "bytes", "packets", "new", "bad", "reason", "next"):
        right = column in ("entry", "bytes", "packets", "new", "bad")
        table.add_column(column, overflow="fold", justify="right" if right else "left")
    for entry in found:
        name = entry.name if entry.version == 1 else f"{entry.name} ({entry.version})"
        numbers = (entry.packets, entry.new_packets, entry.bad_packets)
        table.add_row(
            str(entry.telemetryfileid),
            escape(name),
            entry.state,
            f"{entry.first_seen:%m-%d %H:%M}",
            f"{entry.size:,}",
            *("-" if number is None else f"{number:,}" for number in numbers),
            escape(entry.reason or ""),
            escape(following[entry.telemetryfileid]),
        )
    terminal().print(table)
    if len(found) == limit:
        terminal().print(f"[dim]Showing the newest {limit}; --limit shows more.[/dim]")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of a file.")],
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON document per version.")] = False,
) -> None:
    """Show every version of a file, which level is next and what it waits for, and unusable packets.

    Example: `broker-assets telemetry files show TM_BatchRequest.PktTmRaw.SOL.0.2023.305.xml`
    """
    from broker_assets.telemetry.reception.register import bad_packets, entries

    settings = load_settings()
    with database(settings) as connection:
        found = [(entry, bad_packets(connection, entry.telemetryfileid)) for entry in entries(connection, name=name)]
        following = _following(connection, [entry for entry, _ in found], settings)
    if not found:
        raise LookupError(f"no file {name} has arrived")
    for entry, bad in found:
        if as_json:
            bad_items = [dataclasses.asdict(item) for item in bad]
            echo(_json(entry, bad=bad_items, next=following[entry.telemetryfileid]))
            continue
        table = Table(show_header=False, box=None, pad_edge=False)
        for field, value in dataclasses.asdict(entry).items():
            table.add_row(field.replace("_", " "), escape(_text(value)))
        table.add_row("next", escape(following[entry.telemetryfileid]))
        for item in bad:
            table.add_row(f"at byte {item.position}", escape(f"{item.size} bytes: {item.reason}"))
        terminal().print(table)


@app.command()
def retry(
    entry: Annotated[
        list[int] | None, typer.Argument(help="Numbers of entries, as listed by `list`; default: all.")
    ] = None,
) -> None:
    """Let the next run retry failed and quarantined files, all of them or the given entries.

    Example: `broker-assets telemetry files retry 17`
    """
    from broker_assets.telemetry.reception.register import retry as again

    with database(load_settings()) as connection:
        count = again(connection, entry or None)
    terminal().print(f"{count} files will be retried by the next run")
    if entry and count < len(set(entry)):
        raise typer.Exit(1)


@app.command()
def dismiss(entry: Annotated[list[int], typer.Argument(help="Numbers of entries, as listed by `list`.")]) -> None:
    """Dismiss failed and quarantined files, such as those that cannot be sent again; their alert ends.

    Their bytes and reasons stay, and `retry` with their numbers retries them. Other content under the same name is a
    new file.

    Example: `broker-assets telemetry files dismiss 17`
    """
    from broker_assets.telemetry.reception.register import dismiss as give_up

    with database(load_settings()) as connection:
        count = give_up(connection, entry)
    terminal().print(f"{count} of {len(set(entry))} dismissed.")
    if count < len(set(entry)):
        raise typer.Exit(1)


def _following(connection: psycopg.Connection[Any], found: list[Entry], settings: Settings) -> dict[int, str]:
    """The next step of each file, and what it waits for."""
    from broker_assets.monitoring.telemetry.facts import Look
    from broker_assets.monitoring.telemetry.next_step import lines_of_files

    look = Look(connection, settings, now=datetime.datetime.now(datetime.UTC))
    return lines_of_files(connection, found, look.targets)


def _json(entry: Any, **more: Any) -> str:
    return json.dumps(dataclasses.asdict(entry) | more, default=str)


def _text(value: Any) -> str:
    if isinstance(value, datetime.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return "-" if value is None else str(value)
