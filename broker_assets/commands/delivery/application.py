"""The commands of `broker-assets delivery` about messages: backlog, show, send, dead letters."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.delivery import contacts, feeds, readers, sinks
from broker_assets.commands.status import connected_or_given, database, database_url
from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Where the matches of filters go, and what became of them.")
dead_letters = typer.Typer(no_args_is_help=True, help="Messages that could not be delivered: list, retry, dismiss.")
app.add_typer(sinks.app, name="sinks")
app.add_typer(contacts.app, name="contacts")
app.add_typer(feeds.app, name="feeds")
app.add_typer(readers.app, name="readers")
app.add_typer(dead_letters, name="dead-letters")

Numbers = Annotated[list[int] | None, typer.Argument(help="Numbers of messages, as listed by `list`.")]
OfSink = Annotated[int | None, typer.Option("--sink", help="All of this sink.")]
OverQuota = Annotated[bool, typer.Option("--over-quota", help="Messages over a quota instead of dead letters.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command("backlog")
def show_backlog(as_json: AsJson = False) -> None:
    """Show what waits in the outbox, and which sinks fail."""
    from broker_assets.delivery.backlog import backlog, by_sink

    with database(load_settings()) as connection:
        now, found = backlog(connection), by_sink(connection)
    if as_json:
        document = {**dataclasses.asdict(now), "sinks": [dataclasses.asdict(one) for one in found]}
        echo(json.dumps(document, default=str))
        return
    terminal().print(
        f"{now.waiting:,} messages wait, {now.due:,} of them are due, the oldest for {now.oldest_due:.0f} s; "
        f"{now.dead:,} dead letters; {now.over_quota:,} over quota in the last nights; {now.letters:,} messages to "
        "owners wait",
        highlight=False,
    )
    if not found:
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("sink", "filter", "owner", "kind", "target", "waiting", "dead", "over quota", "next", "failure"):
        table.add_column(column, overflow="fold")
    for one in found:
        table.add_row(
            str(one.sinkid), str(one.filterid), escape(one.owner), one.kind, escape(one.target), f"{one.waiting:,}",
            f"{one.dead:,}", f"{one.over_quota:,}", f"{one.due_at:%m-%d %H:%M:%S}", escape(one.failure or ""),
        )  # fmt: skip
    terminal().print(table)


@app.command("show")
def show_message(
    number: Annotated[int, typer.Argument(help="Number of the message.")], as_json: AsJson = False
) -> None:
    """Show a message, its sink, and its receipt. `broker-assets why --notification` shows what it came from."""
    from broker_assets.delivery.backlog import shown

    with database(load_settings()) as connection:
        found = shown(connection, number)
    if found is None:
        raise LookupError(f"there is no message {number}")
    if as_json:
        echo(json.dumps(found, default=str))
        return
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, value in found.items():
        if value is not None:
            text = json.dumps(value) if isinstance(value, dict) else str(value)
            table.add_row(name.replace("_", " "), escape(text))
    terminal().print(table)


@app.command("send")
def send_now() -> None:
    """Send what is due, here and now."""
    from broker_assets.stream.sending import make_sender

    settings = connected_or_given(load_settings())
    sender = make_sender(settings, database_url(settings))
    try:
        report = sender.send_due()
    finally:
        sender.close()
    terminal().print(
        f"{report.delivered} delivered, {report.dead} given up, {report.failures} attempts failed.", highlight=False
    )


@app.command("mailbox")
def show_mailbox(
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of lines.")] = 20,
) -> None:
    """List the e-mail that the demonstration has written to files, the newest last."""
    from broker_assets.local.mailbox import folder_of, letters

    folder = folder_of(load_settings())
    found = letters(folder)[-limit:]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("at", "to", "subject", "file"):
        table.add_column(column, overflow="fold")
    for one in found:
        table.add_row(f"{one.at:%m-%d %H:%M:%S}", escape(one.recipient), escape(one.subject), str(one.file))
    terminal().print(table if found else f"There is no message in {folder}.")


@dead_letters.command("list")
def list_refused(
    owner: Annotated[str | None, typer.Option("--owner", help="Only of this owner's filters.")] = None,
    sink: OfSink = None,
    over_quota: OverQuota = False,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of lines.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List messages that could not be delivered, newest first."""
    from broker_assets.delivery.backlog import refused

    with database(load_settings()) as connection:
        found = refused(connection, state=_state(over_quota), owner=owner, sinkid=sink, limit=limit)
    if as_json:
        for row in found:
            echo(json.dumps(row, default=str))
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("number", "sink", "filter", "owner", "target", "trigger", "attempts", "why"):
        table.add_column(column, overflow="fold")
    for row in found:
        table.add_row(
            *(str(row[name]) for name in ("deliveryid", "sinkid", "filterid")), escape(row["owner"]),
            escape(row["target"]), row["trigger"], str(row["attempts"]), escape(row["failure"] or ""),
        )  # fmt: skip
    terminal().print(table if found else "There are none.")


@dead_letters.command("retry")
def retry_refused(
    numbers: Numbers = None,
    sink: OfSink = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    over_quota: OverQuota = False,
) -> None:
    """Retry messages that could not be delivered."""
    _settle(numbers, sink, every=every, over_quota=over_quota, dismiss=False)


@dead_letters.command("dismiss")
def dismiss_refused(
    numbers: Numbers = None,
    sink: OfSink = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    over_quota: OverQuota = False,
) -> None:
    """Dismiss messages that could not be delivered."""
    _settle(numbers, sink, every=every, over_quota=over_quota, dismiss=True)


def _settle(numbers: list[int] | None, sink: int | None, *, every: bool, over_quota: bool, dismiss: bool) -> None:
    from broker_assets.delivery.backlog import refused, retry

    if not numbers and sink is None and not every:
        raise typer.BadParameter("give numbers of messages, --sink, or --all")
    with database(load_settings()) as connection:
        count = retry(connection, numbers=numbers or None, sinkid=sink, state=_state(over_quota), dismiss=dismiss)
        left = refused(connection, numbers=numbers or None, state=_state(over_quota), sinkid=sink, limit=1)
    if numbers and not count and not left:
        kind = "over a quota" if over_quota else "among the dead letters"
        raise LookupError(f"none of these is {kind}: {', '.join(map(str, numbers))}")
    terminal().print(f"{count} messages {'are dismissed' if dismiss else 'are sent again'}.", highlight=False)
    if left:
        terminal().print(
            "Some can only be dismissed: their sink was removed, or their content is kept no longer.", highlight=False
        )


def _state(over_quota: bool) -> Literal["dead", "over_quota"]:
    return "over_quota" if over_quota else "dead"
