"""`broker-assets quarantine`: packets that could not be read, kept until a fix turns them into rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.output import write_output
from broker_assets.commands.reporting import NO_DAGSTER, report_nights
from broker_assets.commands.status import connected_or_given, database
from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    import psycopg

    from broker_assets.accounting.quarantine import ReasonGroup, State
    from broker_assets.stream.retry import RetryReport

app = typer.Typer(no_args_is_help=True, help="Packets that could not be read: list, show, retry, dismiss.")

Topic = Annotated[str | None, typer.Option("--topic", "-t", help="Only this topic.")]
Reason = Annotated[
    str | None, typer.Option("--reason", "-r", help="Only with this reason, as `list` shows it, or a part of it.")
]
Entries = Annotated[list[int] | None, typer.Argument(help="Numbers of entries, as listed by `list`.")]


@app.command("list")
def list_entries(
    topic: Topic = None,
    entries: Annotated[
        bool, typer.Option("--entries", help="Each message, instead of one line per topic and kind of reason.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="With --entries: include resolved and dismissed entries.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of lines.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document per line, without the bytes.")] = False,
) -> None:
    """List quarantined messages: how many wait, by topic and kind of reason, with one example of each.

    The example is the number of an entry that `quarantine show` explains. `…` is where reasons differ.

    Examples:

    `broker-assets quarantine list --topic rubin-alerts`

    `broker-assets quarantine list --entries`
    """
    from broker_assets.accounting.quarantine import counts, groups

    with database(load_settings()) as connection:
        numbers = counts(connection)
        if entries or every:
            _list_entries(connection, topic, every=every, limit=limit, as_json=as_json)
        else:
            _list_groups(groups(connection, topic=topic, limit=limit), as_json=as_json, limit=limit)
    if not as_json:
        terminal().print(_totals(numbers, topic), highlight=False)


def _totals(numbers: Mapping[tuple[str, State], int], topic: str | None) -> str:
    """How many wait, and what became of the others."""
    from broker_assets.accounting.quarantine import WAITING

    by_topic: Counter[str] = Counter()
    by_state: Counter[str] = Counter()
    for (name, state), count in numbers.items():
        if topic in (None, name):
            by_state[state] += count
            by_topic[name] += count if state in WAITING else 0
    waiting = by_topic.total()
    if not waiting:
        text = "The quarantine is empty"
    else:
        of = ", ".join(f"{count:,} of {name}" for name, count in by_topic.most_common() if count)
        text = f"{waiting:,} wait: {of}; {by_state['retried']:,} of them failed again"
    settled = [f"{by_state[state]:,} {state}" for state in ("resolved", "dismissed") if by_state[state]]
    others = f" ({', '.join(settled)})" if settled else ""
    return f"{text}{others}."


def _list_groups(found: Sequence[ReasonGroup], *, as_json: bool, limit: int) -> None:
    if as_json:
        for group in found:
            echo(group.model_dump_json())
        return
    if not found:
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("waiting", "topic", "since", "example", "reason"):
        table.add_column(column, overflow="fold", justify="right" if column in ("waiting", "example") else "left")
    for group in found:
        since = f"{group.oldest:%m-%d %H:%M}"
        table.add_row(f"{group.waiting:,}", group.topic, since, str(group.example), escape(group.kind))
    terminal().print(table)
    if len(found) == limit:
        terminal().print(f"[dim]Showing the first {limit}; --limit shows more.[/dim]")


def _list_entries(
    connection: psycopg.Connection[Any], topic: str | None, *, every: bool, limit: int, as_json: bool
) -> None:
    from broker_assets.accounting.quarantine import WAITING, entries

    states: tuple[State, ...] = (*WAITING, "resolved", "dismissed") if every else WAITING
    found = entries(connection, states=states, topic=topic, limit=limit)
    if as_json:
        for entry in found:
            echo(entry.model_dump_json(exclude={"payload", "traceback", "key"}))
        return
    if not found:
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
    reason: Reason = None,
) -> None:
    """Read quarantined messages again, after a fix; those that can now be read become rows.

    Reads all waiting entries, or those given. The nights whose rows change are reported to Dagster, and their checks
    are run. The exit code is 1 if some failed again.

    Examples:

    `broker-assets quarantine retry`

    `broker-assets quarantine retry 17 18`

    `broker-assets quarantine retry --reason "schema … is unknown"`
    """
    from broker_assets.accounting.quarantine import counts, matching
    from broker_assets.enrichment_plan import enrichment_plan
    from broker_assets.resources.decoders import Decoders
    from broker_assets.stream.annotation_messages import annotator_of
    from broker_assets.stream.broker_message_batches import retry_broker_messages
    from broker_assets.stream.broker_message_run import stream_named as broker_stream_named
    from broker_assets.stream.broker_messages import broker_of
    from broker_assets.stream.notices import notice_topics
    from broker_assets.stream.one_by_one import retry_each
    from broker_assets.stream.retry import retry_quarantine

    settings = connected_or_given(load_settings())
    with database(settings) as connection:
        chosen = _chosen(connection, entry, topic, reason) if entry or reason else None
        waiting = counts(connection)
        topics = sorted({name for name, state in waiting if state in ("open", "retried") and topic in (None, name)})
        if chosen is not None:
            of_topics = {name: set(matching(connection, topic=name)) for name in topics}
            topics = [name for name in topics if of_topics[name] & set(chosen)]
    if not topics:
        terminal().print("The quarantine is empty." if chosen is None else "No waiting message has this reason.")
        return
    url = settings.database.url.get_secret_value() if settings.database.url else ""
    notices = notice_topics(settings)
    plan = enrichment_plan(settings)
    failed = 0
    for name in topics:
        if annotator_of(name) is not None:
            report = _retry_annotations(settings, name, chosen)
        elif broker_of(name) is not None:
            report = retry_broker_messages(
                url, broker_stream_named(settings, name), settings.survey, quarantineids=chosen
            )
        elif name in notices:
            report = retry_each(url, notices[name], quarantineids=chosen)
        else:
            report = retry_quarantine(
                url,
                settings.archive,
                Decoders(settings).factory(settings.stream(name)),
                topic=name,
                plan=plan,
                quarantineids=chosen,
                attempt_limits=settings.attempts,
            )
            if report.nights and not report_nights(settings, plan, report.nights, report.data_versions, adds=True):
                terminal().print(NO_DAGSTER, highlight=False)
        failed += report.failed
        terminal().print(
            f"{name}: {report.retried:,} read again: {report.stored:,} stored, {report.duplicate:,} duplicate, "
            f"{report.failed:,} failed again",
            highlight=False,
        )
        for text, number in report.reasons.most_common(5):
            terminal().print(f"  {number:,} × {escape(_short(text))}", highlight=False)
    if failed:
        raise typer.Exit(1)


def _retry_annotations(settings: Settings, name: str, chosen: Sequence[int] | None) -> RetryReport:
    """Apply quarantined messages of an annotator again, read as its source says now."""
    from broker_assets.stream.annotation_lag import stream_named
    from broker_assets.stream.annotation_retry import retry_annotations

    with database(settings) as connection:
        stream = stream_named(connection, name)
    url = settings.database.url.get_secret_value() if settings.database.url else ""
    return retry_annotations(url, stream, settings.annotations, quarantineids=chosen)


def _chosen(
    connection: psycopg.Connection[Any], numbers: Sequence[int] | None, topic: str | None, reason: str | None
) -> list[int]:
    """Waiting entries of these numbers, or with this topic and reason.

    Raises
    ------
    LookupError
        If an entry of a number does not wait.
    """
    from broker_assets.accounting.quarantine import matching

    if not numbers:
        return matching(connection, topic=topic, reason=reason)
    missing = set(numbers) - set(matching(connection, topic=topic, reason=reason))
    if missing:
        raise LookupError(f"not waiting in quarantine: {', '.join(map(str, sorted(missing)))}")
    return list(numbers)


@app.command()
def dismiss(
    entry: Entries = None,
    topic: Topic = None,
    reason: Reason = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Mark messages as not worth reading; they stay in the database with their bytes.

    Give their numbers; or a topic or reason, to dismiss all its waiting messages after confirmation.

    Examples:

    `broker-assets quarantine dismiss 17 18`

    `broker-assets quarantine dismiss --topic ztf-alerts --reason "schema … is unknown"`
    """
    from broker_assets.accounting.quarantine import dismiss as dismiss_entries

    if not entry and topic is None and reason is None:
        raise typer.BadParameter("give numbers of entries, --topic or --reason")
    with database(load_settings()) as connection:
        chosen = _chosen(connection, entry, topic, reason)
        if not chosen:
            terminal().print("No waiting message is of this topic and reason.")
            return
        if not entry and not yes:
            typer.confirm(f"Dismiss {len(chosen):,} messages?", abort=True)
        with connection.transaction():
            number = dismiss_entries(connection, chosen)
    terminal().print(f"{number:,} of {len(chosen):,} dismissed.")
    if number < len(chosen):
        raise typer.Exit(1)
