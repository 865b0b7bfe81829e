"""`broker-assets quarantine`: packets that could not be read, kept until a fix turns them into rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.output import write_output
from broker_assets.commands.status import connected_or_given, database
from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Packets that could not be read: list, show, retry, dismiss.")

Topic = Annotated[str | None, typer.Option("--topic", "-t", help="Only this topic.")]
Entries = Annotated[list[int] | None, typer.Argument(help="Numbers of entries, as listed by `list`.")]


@app.command("list")
def list_entries(
    topic: Topic = None,
    every: Annotated[bool, typer.Option("--all", help="Include resolved and dismissed entries.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of entries.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document per line, without the bytes.")] = False,
) -> None:
    """List quarantined messages.

    Example: `broker-assets quarantine list --topic rubin-alerts`
    """
    from broker_assets.accounting.quarantine import State, entries

    waiting: tuple[State, ...] = ("open", "retried")
    states: tuple[State, ...] = (*waiting, "resolved", "dismissed") if every else waiting
    with database(load_settings()) as connection:
        found = entries(connection, states=states, topic=topic, limit=limit)
    if as_json:
        for entry in found:
            echo(entry.model_dump_json(exclude={"payload", "traceback", "key"}))
        return
    if not found:
        terminal().print("The quarantine is empty.")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("entry", "message", "state", "received", "bytes", "reason"):
        table.add_column(column, overflow="fold", justify="right" if column in ("entry", "bytes") else "left")
    for entry in found:
        message = f"{entry.topic}/{entry.partition}@{entry.offset}"
        when = f"{entry.created_at:%m-%d %H:%M}"
        size = f"{len(entry.payload):,}"
        table.add_row(str(entry.quarantineid), message, entry.state, when, size, escape(_short(entry.reason)))
    terminal().print(table)
    if len(found) == limit:
        terminal().print(f"[dim]Showing the first {limit}; --limit shows more.[/dim]")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 120 else line[:119] + "…"


@app.command()
def show(
    entry: Annotated[int, typer.Argument(help="Number of the entry.")],
    out: Annotated[
        Path | None, typer.Option(help="Write the message's bytes to this file; - is standard output.")
    ] = None,
) -> None:
    """Show why a message was quarantined, with the traceback, or write its bytes to a file.

    Examples:

    `broker-assets quarantine show 17`

    `broker-assets quarantine show 17 --out message.avro`
    """
    from broker_assets.accounting.quarantine import entries

    with database(load_settings()) as connection:
        found = entries(connection, states=("open", "retried", "resolved", "dismissed"), after=entry - 1, limit=1)
    if not found or found[0].quarantineid != entry:
        raise LookupError(f"the quarantine has no entry {entry}")
    one = found[0]
    if out is not None:
        write_output(out, one.payload)
        return
    terminal().print(
        f"[bold]{one.quarantineid}[/bold]  {one.topic}, partition {one.partition}, offset {one.offset}, "
        f"{len(one.payload):,} bytes, {one.state}",
        highlight=False,
    )
    terminal().print(f"received {one.created_at:%Y-%m-%d %H:%M:%S} UTC in batch {one.ingestid}", highlight=False)
    if one.resolved_at is not None:
        batch = f" in batch {one.resolved_ingestid}" if one.resolved_ingestid is not None else ""
        terminal().print(f"{one.state} {one.resolved_at:%Y-%m-%d %H:%M:%S} UTC{batch}", highlight=False)
    terminal().print(escape(one.reason), highlight=False)
    if one.traceback:
        terminal().print(escape(one.traceback), highlight=False, style="dim")
    terminal().print(f"first bytes: {one.payload[:32].hex(' ')}", highlight=False)


@app.command()
def retry(
    entry: Entries = None,
    topic: Topic = None,
) -> None:
    """Read quarantined messages again, after a fix; those that can now be read become rows.

    Reads all waiting entries, or those given. The exit code is 1 if some failed again.

    Examples:

    `broker-assets quarantine retry`

    `broker-assets quarantine retry 17 18`
    """
    from broker_assets.accounting.quarantine import counts, entries
    from broker_assets.resources.decoders import Decoders
    from broker_assets.stream.consumer import retry_each
    from broker_assets.stream.enrichments import enrichment_plan
    from broker_assets.stream.notices import notice_topic
    from broker_assets.stream.retry import retry_quarantine

    settings = connected_or_given(load_settings())
    with database(settings) as connection:
        if entry:
            found = [one for number in entry for one in entries(connection, after=number - 1, limit=1)]
            missing = set(entry) - {one.quarantineid for one in found}
            if missing:
                raise LookupError(f"not waiting in quarantine: {', '.join(map(str, sorted(missing)))}")
            topics = sorted({one.topic for one in found if one.quarantineid in entry})
        else:
            waiting = counts(connection)
            topics = sorted({name for name, state in waiting if state in ("open", "retried")})
    topics = [name for name in topics if topic in (None, name)]
    if not topics:
        terminal().print("The quarantine is empty.")
        return
    url = settings.database.url.get_secret_value() if settings.database.url else ""
    notices = settings.notice_location()
    failed = 0
    for name in topics:
        if notices is not None and name == notices.name:
            report = retry_each(url, notice_topic(name, settings.limits), quarantineids=entry or None)
        else:
            report = retry_quarantine(
                url,
                settings.archive,
                Decoders(settings).factory(settings.stream(name)),
                topic=name,
                plan=enrichment_plan(settings),
                quarantineids=entry or None,
                attempt_limits=settings.attempts,
            )
        failed += report.failed
        terminal().print(
            f"{name}: {report.retried:,} read again: {report.stored:,} stored, {report.duplicate:,} duplicate, "
            f"{report.failed:,} failed again",
            highlight=False,
        )
        for reason, number in report.reasons.most_common(5):
            terminal().print(f"  {number:,} × {escape(_short(reason))}", highlight=False)
    if failed:
        raise typer.Exit(1)


@app.command()
def dismiss(
    entry: Annotated[list[int], typer.Argument(help="Numbers of entries, as `list` shows them.")],
) -> None:
    """Mark messages as not worth reading; they stay in the database with their bytes.

    Example: `broker-assets quarantine dismiss 17 18`
    """
    from broker_assets.accounting.quarantine import dismiss as dismiss_entries

    with database(load_settings()) as connection, connection.transaction():
        number = dismiss_entries(connection, entry)
    terminal().print(f"{number} of {len(entry)} dismissed.")
    if number < len(entry):
        raise typer.Exit(1)
