"""`broker-assets telemetry lowlatency`: requests of the low-latency machine, without Dagster or a network."""

from __future__ import annotations

import logging
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from broker_assets.commands.terminal import PrintableFormatter, echo

LOG = Path("logs/lldp_processing.log")
logger = logging.getLogger(__name__)


def lowlatency(
    requests: Annotated[Path, typer.Option(envvar="instr_input_requests", help="Folder of requests.")],
    output: Annotated[Path, typer.Option(envvar="instr_output", help="Folder for products, failed and temporary.")],
    idb: Annotated[Path, typer.Option(help="Folder of instrument databases.")],
    configuration: Annotated[Path, typer.Option(help="Checkout of the configuration repository.")],
    idb_version: Annotated[str | None, typer.Option(help="Use this version for all times.")] = None,
    watch: Annotated[
        bool, typer.Option("--watch/--once", help="Keep watching for requests, or process those present and exit.")
    ] = False,
    seconds: Annotated[float, typer.Option(min=0.1, help="Seconds between checks for requests.")] = 5.0,
) -> None:
    """Make low-latency products (LL01) for every waiting request.

    A request is a folder `request_YYYYMMDD_HHMMSS…` with one telemetry file in its folder `telemetry`; the result
    is in `products` or `failed` of the output folder, and in its log, `logs/lldp_processing.log`.

    With --watch, a request is processed once it has not changed between two checks.

    Exit code 0: all made (with --watch: ended by a signal); 1: a request failed; 2: invalid options, or another process
    is using the output folder.
    """
    import numpy as np

    from broker_assets.telemetry.idb.database import DatabaseError
    from broker_assets.telemetry.idb.database_versions import InstrumentDatabases
    from broker_assets.telemetry.inputs.configuration import ConfigurationError, InstrumentConfiguration
    from broker_assets.telemetry.products.levels.level0 import Inputs
    from broker_assets.telemetry.products.levels.lowlatency import Arrivals, answer_all, only_one

    if not requests.is_dir():
        raise typer.BadParameter(f"{requests} is not a folder", param_hint="--requests")
    try:
        inputs = Inputs(InstrumentDatabases(idb, forced=idb_version), InstrumentConfiguration(configuration))
        inputs.configuration.version  # noqa: B018  read now: a wrong folder shall end the command
    except (DatabaseError, ConfigurationError) as error:
        echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    end = threading.Event()
    arrivals = Arrivals()
    failed = False
    try:
        with only_one(output):
            _log(output / LOG)
            if watch:
                _end_on_signals(end)
            while True:
                now = np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us")
                try:
                    chosen = arrivals.complete(requests, output) if watch else None
                    answers = answer_all(requests, output, inputs, now, chosen=chosen)
                except OSError as error:
                    # A full disk, or a folder that is temporarily unavailable: the request waits for the next check.
                    logger.error("cannot work in %s: %s", output, error)
                    echo(f"error: {error}", err=True)
                    answers, failed = [], True
                for found in answers:
                    failed |= found.reason is not None
                    echo(f"{found.name}: {found.reason or ', '.join(found.files)}")
                if not watch or end.wait(seconds):
                    break
    except BlockingIOError as error:
        echo(f"error: another process is using {output}", err=True)
        raise typer.Exit(2) from error
    raise typer.Exit(1 if failed and not watch else 0)


def _end_on_signals(end: threading.Event) -> None:
    """End after the current request."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        end.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _log(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(message)s"))
    package = logging.getLogger("broker_assets")
    package.addHandler(handler)
    package.setLevel(logging.INFO)
