"""`broker-assets status` and `why`."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from broker_assets.accounting.ledger import Batch
    from broker_assets.monitoring.status import Status
    from broker_assets.provenance.product_files import FileWhy
    from broker_assets.provenance.versions import ArtefactEntry
    from broker_assets.provenance.why import Why

COLOURS = {"running": "green", "starting": "yellow", "waiting": "yellow", "stopped": "red", "unavailable": "red"}


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
    """Show services, lag, the latest batches, quarantine and what is stale.

    The exit code is 0 if all is well, and 1 if something does not work: a service or server is unavailable, the ledger
    does not balance, or a stream has stalled. Quarantined messages and stale assets alone are notices.

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
            lag = f"[yellow]{partition.lag:,}[/yellow]" if partition.lag else "0"
            streams.add_row(stream.topic, str(partition.partition), position, f"{partition.end:,}", lag)
    terminal().print(streams)
    totals = found.totals
    terminal().print(
        f"\n[bold]Ledger[/bold]  {totals.received:,} received = {totals.stored:,} stored + {totals.duplicate:,} "
        f"duplicate + {totals.quarantined:,} quarantined, in {totals.batches:,} batches",
        highlight=False,
    )
    if found.batches:
        terminal().print(_batches(found.batches))
    if found.quarantine:
        quarantine = _table("\nQuarantine", "waiting", "topic", "since", "reason", right=("waiting",))
        for reason in found.quarantine[:10]:
            quarantine.add_row(
                f"{reason.waiting:,}", reason.topic, f"{reason.oldest:%m-%d %H:%M}", escape(reason.reason)
            )
        terminal().print(quarantine)
    if found.stale:
        stale = _table("\nStale", "asset", "partition", "why")
        for artefact in found.stale[:10]:
            stale.add_row(artefact.asset, artefact.partition, escape(artefact.reason))
        terminal().print(stale)
        if found.stale_count > 10:
            terminal().print(f"[dim]… and {found.stale_count - 10:,} more; --json lists them[/dim]")


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


def why(
    what: Annotated[
        str, typer.Argument(help="diaSourceId, name of a product file, or asset with or without partition: ASSET:KEY.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON document.")] = False,
) -> None:
    """Show where a source, a product file or an asset comes from.

    A source: packet, batch, archive file, code version and Kafka offsets. A product file: inputs and parents with
    checksums, telemetry files, code version, run; the current version first, then those before it. An asset, or one
    partition of it: data version, code version, run, and the versions of its inputs.

    Examples: `broker-assets why 168110947020308481`,
    `broker-assets why solo_L1_stix-ql-lightcurve_20231101_V02.fits`, `broker-assets why sources:2025-10-01`,
    `broker-assets why cone_index`
    """
    import json

    from broker_assets.provenance import product_files, versions
    from broker_assets.provenance.why import why as trace

    found: Sequence[Why | FileWhy | ArtefactEntry]
    with database(load_settings()) as connection:
        is_source = what.removeprefix("-").isdigit()
        found = trace(connection, int(what)) if is_source else product_files.why(connection, what)
        if not found and not is_source:
            asset, _, partition = what.partition(":")
            version = versions.current(connection, asset, partition)
            found = [] if version is None else [version]
    if as_json:
        echo(json.dumps([item.model_dump(mode="json") for item in found], indent=1))
    if not found:
        kind = "source" if is_source else "product file or asset"
        raise LookupError(f"there is no {kind} {what} in the database")
    if as_json:
        return
    for item in found:
        table = _table("", "", "")
        table.show_header = False
        for name, value in item.model_dump(exclude={"ranges", "used", "inputs"}).items():
            table.add_row(name.replace("_", " "), escape(_text(value)))
        for name, text in _origins(item):
            table.add_row(name, escape(text))
        terminal().print(table)


def _origins(item: Why | FileWhy | ArtefactEntry) -> Iterator[tuple[str, str]]:
    """What a source, a file or an asset was made from, one line each."""
    for entry in getattr(item, "inputs", ()):
        yield "input", f"{entry.asset}{':' if entry.partition else ''}{entry.partition} {entry.data_version}"
    if url := getattr(item, "archive_url", None):
        yield "message", _message(url, item)
    for part in getattr(item, "ranges", ()):
        offsets = f"offsets {part.first_offset} to {part.next_offset - 1}, {part.received} messages"
        yield f"partition {part.partition}", offsets
    for use in getattr(item, "used", ()):
        known = " ".join(text for text in (use.version, f"({use.detail})" if use.detail else "") if text)
        yield {"raw": "telemetry file"}.get(use.kind, use.kind), f"{use.name} {known}".rstrip()


def _message(url: str, item: Any) -> str:
    """Where the packet was in Kafka; its block in the archive says so."""
    from broker_assets.packets.archive import ArchiveError, read_packet

    try:
        packet = read_packet(url, item.archiveposition, item.archivelength)
    except (ArchiveError, OSError) as error:
        return f"not known: {error}"
    return f"partition {packet.partition}, offset {packet.offset}"


def _text(value: Any) -> str:
    if isinstance(value, datetime.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return "-" if value is None else str(value)


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
