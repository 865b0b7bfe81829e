"""`broker-assets delivery contacts`: how owners are reached."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.status import database
from broker_assets.commands.terminal import terminal
from broker_assets.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Addresses of owners: set, list, remove.")

Owner = Annotated[str, typer.Argument(help="Owner of filters or lists.")]


@app.command("set")
def set_address(owner: Owner, email: Annotated[str, typer.Argument(help="E-mail address.")]) -> None:
    """Set the address of an owner, for messages about their filters and lists."""
    from broker_assets.delivery.owners import set_contact

    with database(load_settings()) as connection:
        set_contact(connection, owner, email)
    terminal().print(f"{escape(owner)} is reached at {escape(email)}.", highlight=False)


@app.command("list")
def list_addresses() -> None:
    """List owners with their addresses."""
    from broker_assets.delivery.owners import contacts

    with database(load_settings()) as connection:
        found = contacts(connection)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("owner")
    table.add_column("address")
    for owner, email in found:
        table.add_row(escape(owner), escape(email or "-"))
    terminal().print(table if found else "No owner has an address.")


@app.command("remove")
def remove_address(owner: Owner) -> None:
    """Remove the address of an owner; messages to them wait until there is a new one."""
    from broker_assets.delivery.owners import set_contact

    with database(load_settings()) as connection:
        set_contact(connection, owner, None)
    terminal().print(f"{escape(owner)} no longer has an address.", highlight=False)
