"""Match positions against a watchlist, an area or a sky map, and build MOCs: offline, without any service."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from broker_assets.commands.output import write_output
from broker_assets.commands.terminal import echo, standard_output
from broker_assets.settings import load_settings

if TYPE_CHECKING:
    import numpy as np
    from mocpy import MOC
    from numpy.typing import NDArray

    from broker_assets.sky.watchlists import Cones

moc_app = typer.Typer(help="Build MOCs (maps of sky coverage).", no_args_is_help=True)


@moc_app.callback()
def moc() -> None:
    """Build MOCs (maps of sky coverage)."""
    # Without a callback, an application with one command would become that command, without its name.


SQUARE_DEGREES = 41252.96125
"""Area of the whole sky."""
DEFAULT_RADIUS = 5.0
"""arcsec; for cones that do not specify a radius."""


def match(
    positions: Annotated[Path, typer.Argument(help="CSV with columns id, ra, dec (degrees); - reads standard input.")],
    watchlist: Annotated[Path | None, typer.Option(help="Lines `RA, Dec[, name[, radius in arcsec]]`.")] = None,
    area: Annotated[
        Path | None, typer.Option(help="MOC as FITS, JSON or text, or a region in STC-S or DS9 form.")
    ] = None,
    sky_map: Annotated[Path | None, typer.Option("--sky-map", help="Multi-order sky map as FITS.")] = None,
    radius: Annotated[
        float, typer.Option(min=0.001, max=360.0, help="Radius of cones that do not specify one, arcsec.")
    ] = DEFAULT_RADIUS,
    level: Annotated[
        float, typer.Option(min=0.0, max=100.0, help="Largest credible level of a sky map hit, per cent.")
    ] = 100.0,
    strict: Annotated[bool, typer.Option("--strict", help="Reject a watchlist with a bad line.")] = False,
) -> None:
    """Print the positions that match, as CSV.

    With --watchlist: id, row of the list (0 is the first cone), name, separation in arcsec. With --area: id. With
    --sky-map: id, contour in per cent, probability density per steradian, distance in Mpc (mean along the line
    of sight).

    Example: broker-assets match alerts.csv --watchlist quasars.csv --radius 3
    """
    if sum(option is not None for option in (watchlist, area, sky_map)) != 1:
        _fail("give exactly one of --watchlist, --area and --sky-map")
    identifiers, ra, dec = _read_positions(positions)
    writer = csv.writer(standard_output(), lineterminator="\n")
    if watchlist is not None:
        from broker_assets.sky.cones import match_cones

        cones = _read_watchlist(watchlist, strict)
        hits = match_cones(cones.index(radius), ra, dec)
        names = cones.name.take(hits.cone).to_pylist()
        writer.writerow(["id", "row", "name", "separation"])
        writer.writerows(
            [identifiers[position], cone, name or "", f"{separation:.6f}"]
            for position, cone, name, separation in zip(
                hits.position.tolist(), hits.cone.tolist(), names, hits.separation.tolist(), strict=True
            )
        )
    elif area is not None:
        from broker_assets.sky.areas import build_area_index, match_areas

        moc = _read_area(area, load_settings().mocs.region_order)
        writer.writerow(["id"])
        writer.writerows(
            [identifiers[row]] for row in match_areas(build_area_index({0: moc}), ra, dec).position.tolist()
        )
    elif sky_map is not None:
        from broker_assets.sky.skymaps import NotASkyMap, match_sky_map, read_sky_map

        limits = load_settings().limits
        try:
            event = read_sky_map(_read_bytes(sky_map, limits.sky_map_bytes), limits=limits)
        except NotASkyMap as error:
            _fail(f"{sky_map}: {error}")
        found = match_sky_map(event, ra, dec, level=level)
        writer.writerow(["id", "contour", "probability_density", "distance"])
        writer.writerows(
            [identifiers[position], f"{contour:.6f}", f"{density:.10g}", "" if mean != mean else f"{mean:.6f}"]
            for position, contour, density, mean in zip(
                found.position.tolist(), found.contour.tolist(), found.probability_density.tolist(),
                found.distance_mean.tolist(), strict=True,
            )
        )  # fmt: skip


@moc_app.command()
def build(
    file: Annotated[
        Path, typer.Argument(help="Watchlist: lines `RA, Dec[, name[, radius in arcsec]]`; with --area an area.")
    ],
    out: Annotated[Path, typer.Option(help="FITS file to write.")],
    area: Annotated[
        bool, typer.Option("--area", help="The file is a region in STC-S or DS9 form, or a MOC as JSON or text.")
    ] = False,
    radius: Annotated[
        float, typer.Option(min=0.001, max=360.0, help="Radius of cones that give none, arcsec.")
    ] = DEFAULT_RADIUS,
    order: Annotated[int, typer.Option(min=0, max=29, help="Deepest HEALPix order.")] = 13,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a file with a bad line.")] = False,
) -> None:
    """Write the MOC that covers all cones of a watchlist, or that of an area.

    Examples:

    `broker-assets moc build quasars.csv --out quasars.fits`

    `broker-assets moc build field.reg --area --out field.fits`
    """
    from broker_assets.sky.areas import moc_bytes
    from broker_assets.sky.watchlists import watchlist_mocs

    if area:
        moc, what = _read_area(file, order), "area"
    else:
        cones = _read_watchlist(file, strict)
        what = f"{len(cones)} cones"
        try:
            [moc] = watchlist_mocs(cones.index(radius), order=order, most_cells=load_settings().limits.watchlist_cells)
        except ValueError as error:
            _fail(f"{file}: {error}")
    write_output(out, moc_bytes(moc))
    echo(f"{out}: {what}, order {moc.max_order}, {moc.sky_fraction * SQUARE_DEGREES:.6g} square degrees", err=True)


def _read_positions(path: Path) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    """Read the columns id, ra, dec; bad lines end the command with an error that names them."""
    import numpy as np

    from broker_assets.sky.angles import decimal_number

    content = sys.stdin.buffer.read() if str(path) == "-" else _read_bytes(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _fail(f"{path}: not UTF-8 text at byte {error.start}; save the positions as CSV in UTF-8, not compressed")
    # Not `splitlines`: a name may contain characters that Python treats as line ends.
    reader = csv.reader(io.StringIO(text, newline=""))
    columns = ("id", "ra", "dec")
    header: list[str] = []
    identifiers: list[str] = []
    values: list[tuple[float, float]] = []
    bad: list[str] = []
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        missing = [name for name in columns if name not in header]
        if missing:
            _fail(f"{path}: no column {', '.join(missing)}; the first line must name the columns id, ra, dec")
        twice = [name for name in columns if header.count(name) > 1]
        if twice:
            _fail(f"{path}: two columns {', '.join(twice)}; the first line must name each of id, ra, dec once")
        at = [header.index(name) for name in columns]
        for row in reader:
            if not row:
                continue
            try:
                if len(row) <= max(at):
                    raise ValueError(f"{len(row)} column(s), and {columns[at.index(max(at))]} is column {max(at) + 1}")
                identifier, ra, dec = row[at[0]].strip(), decimal_number(row[at[1]]), decimal_number(row[at[2]])
                if not (-360.0 <= ra <= 360.0 and -90.0 <= dec <= 90.0):
                    raise ValueError(f"ra {ra}, dec {dec} is not a position in degrees")
            except ValueError as error:
                bad.append(f"line {reader.line_num}: {error}")
                continue
            identifiers.append(identifier)
            values.append((ra, dec))
    except csv.Error as error:
        _fail(f"{path}: line {reader.line_num}: not CSV: {error}")
    if bad:
        _fail(f"{path}: {len(bad)} bad line(s): {'; '.join(bad[:5])}")
    array = np.array(values, dtype=np.float64).reshape(-1, 2)
    return identifiers, array[:, 0].copy(), array[:, 1].copy()


def _read_area(path: Path, order: int) -> MOC:
    from broker_assets.sky.area_files import read_area
    from broker_assets.sky.areas import NotAnArea

    limits = load_settings().limits
    try:
        return read_area(_read_bytes(path, limits.area_bytes), region_order=order, limits=limits)
    except NotAnArea as error:
        _fail(f"{path}: {error}")


def _read_watchlist(path: Path, strict: bool) -> Cones:
    from broker_assets.sky.watchlists import BadWatchlist, read_watchlist

    limits = load_settings().limits
    try:
        cones = read_watchlist(_read_bytes(path, limits.watchlist_bytes), refuse=strict, limits=limits)
    except BadWatchlist as error:
        _fail(f"{path}: {error}")
    for line in cones.bad:
        echo(f"{path}: line {line.line} ignored: {line.reason}", err=True)
    return cones


def _read_bytes(path: Path, most: int | None = None) -> bytes:
    """The content of a file, up to one byte more than a limit, which its reader then reports."""
    try:
        with path.open("rb") as stream:
            return stream.read() if most is None else stream.read(most + 1)
    except OSError as error:
        _fail(f"{path}: {error.strerror or error}")


def _fail(message: str) -> NoReturn:
    echo(f"broker-assets: {message}", err=True)
    raise typer.Exit(2)
