"""`broker-assets delivery feeds`: changes of objects that a user has already received."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.status import connected_or_given, database
from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Feeds of changes to objects: add, list, read, remove.")

Owner = Annotated[str, typer.Argument(help="Whose feed it is.")]
Name = Annotated[str, typer.Argument(help="Name of the feed.")]


@app.command("add")
def add(
    owner: Owner,
    name: Name,
    filterid: Annotated[int | None, typer.Option("--filter", help="Objects that this filter has matched.")] = None,
    watchlist: Annotated[int | None, typer.Option("--watchlist", help="Objects in this watchlist.")] = None,
    objects: Annotated[list[int] | None, typer.Option("--object", help="This object; may be repeated.")] = None,
    url: Annotated[str | None, typer.Option(help="Webhook to which changes are sent.")] = None,
) -> None:
    """Create a feed of changes from now on.

    Example: `broker-assets delivery feeds add ann hosts --watchlist 5 --url https://ann.example/changes`
    """
    from broker_assets.delivery.changes import Held, add_feed

    settings = connected_or_given(load_settings())
    held = Held(filterid, watchlist, None if objects is None else tuple(objects))
    with database(settings) as connection:
        add_feed(connection, settings.delivery, owner, name, held, url)
    terminal().print(f"The feed {escape(name)} of {escape(owner)} begins now.", highlight=False)


@app.command("list")
def list_feeds() -> None:
    """List the feeds."""
    from broker_assets.delivery.changes import feeds

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("owner", "feed", "objects", "webhook", "up to batch", "failure"):
        table.add_column(column)
    with database(load_settings()) as connection:
        found = feeds(connection)
    for feed in found:
        held = (
            f"of filter {feed.filterid}" if feed.filterid is not None
            else f"of watchlist {feed.wl_id}" if feed.wl_id is not None
            else f"{len(feed.objects or ()):,}"
        )  # fmt: skip
        told = (feed.owner, feed.name, held, feed.url or "-", str(feed.cursor), feed.failure or "")
        table.add_row(*map(escape, told))
    terminal().print(table if found else "There are no feeds.")


@app.command("read")
def read(
    owner: Owner,
    name: Name,
    keep: Annotated[
        bool, typer.Option("--keep", help="Do not advance the feed: the next reading prints the same again.")
    ] = False,
) -> None:
    """Print what has changed since the last reading, as JSON, one object per line."""
    from broker_assets.delivery.changes import move_feed, read_feed

    with database(load_settings()) as connection:
        connection.autocommit = True  # its own transaction would be one of those that the next page waits for
        while True:
            found = read_feed(connection, owner, name, move=False)
            for one in found.objects:
                echo(json.dumps(one, default=str))
            if keep:
                break
            # Only now: what a full disk or a closed pipe does not take is printed the next time.
            sys.stdout.flush()
            move_feed(connection, owner, name, found.cursor)
            if not found.more:
                break
    if keep and found.more:
        terminal().print("There is more; read without --keep to go on.")


@app.command("remove")
def remove(owner: Owner, name: Name) -> None:
    """Remove a feed."""
    from broker_assets.delivery.changes import remove_feed
    from broker_assets.delivery.errors import SinkError

    with database(load_settings()) as connection:
        if not remove_feed(connection, owner, name):
            raise SinkError(f"{owner} has no feed named {name!r}")
    terminal().print(f"The feed {escape(name)} is removed.", highlight=False)
