"""`broker-assets tom scorecards`: the performance of the classifiers of brokers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.terminal import terminal
from broker_assets.commands.tom.simulation import database_url


def scorecards(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the scorecards as Parquet files.", show_default=False)
    ] = None,
) -> None:
    """Count the new messages of brokers against the truth of the survey, and show a line for each classifier.

    Shares of objects are of the most probable class of the newest message of each object: right at all ("broad"), or
    the one right class ("exact"). The files have confusion matrices, ROC and precision-recall curves, calibration,
    delays and completeness.

    Example: `broker-assets tom scorecards --out scorecards`
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from broker_assets.database.engine import connect
    from broker_assets.storage.atomic import replace_atomically
    from broker_assets.tom.metrics import scorecards as cards_of
    from broker_assets.tom.metrics.tallies import tally
    from broker_assets.tom.taxonomy.stored import in_force

    with connect(database_url(), application="broker-assets scorecards", autocommit=True) as connection:
        done = tally(connection)
        _, taxonomy = in_force(connection, "elasticc2")
        cards = cards_of.scorecards(connection, taxonomy)
    again = ", all of them again: code, taxonomy or truth have changed" if done.again else ""
    terminal().print(f"{done.messages:,} messages counted{again}.", highlight=False)
    if not cards:
        terminal().print("No classifier has reported anything yet: `broker-assets tom brokerpoll2` reads brokers.")
        return
    shown = Table("Classifier", "Messages", "Answered", "Right, broad", "Right, exact", "Median delay (s)")
    for card in cards:
        shown.add_row(
            escape(card.classifier.title),
            f"{card.messages:,}",
            *map(_share, (card.completeness, card.right["broad"], card.right["exact"])),
            _number(card.median_delay("full")),
        )
    terminal().print(shown)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name, table in cards_of.tables(cards).items():
            content = pa.BufferOutputStream()
            pq.write_table(table, content)
            replace_atomically(out / f"{name}.parquet", content.getvalue())
        terminal().print(f"{len(cards)} scorecards are in {escape(str(out))}.", highlight=False)


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1%}"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:,.0f}"
