"""`broker-assets telemetry status`."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.status import connected_or_given
from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import load_settings

if TYPE_CHECKING:
    from broker_assets.monitoring.telemetry.overview import Overview

LISTED = 10
"""Number of files and reasons in a table; `--json` has more."""


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Everything as one JSON document.")] = False,
) -> None:
    """Show what arrived, what was made from it, what was delivered, and what needs attention.

    Reads the database, the packet store and the folder of kernels; Dagster need not run. The exit code is 0 if nothing
    needs attention or telemetry is not configured, and 1 if something needs attention.

    Examples:

    `broker-assets telemetry status`

    `broker-assets telemetry status --json | jq .attention`
    """
    from broker_assets.monitoring.telemetry.overview import overview

    found = overview(connected_or_given(load_settings()))
    if as_json:
        echo(found.model_dump_json(indent=1))
    else:
        _show(found)
    if not found.healthy:
        raise typer.Exit(1)


def _show(found: Overview) -> None:
    if not found.configured:
        terminal().print(
            "Telemetry is not configured: set BROKER_TELEMETRY__INCOMING, BROKER_TELEMETRY__DATABASES and "
            "BROKER_TELEMETRY__CONFIGURATION (or the section telemetry of broker.toml).",
            highlight=False,
        )
        for problem in found.problems:
            terminal().print(f"[yellow]![/yellow] {escape(problem)}", highlight=False)
        return
    verdict = "[green]All is well.[/green]" if found.healthy else "[bold red]Something needs attention.[/bold red]"
    terminal().print(f"{verdict} [dim]{found.at:%Y-%m-%d %H:%M:%S} UTC[/dim]", highlight=False)
    for problem in found.problems:
        terminal().print(f"[red]✗[/red] {escape(problem)}", highlight=False)
    for item in found.attention:
        mark = "[red]✗[/red]" if item.severity == "error" else "[yellow]![/yellow]"
        terminal().print(f"{mark} [bold]{escape(item.subject)}[/bold] {escape(item.text)}", highlight=False)
    for table in (
        _folders(found),
        _troubled(found),
        _quarantine(found),
        _families(found),
        _incomplete(found),
        _levels(found),
    ):
        if table is not None:
            terminal().print(table)
    _show_kernels(found)
    for table in (_targets(found), _held(found), _alerts(found)):
        if table is not None:
            terminal().print(table)


def _table(title: str, *columns: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(
        title=f"\n{title}", title_style="bold", title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", header_style="dim", overflow="fold")
    return table


def _number(value: int | None, colour: str = "") -> str:
    if value is None:
        return "-"
    return f"[{colour}]{value:,}[/{colour}]" if colour and value else f"{value:,}"


def age(since: datetime.datetime | None, now: datetime.datetime) -> str:
    """Format the age of something in a suitable unit.

    Examples
    --------
    >>> now = datetime.datetime(2024, 5, 2, tzinfo=datetime.UTC)
    >>> [age(now - datetime.timedelta(minutes=m), now) for m in (5, 600, 6000)]
    ['5 min', '10 h', '4 d']
    """
    if since is None:
        return "-"
    minutes = (now - since).total_seconds() / 60.0
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 1440:.0f} d"


def size(number: int) -> str:
    """Format bytes in a suitable unit.

    Examples
    --------
    >>> size(512), size(5_000_000)
    ('1 kB', '5.0 MB')
    """
    if number < 1_000_000:
        return f"{max(1, round(number / 1e3))} kB"
    return f"{number / 1e6:.1f} MB" if number < 1_000_000_000 else f"{number / 1e9:.1f} GB"


def _folders(found: Overview) -> Table:
    numbers = ("waiting", "staged", "failed", "quarantined", "processed", "oldest", "last")
    table = _table("Incoming", "folder", *numbers, right=numbers)
    for folder in found.folders:
        table.add_row(
            escape(folder.folder),
            _number(folder.new, "yellow"),
            _number(folder.staged, "yellow"),
            _number(folder.failed, "red"),
            _number(folder.quarantined, "red"),
            _number(folder.processed),
            age(folder.oldest, found.at),
            age(folder.newest, found.at),
        )
    return table


def _troubled(found: Overview) -> Table | None:
    if not found.troubled:
        return None
    table = _table("Files that could not be read", "file", "state", "tries", "reason", right=("tries",))
    for file in found.troubled[:LISTED]:
        table.add_row(escape(file.name), file.state, str(file.tries + file.copies), escape(file.reason))
    return table


def _quarantine(found: Overview) -> Table | None:
    if not found.bad_packets:
        return None
    numbers = ("packets", "new", "files")
    table = _table("Packets in quarantine", *numbers, "reason", right=numbers)
    for item in found.bad_packets[:LISTED]:
        table.add_row(_number(item.packets), _number(item.recent, "yellow"), _number(item.files), escape(item.reason))
    return table


def _families(found: Overview) -> Table | None:
    if not found.families:
        return None
    table = _table("Packets", "family", "packets", "days", "newest day", "days missing", right=("packets", "days"))
    for family in found.families:
        missing = f"[yellow]{family.missing}[/yellow]: {family.missing_days}" if family.missing else "-"
        days = _number(family.days)
        if family.unsynchronised:
            days += f" [yellow]+ {family.unsynchronised} without clock[/yellow]"
        table.add_row(family.family, _number(family.packets), days, f"{family.newest or '-'}", missing)
    return table


def _incomplete(found: Overview) -> Table | None:
    if not found.incomplete:
        return None
    table = _table("Answers to requests with packets missing", "file", "since", "missing", right=("since",))
    for answer in found.incomplete[:LISTED]:
        table.add_row(escape(answer.name), age(answer.made_at, found.at), escape(answer.missing))
    return table


def _levels(found: Overview) -> Table | None:
    if not found.levels:
        return None
    table = _table(
        "Products", "level", "family", "files", "size", "newest day", "stale", right=("files", "size", "stale")
    )
    for level in found.levels:
        newest = f"{level.newest_day or '-'}"
        table.add_row(
            level.level, level.family, _number(level.files), size(level.bytes), newest, _number(level.stale, "yellow")
        )
    return table


def _show_kernels(found: Overview) -> None:
    kernels = found.kernels
    text = escape(", ".join(kernels.names) or kernels.detail)
    until = f", flown until {kernels.flown_until}" if kernels.flown_until else ""
    waiting = f", {found.without_kernels:,} files of level L0 have no L1 yet" if found.without_kernels else ""
    terminal().print(f"\n[bold]Kernels[/bold]  {text}{until}{waiting}", highlight=False)


def _targets(found: Overview) -> Table | None:
    if not found.targets:
        return None
    numbers = ("published", "supplements", "ignored", "due", "young", "held", "errors")
    table = _table("Publication", "target", *numbers, "last run", right=numbers)
    for target in found.targets:
        last = age(target.last_run, found.at) + (f" [red]{escape(target.failure)}[/red]" if target.failure else "")
        if target.mirror:
            table.add_row(f"{escape(target.target)} (copy)", _number(target.copied), *["-"] * 6, last)
            continue
        table.add_row(
            escape(target.target),
            _number(target.published),
            _number(target.supplements),
            _number(target.ignored + target.blacklisted),
            _number(target.waiting),
            _number(target.young),
            _number(target.held, "yellow"),
            _number(target.errors, "red"),
            last,
        )
    return table


def _held(found: Overview) -> Table | None:
    held = [(target.target, file) for target in found.targets for file in target.open]
    if not held:
        return None
    table = _table("Waiting for an operator", "file", "target", "since", "why", right=("since",))
    for target, file in held[:LISTED]:
        since = age(file.decided_at, found.at)
        table.add_row(escape(file.name), escape(target), since, escape(f"{file.status}: {file.reason}"))
    return table


def _alerts(found: Overview) -> Table | None:
    if not found.alerts:
        return None
    table = _table("Open alerts", "since", "seen", "subject", right=("since", "seen"))
    for alert in found.alerts[:LISTED]:
        table.add_row(age(alert.first_at, found.at), f"{alert.count:,}", escape(alert.subject))
    return table
