"""`broker-assets status`."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from broker_assets.accounting.ledger import Batch
    from broker_assets.monitoring.alerts import OpenAlert
    from broker_assets.monitoring.status import Status

SHOWN_ALERTS = 10
COLOURS = {"running": "green", "starting": "yellow", "waiting": "yellow", "stopped": "red", "unavailable": "red"}

SHOWN_GROUPS = 20
"""Most lines about stale artefacts."""


def connected_or_given(settings: Settings) -> Settings:
    """The settings with the addresses of the platform running here, if there is one."""
    from broker_assets.local.platform import NotRunningError, connected

    try:
        return connected(settings)
    except NotRunningError:
        return settings


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Everything as one JSON document.")] = False,
    batches: Annotated[int, typer.Option(min=1, help="Number of recent batches to list.")] = 5,
) -> None:
    """Show services, lag, open alerts, the latest batches, quarantine and what is stale.

    The exit code is 0 if all is well, and 1 if something does not work: a service or server is unavailable, the ledger
    does not balance, a stream has stalled, a check, run, backfill or sensor has failed, an asset is overdue, alerts
    cannot be sent, or the process that watches for all this does not run. Warnings, quarantined messages and stale
    assets alone are notices.

    Examples:

    `broker-assets status`

    `broker-assets status --json | jq .streams`
    """
    from broker_assets.monitoring.status import gather
    from broker_assets.resources.kafka import Kafka

    settings = connected_or_given(load_settings())
    found = gather(settings, Kafka.of(settings), batches=batches)
    if as_json:
        echo(found.model_dump_json(indent=1))
    else:
        _show(found)
    if not found.healthy:
        raise typer.Exit(1)


def _table(title: str, *columns: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(title=title, title_style="bold", title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", header_style="dim", overflow="fold")
    return table


def _show(found: Status) -> None:
    verdict = "[green]All is well.[/green]" if found.healthy else "[bold red]Something does not work.[/bold red]"
    terminal().print(f"{verdict} [dim]{found.at:%Y-%m-%d %H:%M:%S} UTC[/dim]", highlight=False)
    for problem in found.problems:
        terminal().print(f"[red]✗[/red] {escape(problem)}", highlight=False)
    for notice in found.notices:
        terminal().print(f"[yellow]![/yellow] {escape(notice)}", highlight=False)
    services = _table("\nServices", "service", "state", "pid", "address", right=("pid",))
    for service in found.services:
        colour = COLOURS.get(service.state, "white")
        again = f" ({service.restarts} restarts)" if service.restarts else ""
        state = f"[{colour}]{service.state}[/{colour}]{again}"
        services.add_row(service.name, state, str(service.pid or ""), escape(service.address))
    terminal().print(services)
    streams = _table(
        "\nStreams", "topic", "partition", "position", "end", "lag", right=("partition", "position", "end", "lag")
    )
    for stream in found.streams:
        if not stream.partitions:
            streams.add_row(stream.topic, "", "", "", escape(stream.detail))
            continue
        for partition in stream.partitions:
            position = "-" if partition.position is None else f"{partition.position:,}"
            lag = f"[yellow]{partition.lag:,}[/yellow]" if partition.lag else "?" if partition.lag is None else "0"
            streams.add_row(stream.topic, str(partition.partition), position, f"{partition.end:,}", lag)
    terminal().print(streams)
    if found.canary_at is not None and found.canary_latency is not None:
        took = _duration(found.canary_latency)
        terminal().print(f"\n[bold]Canary[/bold]  last {found.canary_at:%m-%d %H:%M:%S}, in {took}", highlight=False)
    if found.alerts:
        terminal().print(alert_table(found.alerts[:SHOWN_ALERTS], found.at))
        if len(found.alerts) > SHOWN_ALERTS:
            terminal().print(f"[dim]… and {len(found.alerts) - SHOWN_ALERTS:,} more: `broker-assets alerts list`[/dim]")
    if (totals := found.totals) is not None:
        terminal().print(
            f"\n[bold]Ledger[/bold]  {totals.received:,} received = {totals.stored:,} stored + {totals.duplicate:,} "
            f"duplicate + {totals.quarantined:,} quarantined, in {totals.batches:,} "
            f"batch{'' if totals.batches == 1 else 'es'}",
            highlight=False,
        )
    if found.batches:
        terminal().print(_batches(found.batches))
    if found.quarantine:
        quarantine = _table("\nQuarantine", "waiting", "topic", "since", "reason", right=("waiting",))
        for reason in found.quarantine[:10]:
            quarantine.add_row(f"{reason.waiting:,}", reason.topic, f"{reason.oldest:%m-%d %H:%M}", escape(reason.kind))
        terminal().print(quarantine)
    if (outbox := found.outbox) is not None and (outbox.waiting or outbox.dead):
        terminal().print(
            f"\n[bold]Outbox[/bold]  {outbox.waiting:,} messages wait, {outbox.due:,} of them are due, the oldest for "
            f"{_duration(outbox.oldest_due)}; {outbox.dead:,} dead letters; {outbox.failing:,} sinks fail",
            highlight=False,
        )
    if found.stale_groups:
        stale = _table("\nStale", "asset", "number", "partitions", "why", "automation", right=("number",))
        for group in found.stale_groups[:SHOWN_GROUPS]:
            some = ", ".join(group.partitions[:3]) + (" …" if len(group.partitions) > 3 else "")
            automation = found.automation.get(group.asset, "")
            stale.add_row(group.asset, f"{group.count:,}", some, escape(group.reason), escape(automation))
        terminal().print(stale)
        if len(found.stale_groups) > SHOWN_GROUPS:
            terminal().print(f"[dim]… and {len(found.stale_groups) - SHOWN_GROUPS:,} more; --json lists them[/dim]")


def alert_table(alerts: Sequence[OpenAlert], now: datetime.datetime) -> Table:
    """Open alerts, one line each."""
    table = _table("\nOpen alerts", "alert", "since", "seen", "what", right=("since", "seen"))
    for alert in alerts:
        colour = "red" if alert.severity == "error" else "yellow"
        since = _duration((now - alert.first_at).total_seconds())
        table.add_row(f"[{colour}]{alert.number}[/{colour}]", since, str(alert.count), escape(alert.subject))
    return table


def _batches(batches: list[Batch]) -> Table:
    right = ("batch", "received", "stored", "dup", "quar", "per s", "p50")
    table = _table("Latest batches", "batch", "topic", "ended", *right[1:], right=right)
    for batch in batches:
        seconds = (batch.finished_at - batch.started_at).total_seconds() if batch.finished_at else 0.0
        topic = batch.topic if batch.kind == "stream" else f"{batch.topic} ({batch.kind})"
        table.add_row(
            str(batch.ingestid),
            escape(topic),
            f"{batch.finished_at:%m-%d %H:%M:%S}" if batch.finished_at else "",
            f"{batch.received:,}",
            f"{batch.stored:,}",
            f"{batch.duplicate:,}",
            f"[red]{batch.quarantined:,}[/red]" if batch.quarantined else "0",
            f"{batch.received / seconds:,.0f}" if seconds > 0 else "",
            "" if batch.latency_p50 is None else _duration(batch.latency_p50),
        )
    return table


def _duration(seconds: float) -> str:
    """Format seconds in a suitable unit.

    Examples
    --------
    >>> _duration(2.34), _duration(600), _duration(90000)
    ('2.3 s', '10 min', '25 h')
    """
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def database(settings: Settings) -> Any:
    """A connection to the database of the settings or of the platform running here."""
    from broker_assets.database.engine import connect

    return connect(database_url(settings), application="broker-assets command")


def database_url(settings: Settings) -> str:
    """SQLAlchemy URL of the database of the settings or of the platform that runs here."""
    from broker_assets.local.platform import connected

    url = settings.database.url or connected(settings).database.url
    if url is None:
        raise LookupError("no database is configured: set BROKER_DATABASE__URL")
    return url.get_secret_value()
