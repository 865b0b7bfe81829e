"""`broker-assets delivery readers`: Kafka users that read private topics."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from broker_assets.commands.status import connected_or_given
from broker_assets.commands.terminal import terminal
from broker_assets.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Kafka users who may read private topics: create, list, remove.")

Owner = Annotated[str, typer.Argument(help="Owner of the filters.")]


@app.command("create")
def create_reader(owner: Owner) -> None:
    """Create the Kafka user of an owner, or give it a new password; the old one becomes invalid at once.

    The password is shown once and is not stored.
    """
    from broker_assets.delivery.names import private_prefix
    from broker_assets.delivery.readers import Readers

    settings = connected_or_given(load_settings())
    user, password = Readers(settings.delivery_cluster).create(owner)
    readers = settings.delivery.readers
    for name, value in (
        ("bootstrap.servers", readers.private or "the private listener of your Kafka"),
        ("security.protocol", readers.private_protocol),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.username", user),
        ("sasl.password", password),
        ("group.id", f"{private_prefix(owner)}…"),
    ):
        terminal().print(f"{name} = {escape(value)}", highlight=False)


@app.command("open")
def open_topics() -> None:
    """Allow everybody to read the topics of public filters. Run this once on a cluster with an authorizer."""
    from broker_assets.delivery.readers import Readers

    Readers(connected_or_given(load_settings()).delivery_cluster).open_public_topics()
    terminal().print("Topics of public filters are open to everybody.")


@app.command("list")
def list_readers() -> None:
    """List the users."""
    from broker_assets.delivery.readers import Readers

    found = Readers(connected_or_given(load_settings()).delivery_cluster).users()
    terminal().print("\n".join(map(escape, found)) if found else "There are no users.", highlight=False)


@app.command("remove")
def remove_reader(owner: Owner) -> None:
    """Remove the Kafka user of an owner."""
    from broker_assets.delivery.readers import Readers

    Readers(connected_or_given(load_settings()).delivery_cluster).remove(owner)
    terminal().print(f"The user of {escape(owner)} is removed.", highlight=False)
