"""`broker-assets reprocess`: rebuilds chosen nights or stale assets, with Dagster or in this process."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from broker_assets.commands.backfill import backfill, backfill_of
from broker_assets.commands.status import connected_or_given
from broker_assets.commands.terminal import terminal
from broker_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from broker_assets.provenance.versions import Stale
    from broker_assets.stream.enrichment import EnrichmentPlan
    from broker_assets.stream.reprocess import ReprocessReport


ASSETS = ("sources", "forced_sources", "objects")


class Lists(StrEnum):
    """Which lists facts are computed with."""

    THEN = "then"
    NOW = "now"


def parse_nights(text: str) -> list[str]:
    """Parse a list or range of nights.

    Parameters
    ----------
    text : str
        `2025-10-01`, `2025-10-01..2025-10-03`, or several of these separated by commas.

    Returns
    -------
    list of str
        Keys `YYYY-MM-DD`, ascending, without duplicates.

    Raises
    ------
    ValueError
        If a part is not a date, or a range ends before it begins.

    Examples
    --------
    >>> parse_nights("2025-10-30..2025-11-01,2025-10-01")
    ['2025-10-01', '2025-10-30', '2025-10-31', '2025-11-01']
    """
    nights: set[datetime.date] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("..")
        try:
            begin = datetime.date.fromisoformat(first)
            end = datetime.date.fromisoformat(last or first)
        except ValueError:
            raise ValueError(f"{part.strip()!r} is not a night: use YYYY-MM-DD, A..B or A,B") from None
        if end < begin:
            raise ValueError(f"the range {part.strip()} ends before it begins")
        nights |= {begin + datetime.timedelta(days=days) for days in range((end - begin).days + 1)}
    return [night.isoformat() for night in sorted(nights)]


def reprocess(
    nights: Annotated[str, typer.Option(help="Nights YYYY-MM-DD: one, A,B or A..B (both ends included).")] = "",
    stale: Annotated[
        bool, typer.Option("--stale", help="Rebuild exactly what is stale, of all assets or of those of --asset.")
    ] = False,
    asset: Annotated[
        list[str] | None, typer.Option("--asset", help="With --stale: only this asset; repeatable.")
    ] = None,
    local: Annotated[
        bool,
        typer.Option("--local", help="Run in this process instead of through Dagster; needs only the database."),
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until Dagster has finished.")] = False,
    lists: Annotated[
        Lists,
        typer.Option(help="Compare alerts with the lists of their time (then) or with those of today (now)."),
    ] = Lists.THEN,
) -> None:
    """Rebuild the rows and facts of nights from the packet archive, or what is stale, by the same code as the stream.

    Each night is replaced in one transaction: readers see either the old rows or the new ones. Nights without packets
    in the archive are skipped. By default, a backfill is launched in the running Dagster, where it can be watched.

    Examples:

    `broker-assets reprocess --nights 2025-10-01..2025-10-03`

    `broker-assets reprocess --nights 2025-10-01 --local`

    `broker-assets reprocess --nights 2025-10-01 --lists now`

    `broker-assets reprocess --stale --asset sources`
    """
    settings = connected_or_given(load_settings())
    if stale:
        if lists is Lists.NOW:
            raise typer.BadParameter("--lists now applies to nights that are given (--nights), not to --stale")
        _reprocess_stale(settings, asset or (), set(parse_nights(nights)) if nights else None, local=local, wait=wait)
        return
    if asset or not nights:
        raise typer.BadParameter("give the nights (--nights), or --stale, with or without --asset")
    wanted = parse_nights(nights)
    present = archived_nights(settings, wanted)
    if not present:
        raise LookupError(f"the archive has no packets of {wanted[0]}" + (f" to {wanted[-1]}" if wanted[1:] else ""))
    if len(present) < len(wanted):
        terminal().print(f"{len(wanted) - len(present)} of {len(wanted)} nights have no packets.", highlight=False)
    if local:
        for night in present:
            _show(_reprocess_here(settings, night, lists_now=lists is Lists.NOW))
        return
    title = f"Reprocess {present[0]}" + (f" to {present[-1]}" if present[1:] else "")
    from broker_assets.assets.alerts.nights import LISTS_NOW, LISTS_TAG

    tags = {LISTS_TAG: LISTS_NOW} if lists is Lists.NOW else {}
    backfill(settings, ASSETS, present, title=title, command="broker-assets reprocess", wait=wait, tags=tags)


def stale_partitions(
    stale: Iterable[Stale], plan: EnrichmentPlan, *, assets: Collection[str] = (), keys: Collection[str] | None = None
) -> dict[str, set[str]]:
    """Partitions that must be materialised so that none of the given ones is stale.

    Parameters
    ----------
    stale : iterable of Stale
        Everything that is stale.
    plan : EnrichmentPlan
        Enrichments of the platform: facts of one enrichment are computed together.
    assets : collection of str
        Only these; all if empty.
    keys : collection of str, optional
        Only these partitions.

    Returns
    -------
    dict
        Partitions by asset; an empty set for an asset without partitions. Assets that one function builds are together,
        and facts are left out for nights whose rows are rebuilt, since that rebuilds them, too.
    """
    chosen: dict[str, set[str]] = defaultdict(set)
    together = [set(ASSETS), *({table.asset for table in item.facts} for item in plan.enrichments)]
    for item in stale:
        if (assets and item.asset not in assets) or (keys is not None and item.partition not in keys):
            continue
        for name in next((group for group in together if item.asset in group), {item.asset}):
            chosen[name] |= {item.partition} - {""}
    facts = {table.asset for _, table in plan.facts}
    for name in facts & chosen.keys():
        chosen[name] -= chosen.get(ASSETS[0], set())
        if not chosen[name]:
            del chosen[name]
    return dict(chosen)


def _reprocess_stale(
    settings: Settings, assets: Collection[str], keys: Collection[str] | None, *, local: bool, wait: bool
) -> None:
    from broker_assets.commands.status import database
    from broker_assets.enrichment_plan import enrichment_plan
    from broker_assets.provenance import versions

    plan = enrichment_plan(settings)
    compare_catalogues(settings, plan)
    with database(settings) as connection:
        found = versions.stale(connection)
        known = {row[0] for row in connection.execute("SELECT asset FROM code UNION SELECT asset FROM artefact")}
    if unknown := sorted(set(assets) - known):
        raise LookupError(f"nothing is known of {', '.join(unknown)}; `broker-assets status` lists what is stale")
    chosen = stale_partitions(found, plan, assets=assets, keys=keys)
    if not chosen:
        terminal().print("Nothing is stale.")
        return
    if local:
        facts = {table.asset for _, table in plan.facts}
        for night in sorted(set().union(*(chosen.get(name, set()) for name in {*ASSETS, *facts}))):
            rows = night in chosen.get(ASSETS[0], set())
            of_facts = () if rows else tuple(name for name in sorted(facts) if night in chosen.get(name, set()))
            _show(_reprocess_here(settings, night, lists_now=False, facts=of_facts))
        if others := sorted(chosen.keys() - {*ASSETS, *facts}):
            terminal().print(f"Left to Dagster: {', '.join(others)}.", highlight=False)
        return
    title = f"Rebuild what is stale of {', '.join(sorted(chosen)[:3])}{' …' if len(chosen) > 3 else ''}"
    from broker_assets.assets.alerts.nights import MARKED_ONLY, MARKED_TAG

    tags = {MARKED_TAG: MARKED_ONLY}
    backfill_of(settings, chosen, title=title, command="broker-assets reprocess --stale", wait=wait, tags=tags)


def compare_catalogues(settings: Settings, plan: EnrichmentPlan) -> None:
    """Mark what is stale because of changed catalogues and rules, as the platform does while it runs."""
    from broker_assets.context.comparison import compare
    from broker_assets.context.in_force import CataloguesInForce
    from broker_assets.context.object_context import ASSET
    from broker_assets.database.engine import connect

    url = settings.database.url
    if url is None:
        raise LookupError("no database is configured: set BROKER_DATABASE__URL")
    in_force = CataloguesInForce(settings.catalogue_folder, settings.context.rules)
    with connect(url.get_secret_value(), application="broker-assets catalogues", autocommit=True) as connection:
        found = compare(connection, in_force, readers=plan.readers(ASSET))
    if found.changed:
        terminal().print(
            f"Compared with past alerts: {', '.join(found.changed)}; {found.marked:,} facts became stale.",
            highlight=False,
        )


def archived_nights(settings: Settings, nights: list[str]) -> list[str]:
    """Return the nights that have packets in the archive."""
    from broker_assets.commands.status import database

    with database(settings) as connection:
        rows = connection.execute("SELECT DISTINCT night FROM archive_file WHERE night = ANY(%s::date[])", (nights,))
        return sorted(row[0].isoformat() for row in rows)


def _reprocess_here(settings: Settings, night: str, *, lists_now: bool, facts: Collection[str] = ()) -> ReprocessReport:
    """Rebuild a night, or only what is stale of some of its facts."""
    from broker_assets.commands.reporting import NO_DAGSTER, report_nights
    from broker_assets.enrichment_plan import enrichment_plan
    from broker_assets.stream.reprocess import reprocess_night

    url = settings.database.url
    if url is None:
        raise LookupError("no database is configured: set BROKER_DATABASE__URL")
    surveys = {stream.name: stream.survey for stream in settings.streams}
    plan = enrichment_plan(settings)
    report = reprocess_night(
        url.get_secret_value(),
        night,
        surveys=surveys,
        plan=plan.chosen(facts) if facts else plan,
        lists_now=lists_now,
        facts_only=bool(facts),
        marked_only=bool(facts),
    )
    if not report_nights(settings, plan, [night], report.data_versions, adds=False):
        terminal().print(NO_DAGSTER, highlight=False)
    return report


def _show(report: ReprocessReport) -> None:
    terminal().print(
        f"{report.night}: {report.received:,} packets from {report.files:,} files in {report.seconds:.1f} s: "
        f"{report.stored:,} stored, {report.duplicate:,} duplicate, {report.quarantined:,} quarantined",
        highlight=False,
    )
