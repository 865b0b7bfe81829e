"""`broker-assets filter expiry`: when filters, watchlists and areas expire."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from broker_assets.commands.lists import options
from broker_assets.commands.lists.change import new_owner, open_database, say
from broker_assets.commands.terminal import terminal

app = typer.Typer(no_args_is_help=True, help="When filters, watchlists and areas expire.")


@app.command("list")
def expiry_list(days: Annotated[float, typer.Option(min=0.0, help="Within this many days.")] = 30.0) -> None:
    """List filters, watchlists and areas that expire soon, or have."""
    from broker_assets.filters.expiry import expiring

    with open_database() as connection:
        found = expiring(connection, days=days)
    if not found:
        say(f"Nothing expires within {days:g} days.")
        return
    table = Table("what", "number", "name", "owner", "expires")
    for item in found:
        table.add_row(item.kind, str(item.identifier), item.name, item.owner, f"{item.when:%Y-%m-%d %H:%M}")
    terminal().print(table)


@app.command("renew")
def expiry_renew(
    kind: Annotated[str, typer.Argument(help="filter, watchlist or area.")],
    number: Annotated[int, typer.Argument(help="Its number.")],
    owner: options.Owner = None,
    expire: options.Expire = None,
) -> None:
    """Set when something expires; by default as if it were saved now."""
    from broker_assets.filters.expiry import KINDS, renew

    if kind not in KINDS:
        raise typer.BadParameter("filter, watchlist or area", param_hint="KIND")
    when = options.expiry_of_new(options.expiry(expire))
    with open_database() as connection:
        renew(connection, kind, number, new_owner(owner), when)
    say(f"The {kind} {number} expires {f'on {when:%Y-%m-%d}' if when else 'never'}.")
