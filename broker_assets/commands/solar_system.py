"""`broker-assets solar-system`: a known object by any of its designations, and its track."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.status import database
from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import load_settings

if TYPE_CHECKING:
    import pyarrow as pa

    from broker_assets.lightcurves.solar_system import KnownObject

_SHOWN = {
    "midpointmjdtai": ("MJD TAI", ".5f"), "survey": ("survey", ""), "band": ("band", ""), "ra": ("ra", ".6f"),
    "decl": ("dec", "+.6f"), "mag": ("mag", ".2f"), "magerr": ("±", ".2f"), "reducedmag": ("reduced", ".2f"),
    "heliorange": ("r [au]", ".3f"), "toporange": ("Δ [au]", ".3f"), "phaseangle": ("phase", ".1f"),
    "ephoffset": ("off [″]", ".2f"), "diasourceid": ("diaSourceId", ""),
}  # fmt: skip
"""Columns of the table: heading and format."""
_ELEMENTS = ("a", "e", "i", "q", "h", "earth_moid")


def solar_system(
    designation: Annotated[
        str,
        typer.Argument(help="Packed or unpacked: 2004 JQ12, K04J12Q, 217301, C/2023 A3; a name, or an ssObjectId."),
    ],
    within: Annotated[
        float,
        typer.Option(min=0.0, help="Arcseconds from the predicted position within which detections are shown."),
    ] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show a known solar-system object and its detections in chronological order.

    Designations are those of the Minor Planet Center; orbits connect numbers, names and provisional designations.
    Magnitudes are AB; reduced ones are those at 1 au from Sun and observer.

    Examples: `broker-assets solar-system "2004 JQ12"`, `broker-assets solar-system K04J12Q --json`
    """
    from broker_assets.database.tables import SURVEYS
    from broker_assets.lightcurves.solar_system import find, track

    with database(load_settings()) as connection:
        found = find(connection, designation)
        rows = track(connection, found.identifiers, within=within)
    surveys = {code: name for name, code in SURVEYS.items()}
    if as_json:
        points = [row | {"survey": surveys.get(row["survey"])} for row in rows.to_pylist()]
        document = {
            "designations": found.designations, "ssObjectIds": found.identifiers, "orbits": found.orbits,
            "ssObjects": found.objects, "within": within, "track": points,
        }  # fmt: skip
        echo(json.dumps(document, indent=1, ensure_ascii=False, default=str))
        return
    for line in _lines(found):
        echo(line)
    terminal().print(_table(rows, surveys))


def _lines(found: KnownObject) -> list[str]:
    lines = [", ".join(found.designations)]
    lines.append(f"ssObjectId {', '.join(map(str, found.identifiers)) or 'none'}")
    for orbit in found.orbits:
        elements = ", ".join(f"{name} {orbit[name]:.4g}" for name in _ELEMENTS if orbit[name] is not None)
        lines.append(f"orbit of {orbit['designation']}: {elements or 'no elements'}")
    return lines


def _table(rows: pa.Table, surveys: dict[int, str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading, form in _SHOWN.values():
        table.add_column(heading, justify="right" if form else "left")
    for row in rows.to_pylist():
        values: dict[str, Any] = row | {"survey": surveys.get(row["survey"], row["survey"])}
        table.add_row(
            *("" if values[name] is None else escape(format(values[name], form)) for name, (_, form) in _SHOWN.items())
        )
    return table
