"""`broker-assets watchlists`: add, list, show, update and remove sets of cones that alerts are matched with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from broker_assets.commands.lists import definition_files, options
from broker_assets.commands.lists.change import find, finish, new_owner, open_database, remove_list, say, to_change
from broker_assets.commands.lists.files import read_cones
from broker_assets.commands.lists.tables import cone_table, count, show_details, summary_table
from broker_assets.commands.output import write_output
from broker_assets.commands.sky import DEFAULT_RADIUS
from broker_assets.commands.terminal import echo, terminal

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Watchlists: sets of cones that alerts are matched with.",
)
definition_files.add_to(app, "watchlist")

File = Annotated[
    Path, typer.Argument(help="Lines `RA, Dec[, name[, radius in arcsec]]`; - is standard input.", show_default=False)
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Load the other lines of a file with bad ones, instead of nothing.")
]


class UnknownCone(LookupError):
    """A cone that is to be dropped is not in the list."""


@app.command()
def add(
    file: File,
    name: Annotated[str, typer.Option(help="Name, unique among yours.", show_default=False)],
    description: options.Description = None,
    radius: Annotated[float, typer.Option(help="Radius of cones without one of their own, arcsec.")] = DEFAULT_RADIUS,
    public: options.Public = False,
    active: options.Active = True,
    owner: options.Owner = None,
    expire: options.Expire = None,
    skip_bad: SkipBad = False,
    wait: options.Wait = False,
    timeout: options.Timeout = 120.0,
    as_json: options.AsJson = False,
) -> None:
    """Add a watchlist from a file.

    A file with a bad line is refused: the lines are shown with their number and the reason, and nothing is loaded
    (exit code 1).

    Examples:

    `broker-assets watchlists add quasars.csv --name quasars --radius 3`

    `broker-assets watchlists add - --name "my supernovae" --public --expire 2027-01-31 --wait < list.csv`
    """
    from broker_assets.sky.lists import create_watchlist

    account, until = new_owner(owner), options.expiry(expire)
    cones = read_cones(file, skip_bad=skip_bad)
    with open_database() as connection:
        watchlist = create_watchlist(
            connection,
            account,
            name,
            cones,
            radius=radius,
            description=description or "",
            active=active is not False,
            public=bool(public),
            expire=options.expiry_of_new(until),
        )
        finish(connection, "watchlist", watchlist, wait=wait, timeout=timeout, as_json=as_json, left_out=cones.bad)


@app.command("list")
def list_watchlists(
    owner: Annotated[str | None, typer.Option(help="Only those of this account.", show_default=False)] = None,
    as_json: options.AsJson = False,
) -> None:
    """List all watchlists, with their size, hits and whether they have been matched.

    Example: `broker-assets watchlists list --owner ann`
    """
    import json

    from broker_assets.sky.overview import summaries

    with open_database() as connection:
        found = summaries(connection, "watchlist", owner=owner)
    if as_json:
        echo(json.dumps([entry.model_dump(mode="json") for entry in found], indent=1))
    elif found:
        terminal().print(summary_table(found))
    else:
        say("There is no watchlist yet; `broker-assets watchlists add --help` shows how to add one.")


@app.command()
def show(
    which: options.Which,
    owner: options.Owner = None,
    cones: Annotated[int, typer.Option(min=0, help="How many of its cones to show.")] = 10,
    out: options.Out = None,
    as_json: options.AsJson = False,
) -> None:
    """Show a watchlist: its cones and hits, and whether past objects have been matched with it.

    With --out, write its cones in the form that `add` and `update --file` read.

    Examples:

    `broker-assets watchlists show quasars`

    `broker-assets watchlists show 7 --out quasars.csv`
    """
    import json

    from broker_assets.sky.overview import cone_entries, stored_cones
    from broker_assets.sky.watchlists import watchlist_lines

    with open_database() as connection:
        found = find(connection, "watchlist", which, owner)
        if out is not None:
            text = "".join(f"{line}\n" for line in watchlist_lines(stored_cones(connection, found.id)))
            write_output(out, text)
            return
        first = cone_entries(connection, found.id, limit=cones)
    if as_json:
        document = {**found.model_dump(mode="json"), "first_cones": [cone.model_dump(mode="json") for cone in first]}
        echo(json.dumps(document, indent=1))
        return
    show_details(found)
    if first:
        terminal().print("")
        terminal().print(cone_table(first))
        if found.kind == "watchlist" and found.cones > len(first):
            say(f"The first {len(first):,} of {found.cones:,} cones; --cones shows more, --out writes all to a file.")


@app.command()
def update(
    which: options.Which,
    file: Annotated[
        Path | None,
        typer.Option(help="Replace its cones with those of this file; - is standard input.", show_default=False),
    ] = None,
    append: Annotated[
        Path | None, typer.Option(help="Add the cones of this file; - is standard input.", show_default=False)
    ] = None,
    drop: Annotated[
        list[int] | None,
        typer.Option(help="Remove this cone, by its number in `show`; may be repeated.", show_default=False),
    ] = None,
    name: options.NewName = None,
    description: options.Description = None,
    radius: Annotated[
        float | None, typer.Option(help="Radius of cones without one of their own, arcsec.", show_default=False)
    ] = None,
    public: options.Public = None,
    active: options.Active = None,
    expire: options.Expire = None,
    owner: options.Owner = None,
    skip_bad: SkipBad = False,
    wait: options.Wait = False,
    timeout: options.Timeout = 120.0,
    as_json: options.AsJson = False,
) -> None:
    """Change a watchlist: its cones, name, radius, who sees it, whether and how long it is matched.

    All changes of one command are made together or not at all. Cones that stay keep their hits; those of removed cones
    are deleted. An inactive list has no hits; when it is active again, past objects are matched again.

    Examples:

    `broker-assets watchlists update quasars --file quasars.csv --wait`

    `broker-assets watchlists update 7 --inactive`
    """
    from broker_assets.sky.lists import ListSettings, add_cones, change_list, delete_cones, replace_cones

    until = options.expiry(expire)
    settings = ListSettings(name, description, active, public, until, radius)
    if file is None and append is None and not drop and settings == ListSettings():
        raise typer.BadParameter("no change is given; --help shows what can be changed")
    if file is not None and (append is not None or drop):
        raise typer.BadParameter("--file replaces all cones; it cannot be used with --append or --drop")
    new = read_cones(file, skip_bad=skip_bad) if file is not None else None
    more = read_cones(append, skip_bad=skip_bad) if append is not None else None
    done: list[str] = []
    with open_database() as connection:
        found = to_change(connection, "watchlist", which, owner)
        with connection.transaction():
            if new is not None:
                removed, added = replace_cones(connection, found.owner, found.id, new)
                done.append(f"{count(removed, 'cone')} removed, {added:,} added")
            if drop:
                gone = delete_cones(connection, found.owner, found.id, drop)
                if gone < len(set(drop)):
                    raise UnknownCone(
                        f"watchlist {found.id} has {gone} of the {count(len(set(drop)), 'cone')} to drop; nothing was "
                        "changed. `broker-assets watchlists show` lists its cones with their numbers"
                    )
                done.append(f"{count(gone, 'cone')} removed")
            if more is not None:
                add_cones(connection, found.owner, found.id, more)
                done.append(f"{count(len(more), 'cone')} added")
            change_list(connection, found.owner, "watchlist", found.id, settings)
        if done and not as_json:
            say("; ".join(done) + ".")
        read = [cones for cones in (new, more) if cones is not None]
        left_out = [line for cones in read for line in cones.bad]
        finish(connection, "watchlist", found.id, wait=wait, timeout=timeout, as_json=as_json, left_out=left_out)


@app.command()
def remove(
    which: options.Which,
    owner: options.Owner = None,
    yes: options.Yes = False,
) -> None:
    """Remove a watchlist with its cones and hits, after asking.

    Example: `broker-assets watchlists remove quasars`
    """
    remove_list("watchlist", which, owner, asked=not yes)
