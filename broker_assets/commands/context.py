"""`broker-assets context`: the catalogue context of positions."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from broker_assets.commands.terminal import echo
from broker_assets.context.at_position import context_at
from broker_assets.context.rules import DEFAULT, RulesError, read_rules
from broker_assets.context.store import CatalogueStore
from broker_assets.settings import load_settings
from broker_assets.sky.angles import parse_position

TOO_FEW = "no catalogue is loaded: `broker-assets catalogues default` loads some, `broker-assets catalogues add` yours"
OTHER_RULES = "see the setting BROKER_CONTEXT__RULES"

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)


@app.command(context_settings={"ignore_unknown_options": True})  # a southern declination begins with a minus
def context(
    ra: Annotated[str, typer.Argument(help="Right ascension, ICRS: degrees, or sexagesimal hours.")],
    dec: Annotated[str, typer.Argument(help="Declination, ICRS: degrees, or sexagesimal degrees.")],
    epoch: Annotated[
        float, typer.Option(min=1800.0, max=2200.0, help="Julian year to which sources with proper motion are moved.")
    ] = 2026.0,
    all_: Annotated[bool, typer.Option("--all", help="All associations by rank, not only the best.")] = False,
) -> None:
    """Print the classification of a position and the sources near it, as JSON."""
    settings = load_settings()
    try:
        rules = read_rules(settings.context.rules or DEFAULT)
        longitude, latitude = parse_position(ra, dec)
    except (RulesError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    store = CatalogueStore(settings.catalogue_folder)
    loaded = [stored.name for stored in store.list()]
    opened = {name: store.open(name) for name in loaded if name in rules.catalogues}
    if not opened:  # as in the stream: where nothing was searched, nothing is known
        raise typer.BadParameter(f"no rule searches {', '.join(loaded)}: {OTHER_RULES}" if loaded else TOO_FEW)
    found = context_at(rules, opened, longitude, latitude, epoch=epoch)
    answer = {
        "ra": longitude,
        "dec": latitude,
        "classification": found.classification,
        "description": found.description,
        "crossmatches": found.crossmatches if all_ else found.crossmatches[:1],
        "rules": rules.version,
        "catalogues": {name: catalogue.version for name, catalogue in opened.items()},
        "not_loaded": rules.absent(set(opened)),
    }
    echo(json.dumps(answer, indent=1, ensure_ascii=False))
