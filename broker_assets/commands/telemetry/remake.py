"""`broker-assets telemetry stale` and `remake`: list products that are out of date, and rebuild them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from broker_assets.commands.backfill import backfill
from broker_assets.commands.reprocess import parse_nights
from broker_assets.commands.status import connected_or_given, database
from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from broker_assets.provenance.product_files import StaleFile

SHOWN = 30
"""Number of files in the table; `--json` lists all."""
COMMAND = "broker-assets telemetry remake"


def stale(as_json: Annotated[bool, typer.Option("--json", help="All files, as JSON.")] = False) -> None:
    """List product files made by older code or from inputs that have changed since, and why.

    Exit code 0 if there are none, 1 otherwise.

    Example: `broker-assets telemetry stale --json | jq -r '.[].name'`
    """
    found = stale_now(connected_or_given(load_settings()))
    if as_json:
        echo(json.dumps([item.model_dump(mode="json") for item in found], indent=1))
    elif found:
        _show(found)
    else:
        terminal().print("No product file is stale.")
    if found:
        raise typer.Exit(1)


def remake(
    asset: Annotated[
        list[str] | None,
        typer.Option("--asset", help="Asset, such as l1_quicklook; repeatable. Default: those of --stale."),
    ] = None,
    days: Annotated[str, typer.Option(help="Days YYYY-MM-DD: one, A,B or A..B. Default: all that have packets.")] = "",
    stale_only: Annotated[bool, typer.Option("--stale", help="Only days whose files are stale.")] = False,
    local: Annotated[
        bool, typer.Option("--local", help="Run in this process instead of through Dagster, which is not notified.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until Dagster has finished.")] = False,
) -> None:
    """Rebuild the products of some days from stored packets: all of an asset, or those that are stale.

    Files of another processing version are added next to the old ones; those of the same version are replaced if
    they differ. Automation rebuilds what depends on them.

    Examples:

    `broker-assets telemetry remake --stale`

    `broker-assets telemetry remake --asset l1_quicklook --days 2021-01-01..2021-01-31`
    """
    from broker_assets.telemetry.archive.day_products import MADE_FROM

    unknown = sorted(set(asset or ()) - set(MADE_FROM))
    if unknown:
        raise typer.BadParameter(f"no such assets: {', '.join(unknown)}; known: {', '.join(MADE_FROM)}")
    if not asset and not stale_only:
        raise typer.BadParameter("give the assets (--asset), or --stale")
    settings = connected_or_given(load_settings())
    wanted = set(parse_nights(days)) if days else None
    chosen = days_of_stale(stale_now(settings)) if stale_only else _days_with_packets(settings, asset or ())
    for name in list(chosen):
        kept = chosen[name] if wanted is None else chosen[name] & wanted
        if (asset and name not in asset) or not kept:
            del chosen[name]
        else:
            chosen[name] = kept
    if not chosen:
        terminal().print("There is nothing to rebuild.")
        return
    for assets, keys in _together(chosen):
        if local:
            _make_here(settings, assets, keys)
        else:
            title = f"Remake {', '.join(assets)}"
            backfill(settings, assets, keys, title=title, command=COMMAND, wait=wait)


def stale_now(settings: Settings) -> list[StaleFile]:
    """Stale files according to provenance."""
    from broker_assets.telemetry.archive.day_products import stale_files

    with database(settings) as connection:
        return stale_files(connection, settings.telemetry.versions)


def days_of_stale(files: Iterable[StaleFile]) -> dict[str, set[str]]:
    """Days of stale files, by the asset that makes them."""
    from broker_assets.telemetry.archive.day_products import asset_of_file

    found: dict[str, set[str]] = defaultdict(set)
    for file in files:
        found[asset_of_file(file.level, file.family)].add(file.day.isoformat())
    return dict(found)


def _days_with_packets(settings: Settings, assets: Iterable[str]) -> dict[str, set[str]]:
    """Days for which each asset can be made: those with packets of its family."""
    from broker_assets.provenance import versions
    from broker_assets.telemetry.archive.day_products import asset_name, packets_of

    with database(settings) as connection:
        return {asset: set(versions.data_versions(connection, asset_name("LB", packets_of(asset)))) for asset in assets}


def _together(chosen: dict[str, set[str]]) -> list[tuple[list[str], list[str]]]:
    """Group assets with the same days into one backfill, which keeps their order; parents before children."""
    from broker_assets.telemetry.archive.day_products import MADE_FROM

    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in MADE_FROM:
        if name in chosen:
            groups[tuple(sorted(chosen[name]))].append(name)
    return [(assets, list(keys)) for keys, assets in groups.items()]


def _make_here(settings: Settings, assets: Iterable[str], days: Iterable[str]) -> None:
    import datetime
    import itertools

    from broker_assets.assets.reporter import Entry
    from broker_assets.commands.reporting import reporting
    from broker_assets.partitions import observation_days
    from broker_assets.resources.telemetry import Telemetry
    from broker_assets.telemetry.archive.day_products import make_day

    telemetry = Telemetry.of(settings)
    with reporting(settings) as reporter:
        for name, day in itertools.product(assets, days):
            with telemetry.store() as store, database(settings) as connection:
                made = make_day(connection, telemetry.archive(store), name, datetime.date.fromisoformat(day))
            reporter.send(reporter.report([Entry(made.artefact)], partitions=observation_days, new_inputs=True))
            outcome = made.outcome
            terminal().print(
                f"{name} {day}: {len(outcome.written)} files written, {len(outcome.unchanged)} unchanged, "
                f"{len(outcome.removed)} removed, {len(outcome.problems)} problems",
                highlight=False,
            )


def _show(found: list[StaleFile]) -> None:
    counts = Counter((file.level, file.family, file.cause) for file in found)
    for (level, family, cause), number in sorted(counts.items()):
        terminal().print(f"{number:,} files of {level} {family}: {cause}", highlight=False)
    table = Table("day", "file", "why", box=None, pad_edge=False, header_style="dim")
    for file in found[:SHOWN]:
        table.add_row(file.day.isoformat(), file.name, file.reason)
    terminal().print(table)
    if len(found) > SHOWN:
        terminal().print(f"… and {len(found) - SHOWN:,} more", highlight=False)
