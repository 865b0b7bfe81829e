"""`broker-assets notices`: events of notices with an error circle, and the cones that they have in moving lists."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.lists.change import open_database, say
from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import MovingListSettings, load_settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Notices of events with an error circle: gamma-ray bursts, X-ray transients, neutrinos.",
)

AsJson = Annotated[bool, typer.Option("--json", help="As one JSON document.")]


class UnknownMovingList(LookupError):
    """The settings have no moving list of this name."""


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="A notice: JSON in GCN's schema, or a VOEvent; - is standard input.")],
    stream: Annotated[
        str | None,
        typer.Option("--list", help="The moving list; needed if the settings have several.", show_default=False),
    ] = None,
) -> None:
    """Apply a notice from a file, as if it had arrived on its topic.

    Notices may be applied repeatedly and in any order: the event ends up with the same cones.

    Example: `broker-assets notices apply notice.xml --list "GCN bursts"`
    """
    import sys

    from broker_assets.sky.event_notices import read_event_notice
    from broker_assets.sky.moving_lists import apply_event_notice

    settings = load_settings()
    wanted = _moving_list(settings.notices.lists, stream)
    content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    notice = read_event_notice(content, limits=settings.limits)
    with open_database() as connection:
        applied = apply_event_notice(connection, notice, wanted, topic=f"file {file.name}")
    say(applied.effect)
    if applied.added or applied.removed:
        say("A running platform matches past objects within about half a minute.")


@app.command("list")
def list_events(
    stream: Annotated[str | None, typer.Option("--list", help="Only this moving list.", show_default=False)] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Include events that are no longer matched.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number, newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the events that have a cone, newest first, with the objects inside.

    Example: `broker-assets notices list --list "GCN bursts" --ended`
    """
    from broker_assets.sky.event_overview import events

    with open_database() as connection:
        found = events(connection, stream=stream, ended=ended, limit=limit)
    if as_json:
        echo(json.dumps(found, indent=1, default=str))
        return
    if not found:
        say("No event has a cone; the setting notices.lists names the lists and their topics (docs/matching.md).")
        return
    table = _table("list", "event", "kind", "time", "RA", "Dec", "radius", "hits", "until")
    for row in found:
        table.add_row(
            escape(row["stream"]), escape(row["name"]), row["kind"], _utc(row["trigger_tai"]), f"{row['ra']:.5f}",
            f"{row['decl']:+.5f}", _radius(row["radius"]), f"{row['hits']:,}", row["ended"] or _utc(row["mjd_until"]),
        )  # fmt: skip
    terminal().print(table)


@app.command()
def show(
    event: Annotated[str, typer.Argument(help="Identifier of the event, as shown by `list --json`.")],
    as_json: AsJson = False,
) -> None:
    """Show the notices received for an event, oldest first, and why it has no cone if it has none.

    Example: `broker-assets notices show 1299999`
    """
    from broker_assets.sky.event_overview import received

    with open_database() as connection:
        found = received(connection, event)
    if as_json:
        echo(json.dumps(found, indent=1, default=str))
    elif not found:
        say(f"No notice of {event} was received.")
    else:
        table = _table("list", "name", "kind", "number", "issued", "topic", "remark")
        for row in found:
            issued = "" if row["issued_at"] is None else _time(row["issued_at"])
            table.add_row(
                escape(row["stream"]), escape(row["name"]), row["kind"], str(row["number"]), issued,
                escape(row["topic"]), escape(row["remark"] or ""),
            )  # fmt: skip
        terminal().print(table)
    if not found:
        raise typer.Exit(1)


def _moving_list(lists: list[MovingListSettings], name: str | None) -> MovingListSettings:
    known = ", ".join(repr(one.name) for one in lists) or "none"
    if name is None and len(lists) == 1:
        return lists[0]
    found = next((one for one in lists if name is not None and one.name.lower() == name.lower()), None)
    if found is None:
        what = "--list is needed" if name is None else f"there is no moving list {name!r}"
        raise UnknownMovingList(f"{what}; the settings have: {known} (notices.lists)")
    return found


def _radius(arcsec: float) -> str:
    """A radius in a suitable unit.

    Examples
    --------
    >>> _radius(5.0), _radius(180.0), _radius(7200.0)
    ('5″', '3′', '2°')
    """
    for unit, size in (("°", 3600.0), ("′", 60.0)):
        if arcsec >= size:
            return f"{arcsec / size:.3g}{unit}"
    return f"{arcsec:.3g}″"


def _utc(mjd_tai: float) -> str:
    from astropy.time import Time

    return str(Time(mjd_tai, format="mjd", scale="tai").utc.strftime("%Y-%m-%d %H:%M:%S"))


def _time(when: datetime.datetime) -> str:
    return f"{when.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S}"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        right = column in ("RA", "Dec", "radius", "hits", "number")
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    return table
