"""`broker-assets telemetry fetch`: bring inputs up to date from their sources, now."""

from __future__ import annotations

from typing import Annotated

import typer

from broker_assets.commands.terminal import echo
from broker_assets.settings import load_settings


def fetch(
    source: Annotated[
        list[str] | None,
        typer.Argument(help="Names of sources, such as `spice_kernels`; all of the settings unless given."),
    ] = None,
    look: Annotated[bool, typer.Option("--look", help="Only show whether something is new.")] = False,
) -> None:
    """Fetch kernels, plans, configuration or the table of requests from the sources of the settings.

    The exit code is 1 if one cannot be fetched; the earlier version then stays in use. While the platform runs, sensors
    do this by themselves.

    Example: `broker-assets telemetry fetch spice_kernels`
    """
    from broker_assets.resources.telemetry import Telemetry

    telemetry = Telemetry.of(load_settings())
    chosen = [telemetry.source(name) for name in source] if source else telemetry.sources
    if not chosen:
        raise typer.BadParameter("the settings name no sources: see BROKER_TELEMETRY__SOURCES", param_hint="SOURCE")
    failed = False
    for one in chosen:
        try:
            if look:
                present = one.version()
                echo(f"{one.name}: {'nothing is new' if present == one.last.version else f'new: {present}'}")
                continue
            done = one.fetch()
        except OSError as error:
            failed = True
            echo(f"{one.name}: {error}", err=True)
        else:
            echo(f"{one.name} is at {done.version}: {len(done.new)} files are new, {len(done.removed)} were removed")
    if failed:
        raise typer.Exit(1)
