"""Dumps of DESC's TOM: importing them, and writing a part of the survey as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from broker_assets.commands.terminal import terminal
from broker_assets.commands.tom.simulation import database_url


def import_file(
    file: Annotated[Path, typer.Option("-f", "--file", exists=True, dir_okay=False, help="SQL file, also gzipped.")],
) -> None:
    """Read a plain SQL dump of DESC's TOM: all of it, or nothing.

    Rows already stored stay as they are; no statement of the file is executed.
    """
    from broker_assets.database.engine import connect
    from broker_assets.storage.sql_dumps import opened
    from broker_assets.tom.dumps.reading import import_dump

    with (
        connect(database_url(), application="broker-assets import", autocommit=True) as connection,
        opened(file) as lines,
    ):
        done = import_dump(connection, lines)
    out = terminal()
    for table, rows in sorted(done.rows.items()):
        out.print(f"{table}: {rows:,} rows, {done.stored[table]:,} new", highlight=False)
    for table, rows in sorted(done.skipped.items()):
        out.print(f"{table}: {rows:,} rows, skipped", highlight=False)
    if done.statements:
        out.print(f"{done.statements:,} lines of other statements were not executed", highlight=False)


def export_file(
    output: Annotated[Path, typer.Option("-o", "--output", help="File that is written.")],
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="Objects.")] = 1000,
    only_sent: Annotated[bool, typer.Option("-s", "--only-sent", help="Only objects with a sent alert.")] = False,
    seed: Annotated[
        float | None, typer.Option("--seed", min=-1, max=1, help="The same number gives the same objects.")
    ] = None,
) -> None:
    """Write randomly chosen objects of the survey, with everything stored about them, as a plain SQL dump."""
    from broker_assets.database.engine import connect
    from broker_assets.storage.atomic import Part
    from broker_assets.tom.dumps.writing import export_dump

    with (
        connect(database_url(), application="broker-assets export", autocommit=True) as connection,
        Part(output.parent, output.name, mode=0o644) as part,
    ):
        done = export_dump(connection, part.write, objects=number, only_sent=only_sent, seed=seed)
        part.move_to(output)
    for table, rows in done.rows.items():
        terminal().print(f"{table}: {rows:,} rows", highlight=False)
