"""`broker-assets telemetry simulate`: write a small simulated mission to a folder."""

from __future__ import annotations

import datetime
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings.places import folder_url

if TYPE_CHECKING:
    from broker_assets.telemetry.simulation import Mission

FILES_PER_DAY = 6


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder of the mission; it must not contain one yet.")],
    start: Annotated[
        datetime.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day; default: yesterday.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="Number of days.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed and days give the same bytes.")] = 1,
    damaged: Annotated[
        bool,
        typer.Option(
            "--damaged", help="On the first day: a truncated file, a short packet, a lost packet, a wrong clock."
        ),
    ] = False,
    shuffled: Annotated[bool, typer.Option("--shuffled", help="Shuffle the packets in the files.")] = False,
) -> None:
    """Write a simulated mission: telemetry files and all other inputs of products.

    Each day has quick-look data of a Sun with flares, housekeeping, an energy calibration and the answers to six
    science requests, in overlapping files. Nothing in it comes from a real mission.
    """
    # Imported here: `--help` must not wait for the numerical libraries.
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    from broker_assets.telemetry.simulation import Fault, write_mission

    first = start.date() if start else datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=1)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn())
    console = terminal(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("telemetry files", total=FILES_PER_DAY * days + damaged)
        try:
            mission = write_mission(
                out,
                start=first,
                days=days,
                seed=seed,
                faults=tuple(Fault) if damaged else (),
                shuffled=shuffled,
                report=lambda name: progress.update(task, advance=1),
            )
        except (ValueError, OSError) as error:
            echo(f"error: {error}", err=True)
            raise typer.Exit(2) from error
    _report(mission)


def _report(mission: Mission) -> None:
    size = sum(path.stat().st_size for path in mission.files)
    largest = max(mission.flares, key=lambda flare: flare.size)
    echo(
        f"{mission.folder}: {mission.days} days from {mission.start}, {mission.packets} packets in "
        f"{len(mission.files)} files ({size / 1e6:.1f} MB), {len(mission.flares)} flares, "
        f"{len(mission.science)} science requests"
    )
    echo(f"largest flare: on-board second {largest.start:.0f}, {largest.size:.0f} counts/s at 4 to 10 keV")
    for fault in sorted(mission.faults):
        echo(f"fault: {fault}")
    archive = shlex.quote(str(mission.folder / "products"))
    options = shlex.join(mission.process_options)
    echo(f"\nTo make products from it:\n  broker-assets telemetry process {options} --fits-dir {archive}")
    names = {
        "DATABASES": mission.databases,
        "CONFIGURATION": mission.configuration,
        "KERNELS": mission.kernels,
        "PLANNING": mission.planning,
        "REQUESTS": mission.requests,
    }
    settings = " ".join(f"BROKER_TELEMETRY__{name}={shlex.quote(str(path.resolve()))}" for name, path in names.items())
    echo(f"\nTo let the platform receive it:\n  {settings} \\")
    echo(f"  BROKER_TELEMETRY__INCOMING='[\"{folder_url(mission.incoming.resolve())}\"]' broker-assets up")
