"""Reads the files of watchlists and areas, and shows every line that is not accepted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from broker_assets.commands.lists.tables import count
from broker_assets.commands.terminal import terminal
from broker_assets.settings import load_settings

if TYPE_CHECKING:
    from mocpy import MOC

    from broker_assets.sky.watchlists import BadLine, Cones

SHOWN_LINES = 20
"""Most bad lines that are shown one by one; in a file with another format, all lines are bad."""


class FileRefused(ValueError):
    """A file cannot be loaded; the message names it and says why."""


def read_cones(path: Path, *, skip_bad: bool) -> Cones:
    """The cones of a watchlist file.

    Parameters
    ----------
    path : Path
        File, or ``-`` for standard input.
    skip_bad : bool
        Accept the good lines of a file that also has bad ones.

    Raises
    ------
    FileRefused
        If the file cannot be read, or a line is bad and `skip_bad` is not set. The bad lines have been shown.
    """
    from broker_assets.sky.watchlists import BadWatchlist, read_watchlist

    limits = load_settings().limits
    try:
        cones = read_watchlist(_read(path, limits.watchlist_bytes), refuse=not skip_bad, limits=limits)
    except BadWatchlist as error:
        bad = [line for line in error.bad if line.line > 0]
        if not bad:
            raise FileRefused(f"{_name(path)}: {error.bad[0].reason}") from None
        _show(path, bad)
        hint = "" if skip_bad else ", or load the other lines with --skip-bad"
        raise FileRefused(
            f"{_name(path)}: {count(len(bad), 'line')} cannot be read; nothing was loaded. Correct the file{hint}."
        ) from None
    if cones.bad:
        _show(path, cones.bad)
        terminal(stderr=True).print(f"{escape(_name(path))}: {count(len(cones.bad), 'line')} left out", highlight=False)
    return cones


def read_area_file(path: Path | None, *, cone: str | None = None, polygon: str | None = None, order: int) -> MOC:
    """The MOC of an area given as a file or in words.

    Parameters
    ----------
    path : Path, optional
        File, or ``-`` for standard input; see `broker_assets.sky.area_files.read_area`.
    cone : str, optional
        ``RA,DEC,RADIUS``; degrees.
    polygon : str, optional
        ``RA,DEC,RA,DEC,RA,DEC,…``; degrees.
    order : int
        HEALPix order for input that is not a MOC.

    Raises
    ------
    FileRefused
        If the area cannot be used.
    """
    from broker_assets.sky.area_files import read_area
    from broker_assets.sky.areas import NotAnArea
    from broker_assets.sky.regions import cone_area, polygon_area

    wrong = typer.BadParameter("give exactly one of a file, --cone and --polygon")
    if sum(given is not None for given in (path, cone, polygon)) > 1:
        raise wrong
    try:
        if cone is not None:
            values = _numbers(cone, "--cone")
            if len(values) != 3:
                raise typer.BadParameter("it takes three numbers: RA,DEC,RADIUS in degrees", param_hint="--cone")
            return cone_area(values[0], values[1], values[2], order=order)
        if polygon is not None:
            corners = _numbers(polygon, "--polygon")
            if len(corners) < 6 or len(corners) % 2:
                raise typer.BadParameter("it takes RA,DEC of three or more corners, degrees", param_hint="--polygon")
            return polygon_area(corners[::2], corners[1::2], order=order)
        if path is None:
            raise wrong
        limits = load_settings().limits
        return read_area(_read(path, limits.area_bytes), region_order=order, limits=limits)
    except NotAnArea as error:
        source = "--cone" if cone is not None else "--polygon" if polygon is not None else _name(path or Path("-"))
        raise FileRefused(f"{source}: {error}") from None


def _numbers(text: str, option: str) -> list[float]:
    from broker_assets.sky.angles import decimal_number

    try:
        return [decimal_number(part) for part in text.replace(",", " ").split()]
    except ValueError as error:
        raise typer.BadParameter(f"{error}; give numbers in degrees, separated by commas", param_hint=option) from None


def _read(path: Path, most: int) -> bytes:
    """The content of a file, up to one byte more than the limit, which is then reported."""
    if str(path) == "-":
        return sys.stdin.buffer.read(most + 1)
    with path.open("rb") as stream:
        return stream.read(most + 1)


def _name(path: Path) -> str:
    return "standard input" if str(path) == "-" else str(path)


def _show(path: Path, bad: Sequence[BadLine]) -> None:
    """Number and reason of each line, on standard error."""
    console = terminal(stderr=True)
    for line in bad[:SHOWN_LINES]:
        console.print(f"{escape(_name(path))}, line {line.line}: {escape(line.reason)}", highlight=False)
    if len(bad) > SHOWN_LINES:
        console.print(f"… and {len(bad) - SHOWN_LINES:,} more", highlight=False)
