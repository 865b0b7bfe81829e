"""Shows watchlists and areas as text and tables."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from broker_assets.commands.terminal import terminal

if TYPE_CHECKING:
    from broker_assets.sky.overview import ConeEntry, Summary

COLOURS = {"matched": "green", "waiting": "yellow", "inactive": "dim", "expired": "dim"}


def one_line(entry: Summary) -> str:
    """A list described on one line."""
    seen = "public" if entry.public else "private"
    state = "" if entry.state in ("matched", "waiting") else f", {entry.state}"
    return f"{entry.kind.capitalize()} {entry.id} ({entry.name}) of {entry.owner}: {content(entry)}; {seen}{state}"


def content(entry: Summary) -> str:
    """What is in a list."""
    if entry.kind == "area":
        return f"{entry.square_degrees:,.6g} deg²"
    return f"{count(entry.cones, 'cone')}, radius {entry.radius:g}″ unless a cone has its own"


def count(number: int, thing: str) -> str:
    """A number of things.

    Examples
    --------
    >>> count(1, "cone"), count(1200, "hit")
    ('1 cone', '1,200 hits')
    """
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def summary_table(entries: Sequence[Summary]) -> Table:
    """A line for each list."""
    table = _table("number", "name", "owner", "content", "hits", "state", "seen by", "expires")
    for entry in entries:
        size = f"{entry.square_degrees:,.6g} deg²" if entry.kind == "area" else f"{entry.cones:,} × {entry.radius:g}″"
        colour = COLOURS[entry.state]
        table.add_row(
            str(entry.id),
            escape(entry.name),
            escape(entry.owner),
            size,
            f"{entry.hits:,}",
            f"[{colour}]{entry.state}[/{colour}]",
            "everyone" if entry.public else "owner",
            "" if entry.expires is None else f"{entry.expires.astimezone(datetime.UTC):%Y-%m-%d}",
        )
    return table


def show_details(entry: Summary, more: Sequence[tuple[str, str]] = ()) -> None:
    """Everything that is known of a list."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    rows = [
        ("description", entry.description or "-"),
        ("owner", entry.owner),
        ("seen by", "everyone" if entry.public else "its owner"),
        ("content", content(entry)),
        *more,
        ("matching", _matching(entry)),
        ("hits", f"{entry.hits:,}"),
        ("revision", str(entry.revision)),
        ("created", _time(entry.created)),
        ("changed", _time(entry.modified)),
        ("expires", "never" if entry.expires is None else _time(entry.expires)),
    ]
    for name, value in rows:
        table.add_row(name, escape(value))
    terminal().print(f"[bold]{entry.kind.capitalize()} {entry.id}[/bold]  {escape(entry.name)}", highlight=False)
    terminal().print(table)


def cone_table(cones: Sequence[ConeEntry]) -> Table:
    """A line for each cone."""
    table = _table("cone", "name", "RA", "Dec", "radius", "hits")
    for cone in cones:
        radius = "" if cone.radius is None else f"{cone.radius:g}″"
        name = escape(cone.name or "")
        table.add_row(str(cone.cone_id), name, f"{cone.ra:.6f}", f"{cone.dec:+.6f}", radius, f"{cone.hits:,}")
    return table


def _matching(entry: Summary) -> str:
    when = "" if entry.matched_at is None else _time(entry.matched_at)
    if entry.state == "matched":
        return f"new alerts, and past objects as of {when}"
    if entry.state == "waiting":
        before = f"; last matched {when}" if when else ""
        return f"waits for the running platform to match it with past objects{before}"
    reason = "it has expired" if entry.state == "expired" else "it is inactive"
    return f"none: {reason}" + ("; its hits wait for the running platform to remove them" if entry.behind else "")


def _table(*columns: str) -> Table:
    right = {"number", "hits", "cone", "RA", "Dec", "radius"}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def _time(when: datetime.datetime) -> str:
    return f"{when.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"
