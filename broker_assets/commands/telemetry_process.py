"""`broker-assets telemetry process`: telemetry files to product files, without Dagster and without a network."""

from __future__ import annotations

import fnmatch
import logging
import re
import shutil
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from broker_assets.telemetry.archive import Outcome
    from broker_assets.telemetry.products.level0 import Inputs
    from broker_assets.telemetry.store import PacketStore
    from broker_assets.telemetry.units import Touched

logger = logging.getLogger(__name__)

LEVELS = ("TM", "LB", "L0", "L1")


class Level(StrEnum):
    """Where processing starts or ends; ALL as an end is L2."""

    TM = "TM"
    LB = "LB"
    L0 = "L0"
    L1 = "L1"
    L2 = "L2"
    ALL = "ALL"


def process(
    files: Annotated[list[Path] | None, typer.Argument(help="Telemetry files, or folders of them.")] = None,
    tm_dir: Annotated[Path | None, typer.Option("--tm-dir", "-t", help="Folder of telemetry files (*.xml).")] = None,
    fits_dir: Annotated[Path, typer.Option("--fits-dir", "-f", help="Archive: folder of products.")] = Path("fits"),
    store: Annotated[Path | None, typer.Option(help="Packet store; default: `packets` beside the archive.")] = None,
    idb: Annotated[Path, typer.Option(help="Folder of instrument databases.")] = Path("idb"),
    idb_version: Annotated[str | None, typer.Option(help="Use this version for every time.")] = None,
    configuration: Annotated[Path, typer.Option(help="Checkout of the configuration repository.")] = Path("conf"),
    spice_dir: Annotated[Path | None, typer.Option("--spice-dir", "-s", help="Kernels: mk, lsk, sclk, …")] = None,
    spice_file: Annotated[
        list[Path] | None, typer.Option("--spice-file", "-S", help="Single kernels instead of a folder; repeatable.")
    ] = None,
    soop_dir: Annotated[Path | None, typer.Option("--soop-dir", "-p", help="Planning files.")] = None,
    rid_lut_file: Annotated[Path | None, typer.Option("--rid-lut-file", "-r", help="Table of requests, CSV.")] = None,
    update_rid_lut: Annotated[
        str | None, typer.Option(help="Bring the table of requests up to date first, from this URL.", metavar="URL")
    ] = None,
    start_level: Annotated[Level, typer.Option("--start-level", "-b", help="Level to start from.")] = Level.TM,
    end_level: Annotated[Level, typer.Option("--end-level", "-e", help="Last level to make.")] = Level.L2,
    filter_: Annotated[
        str | None,
        typer.Option("--filter", "-F", help="Names of the start level: glob; regular expression with --input-files."),
    ] = None,
    input_files: Annotated[
        Path | None, typer.Option("--input-files", "-i", help="Text file with one path of the start level per line.")
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out-file", "-o", help="List of files written; default: standard output.")
    ] = None,
    clean: Annotated[bool, typer.Option("--clean", "-c", help="Empty the archive first (asks).")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    stop_on_error: Annotated[
        bool, typer.Option("--stop-on-error/--continue-on-error", help="End at the first product that fails.")
    ] = False,
    log_file: Annotated[Path | None, typer.Option("--log-file", "-l", help="Write the log here.")] = None,
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
) -> None:
    """Make products from telemetry: levels LB (raw packets), L0 (decoded) and L1 (engineering values, UTC).

    Packets go into the packet store; every file they touch is rebuilt whole from it and replaced at once. So files may
    come in any order and any number of times, and a level later than TM starts from the store.

    Example:

        broker-assets telemetry process -t incoming -f archive --idb idb --configuration STIX-CONF -s kernels -e L1

    Exit code 0: all made; 1: some products or packets failed (listed; everything else is made); 2: wrong options.
    """
    _log(log_file, log_level)
    order = [*LEVELS, "L2"]
    first = "TM" if start_level is Level.ALL else start_level.value
    last = "L2" if end_level is Level.ALL else end_level.value
    if order.index(last) < order.index(first):
        raise typer.BadParameter(f"end level {last} lies before start level {first}")
    if not files and tm_dir is None and input_files is None and first == "TM":
        raise typer.BadParameter("name telemetry files, --tm-dir or --input-files")

    from broker_assets.telemetry.archive import LEVELS as WRITTEN
    from broker_assets.telemetry.archive import Archive
    from broker_assets.telemetry.store import PacketStore

    if update_rid_lut is not None:
        if rid_lut_file is None:
            raise typer.BadParameter("--update-rid-lut needs --rid-lut-file")
        from broker_assets.telemetry.requests_update import update

        typer.echo(f"{update(rid_lut_file, update_rid_lut)} rows in {rid_lut_file}", err=True)
    inputs = _inputs(idb, idb_version, configuration, spice_dir, spice_file, soop_dir, rid_lut_file)
    if clean:
        _empty(fits_dir, yes)
    listed = _listed(input_files)
    accepted = _accepted(filter_, regular=listed is not None)
    levels = [level for level in WRITTEN if order.index(first) < order.index(level) <= order.index(last)]
    if first == "LB":
        levels = [level for level in levels if level != "LB"]
    failed = 0
    with PacketStore(store or fits_dir.parent / "packets") as packets:
        if first == "TM":
            touched, failed = _receive(_telemetry(files, tm_dir, listed, accepted), packets, inputs)
        else:
            touched = _from_store(packets, fits_dir / first, listed, accepted)
        outcome = _rebuild(Archive(fits_dir, packets, inputs), touched, levels, stop_on_error)
    _tell(outcome, out_file, last)
    raise typer.Exit(1 if failed or outcome.problems else 0)


def _log(log_file: Path | None, level: str) -> None:
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise typer.BadParameter(f"log level {level} is none of DEBUG, INFO, WARNING, ERROR")
    handler: logging.Handler = logging.StreamHandler() if log_file is None else logging.FileHandler(log_file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.setLevel(max(number, logging.WARNING) if log_file is None else number)
    package = logging.getLogger("broker_assets")
    package.addHandler(handler)
    package.setLevel(number)


def _inputs(
    idb: Path,
    idb_version: str | None,
    configuration: Path,
    spice_dir: Path | None,
    spice_file: list[Path] | None,
    soop_dir: Path | None,
    rid_lut_file: Path | None,
) -> Inputs:
    """Everything besides packets; what is not given is left out, what is given and unusable ends the command."""
    from broker_assets.telemetry.configuration import InstrumentConfiguration
    from broker_assets.telemetry.idb import DatabaseError
    from broker_assets.telemetry.products.level0 import Inputs
    from broker_assets.telemetry.requests import RequestTable
    from broker_assets.telemetry.soop import Planning
    from broker_assets.telemetry.spice import Kernels
    from broker_assets.telemetry.versions import InstrumentDatabases

    try:
        kernels = Kernels.of_files(spice_file) if spice_file else None
        if kernels is None and spice_dir is not None:
            kernels = Kernels.of_folder(spice_dir)
        if kernels is None:
            logger.warning("without SPICE kernels level L1 cannot be made")
        found = InstrumentConfiguration(configuration)
        logger.info("instrument configuration %s", found.version)
        return Inputs(
            InstrumentDatabases(idb, forced=idb_version),
            found,
            kernels,
            RequestTable() if rid_lut_file is None else RequestTable.read(rid_lut_file),
            Planning() if soop_dir is None else Planning.of_folder(soop_dir),
        )
    except (DatabaseError, OSError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error


def _empty(folder: Path, yes: bool) -> None:
    """Remove what is in the archive."""
    if folder.is_dir() and (yes or typer.confirm(f"Remove everything in {folder}?", err=True)):
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _listed(path: Path | None) -> list[Path] | None:
    if path is None:
        return None
    return [Path(line.strip()) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _accepted(pattern: str | None, *, regular: bool) -> Callable[[PurePosixPath], bool] | None:
    if pattern is None:
        return None
    if regular:
        expression = re.compile(pattern)
        return lambda path: expression.search(str(path)) is not None
    return lambda path: fnmatch.fnmatch(path.name, pattern)


def _telemetry(
    files: list[Path] | None,
    folder: Path | None,
    listed: list[Path] | None,
    accepted: Callable[[PurePosixPath], bool] | None,
) -> list[Path]:
    """Telemetry files of the options, each once, in the order of their names."""
    found: list[Path] = [*(listed or ())]
    for path in [*(files or ()), *([folder] if folder else ())]:
        found += sorted(path.rglob("*.xml")) if path.is_dir() else [path]
    unique = dict.fromkeys(found)
    return [path for path in unique if accepted is None or accepted(PurePosixPath(path.as_posix()))]


def _receive(paths: list[Path], packets: PacketStore, inputs: Inputs) -> tuple[Touched, int]:
    """Files into the store; what they touch, and how much of them failed."""
    from rich.progress import track

    from broker_assets.telemetry.files import UnknownFile
    from broker_assets.telemetry.receiving import receive
    from broker_assets.telemetry.units import Touched

    touched = Touched()
    failed = 0
    for path in track(paths, description="receive", console=_console(), transient=True):
        try:
            received = receive(path, packets, inputs.databases)
        except (UnknownFile, OSError) as error:
            failed += 1
            logger.error("%s: %s", path, error)
            continue
        failed += len(received.bad)
        for bad in received.bad:
            logger.warning("%s, packet %s, byte %d: %s", path.name, bad.number, bad.position, bad.reason)
        logger.info("%s: %d packets, %d new, %d bad", path, received.packets, received.new, len(received.bad))
        touched |= received.touched
    return touched, failed


def _from_store(
    packets: PacketStore,
    folder: Path,
    listed: list[Path] | None,
    accepted: Callable[[PurePosixPath], bool] | None,
) -> Touched:
    """What to make again: everything, or what the chosen files of the start level belong to."""
    from broker_assets.telemetry.units import Touched

    everything = Touched.everything(packets)
    if listed is None and accepted is None:
        return everything
    found = sorted(folder.rglob("*.fits")) if listed is None else listed
    return everything.only(path.name for path in found if accepted is None or accepted(PurePosixPath(path.as_posix())))


def _rebuild(archive: Any, touched: Touched, levels: list[str], stop_on_error: bool) -> Outcome:
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn())
    with Progress(*columns, console=_console(), transient=True) as progress:
        task = progress.add_task("products", total=None)

        def report(path: Path) -> None:
            progress.update(task, advance=1, description=path.name)

        archive.report = report
        try:
            return archive.rebuild(touched, levels, stop_on_error=stop_on_error)  # type: ignore[no-any-return]
        except RuntimeError as error:
            logger.error("%s", error)
            return archive.outcome  # type: ignore[no-any-return]


def _console() -> Any:
    from rich.console import Console

    return Console(stderr=True)


def _tell(outcome: Outcome, out_file: Path | None, last: str) -> None:
    """List of files written; problems on standard error."""
    lines = "".join(f"{path}\n" for path in outcome.written)
    if out_file is None:
        typer.echo(lines, nl=False)
    else:
        out_file.write_text(lines, encoding="utf-8")
    for problem in outcome.problems:
        logger.warning("%s: %s", problem.what, problem.reason)
        typer.echo(f"{problem.what}: {problem.reason}", err=True)
    if last == "L2":
        logger.info("level L2 needs the external programs for energy calibration and aspect; none are configured")
    typer.echo(
        f"{len(outcome.written)} files written, {len(outcome.unchanged)} unchanged, {len(outcome.removed)} removed, "
        f"{len(outcome.problems)} problems",
        err=True,
    )
