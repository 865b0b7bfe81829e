"""`broker-assets linked`: a source in all surveys, its objects and its joint light curve."""

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

_SHOWN = ("duration", "amplitude", "reducedChi2", "stetsonK", "eta", "period")


def linked(
    diaobject: Annotated[str, typer.Argument(metavar="OBJECT", help="diaObjectId, or the name of a ZTF object.")],
    features: Annotated[
        bool, typer.Option("--features", help="Statistics by survey and band, and over all surveys.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document, with all points.")] = False,
) -> None:
    """Show a source in all surveys: its objects, its light curve, and statistics of it.

    Each survey keeps its photometric system: bands with the same letter are different filters.

    Examples: `broker-assets linked ZTF18abcdefg --features`, `broker-assets linked 3137 --json`
    """
    from broker_assets.database.tables import SURVEYS
    from broker_assets.lightcurves.joint import joint_light_curve
    from broker_assets.sky.object_links import members

    with database(load_settings()) as connection:
        found = members(connection, _identifier(diaobject))
        if not found:
            raise LookupError(f"object {diaobject} is not stored")
        survey = {one.diaobjectid: one.survey for one in found}
        curve = joint_light_curve(connection, survey, features=features)
    if as_json:
        echo(json.dumps(_document(curve), indent=1, ensure_ascii=False, default=str))
        return
    names = {code: name for name, code in SURVEYS.items()}
    for one in found:
        echo(f"{one.diaobjectid} {names.get(one.survey, one.survey)}")
    terminal().print(_points(curve))
    if features:
        terminal().print(_statistics(curve["features"]))


def _identifier(text: str) -> int:
    from broker_assets.packets.identifiers import ztf_object_id

    try:
        return int(ztf_object_id([text])[0]) if text.startswith("ZTF") else int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither a diaObjectId nor the name of a ZTF object") from None


def _document(curve: dict[str, Any]) -> dict[str, Any]:
    surveys = {
        name: {key: value if isinstance(value, str | list) else value.to_pylist() for key, value in part.items()}
        for name, part in curve["surveys"].items()
    }
    return curve | {"surveys": surveys}


def _points(curve: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left")
    for heading in ("survey", "kind", "band", "points", "first MJD TAI", "last", "system"):
        table.add_column(heading)
    for name, part in curve["surveys"].items():
        for kind, key in (("detections", "sources"), ("forced", "forced_sources")):
            for band, count, first, last in _by_band(part[key]):
                system = escape(part["system"])
                table.add_row(name, kind, escape(band or "-"), str(count), f"{first:.5f}", f"{last:.5f}", system)
    return table


def _by_band(points: pa.Table) -> list[tuple[str | None, int, float, float]]:
    grouped = points.group_by("band").aggregate(
        [("midpointmjdtai", "count"), ("midpointmjdtai", "min"), ("midpointmjdtai", "max")]
    )
    return [tuple(row.values()) for row in grouped.sort_by("band").to_pylist()]


def _statistics(features: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("survey", "band", "points", *_SHOWN):
        table.add_column(heading, justify="left" if heading in ("survey", "band") else "right")
    for name, bands in features.items():
        for band, row in bands.items() if name != "all" else [("all", bands)]:
            values = ("" if row[key] is None else f"{row[key]:.4g}" for key in _SHOWN)
            table.add_row(name, band, str(row["nPoints"]), *values)
    return table
