"""`broker-assets tns`: ask the Transient Name Server about one object or one position, as it is now."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import load_settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Ask the Transient Name Server about an object or a position.",
)

AsJson = Annotated[bool, typer.Option("--json", help="As one JSON document.")]


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of the object, with or without prefix: 2025abc, SN 2025abc.")],
    as_json: AsJson = False,
) -> None:
    """Show what TNS has about an object. The table `crossmatch_tns` holds its latest bulk file.

    Needs a bot of TNS in the settings (`BROKER_TNS__KEY`, `BROKER_TNS__BOT_ID`, `BROKER_TNS__BOT_NAME`).

    Example: `broker-assets tns show 2025abc`
    """
    from broker_assets.resources.tns import Tns

    with Tns.of(load_settings()).client() as client:
        found = client.single_object(name.split()[-1] if name.split() else name)
    if as_json:
        echo(json.dumps(found, indent=1))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for field, value in found.items():
        text = _text(value)
        if text:
            table.add_row(escape(field), escape(text))
    terminal().print(table)


@app.command(context_settings={"ignore_unknown_options": True})  # a southern declination begins with a minus
def near(
    ra: Annotated[str, typer.Argument(help="Right ascension, decimal degrees or hh:mm:ss.")],
    dec: Annotated[str, typer.Argument(help="Declination, decimal degrees or ±dd:mm:ss.")],
    radius: Annotated[float, typer.Option(min=0.1, max=3600.0, help="arcsec.")] = 3.0,
    as_json: AsJson = False,
) -> None:
    """List the objects that TNS has near a position (ICRS); the exit code is 1 if there is none.

    Example: `broker-assets tns near 10.684 -3.27 --radius 10`
    """
    from broker_assets.resources.tns import Tns
    from broker_assets.sky.angles import parse_position

    try:
        longitude, latitude = parse_position(ra, dec)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    with Tns.of(load_settings()).client() as client:
        found = client.near(longitude, latitude, radius)
    if as_json:
        echo(json.dumps(found, indent=1))
    else:
        for one in found:
            terminal().print(escape(f"{one.get('prefix') or ''} {one['objname']}".strip()), highlight=False)
    if not found:
        if not as_json:
            terminal(stderr=True).print(f"TNS has no object within {radius:g}″.", highlight=False)
        raise typer.Exit(1)


def _text(value: Any) -> str:
    """A field as text; for a nested value, its name."""
    if isinstance(value, dict):
        return _text(value.get("name"))
    if isinstance(value, list):
        return ", ".join(filter(None, map(_text, value)))
    return "" if value is None else str(value)
