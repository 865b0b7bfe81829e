"""`broker-assets areas`: add, list, show, update and remove regions of the sky that alerts are matched with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from broker_assets.commands.lists import definition_files, options
from broker_assets.commands.lists.change import find, finish, new_owner, open_database, remove_list, say, to_change
from broker_assets.commands.lists.files import read_area_file
from broker_assets.commands.lists.tables import show_details, summary_table
from broker_assets.commands.output import write_output
from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import load_settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Areas: regions of the sky that alerts are matched with.",
)
definition_files.add_to(app, "area")

FORMS = "a MOC as FITS, JSON or text, or a region in STC-S or DS9 form; - is standard input"
Cone = Annotated[str | None, typer.Option(help="A cone: RA,DEC,RADIUS, degrees.", show_default=False)]
Polygon = Annotated[
    str | None, typer.Option(help="A polygon: RA,DEC of each corner, degrees, separated by commas.", show_default=False)
]
Order = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=14,
        help="HEALPix order of a region, cone or polygon; that of the settings (13: cells of 26″) unless given.",
        show_default=False,
    ),
]


@app.command()
def add(
    name: Annotated[str, typer.Option(help="Name, unique among yours.", show_default=False)],
    file: Annotated[Path | None, typer.Argument(help=f"The area: {FORMS}.", show_default=False)] = None,
    cone: Cone = None,
    polygon: Polygon = None,
    order: Order = None,
    description: options.Description = None,
    public: options.Public = False,
    active: options.Active = True,
    owner: options.Owner = None,
    expire: options.Expire = None,
    wait: options.Wait = False,
    timeout: options.Timeout = 120.0,
    as_json: options.AsJson = False,
) -> None:
    """Add an area from a file, or as a cone or polygon.

    A file is accepted completely or refused with the reason (exit code 1).

    Examples:

    `broker-assets areas add footprint.fits --name "deep fields" --public`

    `broker-assets areas add --cone 10.68,41.27,1.5 --name M31`

    `echo "POLYGON ICRS 10 -5 12 -5 12 -3" | broker-assets areas add - --name triangle`
    """
    from broker_assets.sky.lists import create_area

    account, until = new_owner(owner), options.expiry(expire)
    moc = read_area_file(file, cone=cone, polygon=polygon, order=_order(order))
    with open_database() as connection:
        area = create_area(
            connection,
            account,
            name,
            moc,
            description=description or "",
            active=active is not False,
            public=bool(public),
            expire=options.expiry_of_new(until),
        )
        finish(connection, "area", area, wait=wait, timeout=timeout, as_json=as_json)


@app.command("list")
def list_areas(
    owner: Annotated[str | None, typer.Option(help="Only those of this account.", show_default=False)] = None,
    as_json: options.AsJson = False,
) -> None:
    """List all areas, with their size, hits and whether they have been matched.

    Example: `broker-assets areas list --json`
    """
    from broker_assets.sky.overview import summaries

    with open_database() as connection:
        found = summaries(connection, "area", owner=owner)
    if as_json:
        echo(json.dumps([entry.model_dump(mode="json") for entry in found], indent=1))
    elif found:
        terminal().print(summary_table(found))
    else:
        say("There is no area yet; `broker-assets areas add --help` shows how to add one.")


@app.command()
def show(
    which: options.Which,
    owner: options.Owner = None,
    out: options.Out = None,
    as_json: options.AsJson = False,
) -> None:
    """Show an area: its size, order and hits, and whether past objects have been matched with it.

    With --out, write its MOC as FITS, which `add` and `update --file` read.

    Examples:

    `broker-assets areas show M31`

    `broker-assets areas show 3 --out area.fits`
    """
    from broker_assets.sky.areas import moc_bytes
    from broker_assets.sky.overview import area_moc

    with open_database() as connection:
        found = find(connection, "area", which, owner)
        moc = area_moc(connection, found.id)
    if out is not None:
        write_output(out, moc_bytes(moc))
        return
    order, cells = int(moc.max_order), len(moc.uniq_hpx)
    if as_json:
        echo(json.dumps({**found.model_dump(mode="json"), "order": order, "cells": cells}, indent=1))
        return
    show_details(found, [("MOC", f"order {order}, {cells:,} cells")])


@app.command()
def update(
    which: options.Which,
    file: Annotated[Path | None, typer.Option(help=f"Replace the area with: {FORMS}.", show_default=False)] = None,
    cone: Cone = None,
    polygon: Polygon = None,
    order: Order = None,
    name: options.NewName = None,
    description: options.Description = None,
    public: options.Public = None,
    active: options.Active = None,
    expire: options.Expire = None,
    owner: options.Owner = None,
    wait: options.Wait = False,
    timeout: options.Timeout = 120.0,
    as_json: options.AsJson = False,
) -> None:
    """Change an area: its region, name, who sees it, whether and how long it is matched.

    All changes of one command are made together or not at all. An inactive area has no hits; when it
    is active again, past objects are matched again.

    Examples:

    `broker-assets areas update M31 --file larger.fits --wait`

    `broker-assets areas update 3 --expire 2027-01-31`
    """
    from broker_assets.sky.lists import ListSettings, change_list, replace_area

    until = options.expiry(expire)
    settings = ListSettings(name, description, active, public, until)
    replaced = any(given is not None for given in (file, cone, polygon))
    if not replaced and settings == ListSettings():
        raise typer.BadParameter("no change is given; --help shows what can be changed")
    moc = read_area_file(file, cone=cone, polygon=polygon, order=_order(order)) if replaced else None
    with open_database() as connection:
        found = to_change(connection, "area", which, owner)
        with connection.transaction():
            if moc is not None:
                replace_area(connection, found.owner, found.id, moc)
            change_list(connection, found.owner, "area", found.id, settings)
        finish(connection, "area", found.id, wait=wait, timeout=timeout, as_json=as_json)


@app.command()
def remove(
    which: options.Which,
    owner: options.Owner = None,
    yes: options.Yes = False,
) -> None:
    """Remove an area with its hits, after asking.

    Example: `broker-assets areas remove M31`
    """
    remove_list("area", which, owner, asked=not yes)


def _order(order: int | None) -> int:
    return order if order is not None else load_settings().mocs.region_order
