"""`broker-assets tom versions`: processing versions, and the reductions of which they consist."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.terminal import terminal
from broker_assets.commands.tom.simulation import database_url

app = typer.Typer(no_args_is_help=True, help="Versions of the processing: reductions side by side, with priorities.")


def _connect() -> Any:
    from broker_assets.database.engine import connect

    return connect(database_url(), application="broker-assets versions", autocommit=True)


@app.command("list")
def show() -> None:
    """Show versions with their aliases and base versions."""
    from broker_assets.tom.versions import definitions

    shown = Table("Version", "Further names", "Base versions of detections, the highest priority first")
    with _connect() as connection:
        rows = connection.execute("SELECT description FROM processing_version ORDER BY 1").fetchall()
        for (name,) in rows:
            version = definitions.find(connection, name)
            bases = ", ".join(f"{one.description} ({one.priority})" for one in version.of(definitions.DETECTIONS))
            shown.add_row(*(escape(cell) for cell in (name, ", ".join(version.aliases), bases)))
    terminal().print(shown)


@app.command("add-base")
def add_base(name: Annotated[str, typer.Argument(help="Name.")], notes: Annotated[str, typer.Option()] = "") -> None:
    """Make a base version: a reduction of the data."""
    from broker_assets.tom.versions import definitions

    with _connect() as connection:
        try:
            number = definitions.add_base(connection, name, notes)
        except definitions.VersionError as error:
            raise typer.BadParameter(str(error)) from None
    terminal().print(f"{escape(name)} is reduction {number}.", highlight=False)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Name.")],
    bases: Annotated[list[str], typer.Argument(help="Base versions, the one that counts most first.")],
    notes: Annotated[str, typer.Option()] = "",
    kind: Annotated[list[str] | None, typer.Option(help="Kind of rows that these are for; default: all.")] = None,
) -> None:
    """Make a version of base versions.

    Example: `broker-assets tom versions add dr1 dr1 realtime`
    """
    from broker_assets.tom.versions import definitions

    priorities = {base: len(bases) - 1 - place for place, base in enumerate(bases)}
    with _connect() as connection:
        try:
            definitions.add_version(connection, name, priorities, notes=notes, kinds=kind or definitions.KINDS)
        except (definitions.VersionError, definitions.UnknownVersionError) as error:
            raise typer.BadParameter(str(error)) from None


@app.command("alias")
def alias(
    other: Annotated[str, typer.Argument(help="Alias, such as default or realtime.")],
    name: Annotated[str, typer.Argument(help="Version that it refers to.")],
) -> None:
    """Define an alias of a version."""
    from broker_assets.tom.versions import definitions

    with _connect() as connection:
        try:
            definitions.set_alias(connection, other, name)
        except (definitions.VersionError, definitions.UnknownVersionError) as error:
            raise typer.BadParameter(str(error)) from None


@app.command("load")
def load(
    base: Annotated[str, typer.Argument(help="Base version.")],
    objects: Annotated[Path | None, typer.Option(help="Parquet: diaObjectId, ra, dec.", show_default=False)] = None,
    sources: Annotated[Path | None, typer.Option(help="Parquet: columns of diasources.", show_default=False)] = None,
    forced: Annotated[
        Path | None, typer.Option(help="Parquet: columns of diaforcedsources.", show_default=False)
    ] = None,
    hosts: Annotated[
        Path | None,
        typer.Option(
            help="Parquet: diaObjectId, host_catalog, host_id, ra, dec, and what is known.", show_default=False
        ),
    ] = None,
    survey: Annotated[str, typer.Option(help="rubin, ztf or elasticc.")] = "rubin",
) -> None:
    """Load a reduction from Parquet files; loading the same files again adds only what is missing."""
    import pyarrow.parquet as pq

    from broker_assets.database.tables import SURVEYS
    from broker_assets.tom.versions import definitions
    from broker_assets.tom.versions.loading import load_reduction

    if survey not in SURVEYS:
        raise typer.BadParameter(f"surveys are {', '.join(SURVEYS)}", param_hint="--survey")
    tables = {
        name: None if path is None else pq.read_table(path)
        for name, path in (("objects", objects), ("sources", sources), ("forced", forced), ("hosts", hosts))
    }
    with _connect() as connection:
        try:
            done = load_reduction(connection, base, survey=survey, **tables)
        except (definitions.VersionError, definitions.UnknownVersionError) as error:
            raise typer.BadParameter(str(error)) from None
    terminal().print(
        f"{done.objects:,} objects ({done.roots:,} new root objects), {done.sources:,} sources, {done.forced:,}"
        f" forced points, {done.hosts:,} host galaxies and {done.matches:,} matches with them are new.",
        highlight=False,
    )


@app.command("place")
def place() -> None:
    """Assign a root object to every object that has none; the sensor `roots` does so after each batch."""
    from broker_assets.tom.versions.roots import place_new

    with _connect() as connection:
        done = place_new(connection)
    terminal().print(f"{done.objects:,} objects, {done.roots:,} new root objects.", highlight=False)
