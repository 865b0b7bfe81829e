"""`broker-assets delivery sinks`: where the matches of a filter are sent."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.status import connected_or_given, database
from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Where the matches of a filter are sent: add, list, remove.")


@app.command("add")
def add_sink(
    filterid: Annotated[int, typer.Argument(help="Number of the filter.")],
    kind: Annotated[str, typer.Argument(help="kafka, email, webhook or apprise.")],
    target: Annotated[
        str | None,
        typer.Argument(help="Address (default: the owner's), https URL, or name of a destination of the settings."),
    ] = None,
    form: Annotated[str, typer.Option("--format", "-f", help="plain, lite, full, gcn or voevent.")] = "plain",
    schedule: Annotated[str, typer.Option("--schedule", "-s", help="now, hour or day.")] = "now",
    messages: Annotated[int | None, typer.Option(min=0, help="Maximum number of messages per night.")] = None,
    size: Annotated[int | None, typer.Option("--bytes", min=0, help="Maximum number of bytes per night.")] = None,
) -> None:
    """Send the matches of a filter somewhere, from the next one on.

    Examples:

    `broker-assets delivery sinks add 3 kafka --format lite`

    `broker-assets delivery sinks add 3 email ann@example.org --schedule day`
    """
    from broker_assets.delivery import sinks

    settings = connected_or_given(load_settings())
    with database(settings) as connection:
        made = sinks.add(
            connection,
            settings.delivery,
            filterid,
            kind,  # type: ignore[arg-type]  # checked there, with a message
            target,
            form=form,  # type: ignore[arg-type]
            schedule=schedule,  # type: ignore[arg-type]
            messages_per_night=messages,
            bytes_per_night=size,
        )
    terminal().print(f"Sink {made.sinkid}: {made.kind} {escape(made.target)}, {made.format}", highlight=False)
    if made.kind == "webhook":
        from broker_assets.delivery.webhooks import key_of

        secret = settings.delivery.revealed_webhook_key()
        if secret is not None:
            key = key_of(secret, f"sink/{made.sinkid}")
            terminal().print(f"Key of its signatures (Standard Webhooks): {key}", highlight=False)
    if made.kind == "kafka":
        readers = settings.delivery.readers
        where = readers.public or settings.delivery_cluster.bootstrap_servers if made.public else readers.private
        terminal().print(f"Read it from {where or 'the listener of your Kafka'}", highlight=False)
    if made.kind == "email" and settings.delivery.mail.host is None:
        terminal().print("[yellow]No mail server is configured: messages wait (BROKER_DELIVERY__MAIL__HOST).[/yellow]")


@app.command("list")
def list_sinks(
    filterid: Annotated[int | None, typer.Argument(help="Only of this filter.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Include those that were removed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document per line.")] = False,
) -> None:
    """List sinks."""
    from broker_assets.delivery import sinks

    with database(load_settings()) as connection:
        found = sinks.listed(connection, filterid=filterid, removed=every)
    if as_json:
        for one in found:
            echo(json.dumps(dataclasses.asdict(one), default=str))
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("sink", "filter", "owner", "kind", "target", "format", "schedule", "state"):
        table.add_column(column, overflow="fold")
    for one in found:
        table.add_row(
            str(one.sinkid), f"{one.filterid} {escape(one.name)}", escape(one.owner), one.kind, escape(one.target),
            one.format, one.schedule, _state(one),
        )  # fmt: skip
    terminal().print(table if found else "There are no sinks.")


@app.command("remove")
def remove_sink(sinkid: Annotated[int, typer.Argument(help="Number of the sink.")]) -> None:
    """Remove a sink and dismiss what waits for it. A topic keeps its messages and its name."""
    from broker_assets.delivery import sinks

    with database(load_settings()) as connection:
        dismissed = sinks.remove(connection, sinkid)
    terminal().print(f"Sink {sinkid} is removed; {dismissed} messages that waited are dismissed.", highlight=False)


def _state(one: Any) -> str:
    if one.removed_at is not None:
        return "removed"
    return f"[red]failing: {escape(one.failure or '')}[/red]" if one.failures else "works"
