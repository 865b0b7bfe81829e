"""`broker-assets tom taxonomy`: the hierarchies of classes that classifiers report."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.terminal import terminal
from broker_assets.commands.tom.simulation import database_url


def taxonomy(
    name: Annotated[str, typer.Argument(help="Taxonomy: elasticc2 or elasticc.")] = "elasticc2",
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            "-f",
            exists=True,
            dir_okay=False,
            show_default=False,
            help="CSV file with the columns classid, parent, description and gentypes: a new version.",
        ),
    ] = None,
    comment: Annotated[str, typer.Option(help="What the new version changes.")] = "",
) -> None:
    """Show the classes of a taxonomy, or store a new version of it.

    The version that is stored is used from then on: roll-ups, metrics and views made with the one before become stale.
    Earlier versions are kept. `parent` is the number of the class above, empty at the top; `gentypes` are numbers of
    models, separated by blanks.

    Example: `broker-assets tom taxonomy elasticc2 -f classes.csv --comment "TDEs have a class of their own"`
    """
    from broker_assets.database.engine import connect
    from broker_assets.tom.taxonomy.hierarchy import TAXONOMIES, Taxonomy, TaxonomyError
    from broker_assets.tom.taxonomy.stored import in_force, store_version

    if name not in TAXONOMIES:
        raise typer.BadParameter(f"there is no taxonomy {name!r}; there are {', '.join(TAXONOMIES)}")
    with connect(database_url(), application="broker-assets taxonomy", autocommit=True) as connection:
        if file is not None:
            try:
                given = Taxonomy.of(name, csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines()))
            except KeyError as error:
                raise typer.BadParameter(f"{file} has no column {error.args[0]}") from None
            except (TaxonomyError, ValueError) as error:
                raise typer.BadParameter(f"{file}: {error}") from None
            store_version(connection, given, comment=comment)
        version, found = in_force(connection, name)
    shown = Table("Class", "Description", "Below", "Models")
    for one in found.classes():
        models = " ".join(str(model) for classid, model in found.exact() if model and classid == one["classid"])
        above = "" if one["parent"] is None else str(one["parent"])
        shown.add_row(str(one["classid"]), escape(str(one["description"])), above, models)
    terminal().print(shown)
    terminal().print(f"Version {version} of {name} is in use.", highlight=False)
