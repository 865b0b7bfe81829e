"""`broker-assets tom contradictions`: objects about which sources contradict each other, or only some say anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.terminal import terminal
from broker_assets.commands.tom.simulation import database_url

_MOST = 50
"""Most lines of a table."""


def contradictions(
    only: Annotated[
        str | None, typer.Option("--only", help="Objects about which this kind of source says something …")
    ] = None,
    without: Annotated[
        str | None,
        typer.Option("--without", help="… and about which this one says nothing."),
    ] = None,
    rule: Annotated[
        Path | None, typer.Option("--rule", help="Your own rule instead of the default one.", show_default=False)
    ] = None,
) -> None:
    """Compare the statements about every object and show contradictions, or what only one kind of source has.

    Kinds of sources are annotator, broker, classifier, context and tns.

    Examples:

    `broker-assets tom contradictions`

    `broker-assets tom contradictions --only tns --without broker`
    """
    from broker_assets.database.engine import connect
    from broker_assets.tom.contradictions.finding import find, only_by
    from broker_assets.tom.contradictions.rule import Rule
    from broker_assets.tom.taxonomy.stored import in_force

    if (only is None) != (without is None):
        raise typer.BadParameter("one needs the other", param_hint="--only and --without")
    with connect(database_url(), application="broker-assets contradictions", autocommit=True) as connection:
        used = Rule.read(in_force(connection, "elasticc2")[1], rule)
        if only is not None and without is not None:
            objects = only_by(connection, used, only, without)
            _show(["Object", "Source", "Says"], objects[:_MOST])
            terminal().print(f"{len(objects):,} statements by {only} about objects without any by {without}.")
            return
        found = find(connection, used)
        rows = connection.execute(
            "SELECT diaobjectid, source, said, othersource, othersaid FROM contradictions ORDER BY 1 DESC, 2, 4"
            " LIMIT %s",
            (_MOST,),
        ).fetchall()
    _show(["Object", "Source", "Says", "Other source", "Says"], rows)
    terminal().print(
        f"{found.pairs:,} contradictions about {found.objects:,} objects, of {found.statements:,} statements.",
        highlight=False,
    )
    if found.unknown:
        terminal().print(f"Words without a meaning in the rule: {escape(', '.join(found.unknown[:20]))}")


def _show(titles: list[str], rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        shown = Table(*titles)
        for row in rows:
            shown.add_row(*(escape(str(cell)) for cell in row))
        terminal().print(shown)
