"""`broker-assets database`: compares the tables with this version of the code, and upgrades them."""

from __future__ import annotations

from typing import Annotated

import typer

from broker_assets.commands.terminal import echo
from broker_assets.settings import load_settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Tables of the database: check them, upgrade them.",
)


@app.command()
def check() -> None:
    """Compare the tables of the database with those of this version of the code.

    The exit code is 1 if they differ; each difference is shown.

    Example: `broker-assets database check`
    """
    from broker_assets.database import migrations

    url = _url()
    now, newest = migrations.current(url), migrations.head()
    echo(f"The database is at step {now or 'none'}; the newest is {newest}.")
    if now is None:
        echo("It has no tables yet: `broker-assets database upgrade` creates them.")
        raise typer.Exit(1)
    differences = migrations.check(url)
    for difference in differences:
        echo(difference)
    if not migrations.is_known(now):
        echo("It is of a later release, whose tables this one can use unless the change log says otherwise.")
        raise typer.Exit(1)
    if now != newest:
        echo("`broker-assets database upgrade` brings it to the newest step.")
    elif differences:
        echo("Something other than the migrations has changed the tables.")
    if now != newest or differences:
        raise typer.Exit(1)


@app.command()
def upgrade() -> None:
    """Create the tables, or bring them to this version of the code; nothing happens if they are up to date.

    `broker-assets up` and the containers do this when they start.

    Example: `broker-assets database upgrade`
    """
    from broker_assets.database import migrations

    url = _url()
    before = migrations.current(url)
    after = migrations.upgrade(url)
    if after is not None and not migrations.is_known(after):
        newest = migrations.head()
        echo(
            f"The database is at step {after} of a later release; this one has steps up to {newest}. "
            "Nothing was changed."
        )
        return
    echo(
        f"The database is at step {after}" + (", as before." if after == before else f"; it was at {before or 'none'}.")
    )


@app.command()
def sql(
    table: Annotated[
        list[str] | None, typer.Argument(help="Names of tables; all tables and views unless given.")
    ] = None,
) -> None:
    """Print the SQL that creates tables, for writing a migration or setting up a copy. Needs no database.

    Example: `broker-assets database sql watchlists areas`
    """
    from broker_assets.database import migrations
    from broker_assets.database.tables import metadata

    unknown = [name for name in table or () if name not in metadata.tables]
    if unknown:
        raise typer.BadParameter(f"there is no table {', '.join(unknown)}")
    chosen = None if not table else [metadata.tables[name] for name in table]
    echo(migrations.creation_sql(chosen), nl=False)


def _url() -> str:
    from broker_assets.commands.status import database_url

    return database_url(load_settings())
