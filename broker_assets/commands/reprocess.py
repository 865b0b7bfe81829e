"""`broker-assets reprocess`: nights reprocessed from the archive, by Dagster or in this process."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from broker_assets.commands.backfill import backfill
from broker_assets.commands.status import connected_or_given
from broker_assets.commands.terminal import terminal
from broker_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from broker_assets.stream.reprocess import ReprocessReport


ASSETS = ("sources", "forced_sources", "objects")


class Lists(StrEnum):
    """Lists that facts are computed with."""

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
    nights: Annotated[str, typer.Option(help="Nights YYYY-MM-DD: one, A,B or A..B (both ends included).")],
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
    """Rebuild the rows and facts of nights from the packet archive, by the same code as the stream.

    Each night is replaced in one transaction: readers see either the old rows or the new ones. Nights without packets
    in the archive are skipped. By default, a backfill is launched in the running Dagster, where it can be watched.

    Examples:

    `broker-assets reprocess --nights 2025-10-01..2025-10-03`

    `broker-assets reprocess --nights 2025-10-01 --local`

    `broker-assets reprocess --nights 2025-10-01 --lists now`
    """
    settings = connected_or_given(load_settings())
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


def archived_nights(settings: Settings, nights: list[str]) -> list[str]:
    """Return the nights that have packets in the archive."""
    from broker_assets.commands.status import database

    with database(settings) as connection:
        rows = connection.execute("SELECT DISTINCT night FROM archive_file WHERE night = ANY(%s::date[])", (nights,))
        return sorted(row[0].isoformat() for row in rows)


def _reprocess_here(settings: Settings, night: str, *, lists_now: bool) -> ReprocessReport:
    from broker_assets.assets.alerts.reports import artefacts
    from broker_assets.assets.reporter import Entry
    from broker_assets.commands.reporting import reporting
    from broker_assets.commands.status import database
    from broker_assets.partitions import nights
    from broker_assets.stream.enrichments import enrichment_plan
    from broker_assets.stream.reprocess import reprocess_night

    url = settings.database.url
    if url is None:
        raise LookupError("no database is configured: set BROKER_DATABASE__URL")
    surveys = {stream.name: stream.survey for stream in settings.streams}
    plan = enrichment_plan(settings)
    report = reprocess_night(url.get_secret_value(), night, surveys=surveys, plan=plan, lists_now=lists_now)
    with database(settings) as connection, connection.transaction():
        newest = connection.execute("SELECT coalesce(max(ingestid), 0) FROM ingest_batch").fetchone()
        made = artefacts(connection, plan, [night], report.data_versions, run_id=None, ingestid=int(newest[0]))
    with reporting(settings) as reporter:
        reporter.send(reporter.report(map(Entry, made), partitions=nights, new_inputs=True))
    return report


def _show(report: ReprocessReport) -> None:
    terminal().print(
        f"{report.night}: {report.received:,} packets from {report.files:,} files in {report.seconds:.1f} s: "
        f"{report.stored:,} stored, {report.duplicate:,} duplicate, {report.quarantined:,} quarantined",
        highlight=False,
    )
