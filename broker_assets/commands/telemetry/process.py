"""`broker-assets telemetry process`: turns telemetry files into product files, without Dagster or a network."""

from __future__ import annotations

import fnmatch
import hashlib
import logging
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from broker_assets.commands.output import write_output
from broker_assets.commands.telemetry.inputs import find_programs, processing_versions, read_inputs
from broker_assets.commands.terminal import PrintableFormatter, echo, terminal
from broker_assets.settings import load_settings

if TYPE_CHECKING:
    from broker_assets.telemetry.archive.product_archive import Outcome
    from broker_assets.telemetry.archive.units import Touched
    from broker_assets.telemetry.products.levels.level0 import Inputs
    from broker_assets.telemetry.reception.packet_store import PacketStore

logger = logging.getLogger(__name__)

ORDER = ("TM", "LB", "L0", "L1", "L2")
MADE_FROM = {"LB": "LB", "L0": "LB", "L1": "L0", "L2": "L1"}
"""Level whose files determine what is rebuilt, by the first level to make."""
TELEMETRY_FILES = ("*.xml", "*.xml.gz", "*.fits")
"""File name patterns in telemetry folders; FITS files are those of level LB."""
SURELY_TELEMETRY = ("*PktTmRaw*", "*_LB_*")
"""Patterns of names that must be telemetry; other files in a folder are skipped if they are something else."""


class Level(StrEnum):
    """Where processing starts or ends; ALL means TM as start level, L2 as end level."""

    TM = "TM"
    LB = "LB"
    L0 = "L0"
    L1 = "L1"
    L2 = "L2"
    ALL = "ALL"


def process(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Telemetry files (PktTmRaw, or FITS of level LB), or folders of them.")
    ] = None,
    tm_dir: Annotated[Path | None, typer.Option("--tm-dir", "-t", help="Folder of telemetry files.")] = None,
    fits_dir: Annotated[Path, typer.Option("--fits-dir", "-f", help="Archive: folder of products.")] = Path("fits"),
    store: Annotated[Path | None, typer.Option(help="Packet store; default: `packets` next to the archive.")] = None,
    idb: Annotated[Path, typer.Option(help="Folder of instrument databases.")] = Path("idb"),
    idb_version: Annotated[str | None, typer.Option(help="Use this version for all times.")] = None,
    configuration: Annotated[Path, typer.Option(help="Checkout of the configuration repository.")] = Path("conf"),
    spice_dir: Annotated[Path | None, typer.Option("--spice-dir", "-s", help="Kernels: mk, lsk, sclk, …")] = None,
    spice_file: Annotated[
        list[Path] | None,
        typer.Option("--spice-file", "-S", help="Individual kernels instead of a folder; repeatable."),
    ] = None,
    soop_dir: Annotated[Path | None, typer.Option("--soop-dir", "-p", help="Planning files.")] = None,
    rid_lut_file: Annotated[
        Path | None,
        typer.Option("--rid-lut-file", "-r", envvar="BROKER_TELEMETRY__REQUESTS", help="Table of requests, CSV."),
    ] = None,
    update_rid_lut: Annotated[
        bool, typer.Option("--update-rid-lut", help="Update the table of requests first.")
    ] = False,
    rid_lut_url: Annotated[
        str | None,
        typer.Option(
            envvar="BROKER_TELEMETRY__REQUESTS_URL",
            show_envvar=True,
            help="Where rows of that table come from; `--update-rid-lut URL` is the same with the flag.",
        ),
    ] = None,
    start_level: Annotated[
        Level,
        typer.Option(
            "--start-level",
            "-b",
            help="First level to make: TM and LB read telemetry, L0 starts from LB files, L1 from L0, L2 from L1.",
        ),
    ] = Level.TM,
    end_level: Annotated[
        Level, typer.Option("--end-level", "-e", help="Last level to make; L2 is CAL, ANC and LL03.")
    ] = Level.L2,
    filter_: Annotated[
        str | None,
        typer.Option(
            "--filter", "-F", help="Names of the files to start from: glob; regular expression with --input-files."
        ),
    ] = None,
    input_files: Annotated[
        Path | None, typer.Option("--input-files", "-i", help="Text file: one path to start from per line.")
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out-file", "-o", help="List of files written; default: standard output.")
    ] = None,
    clean: Annotated[bool, typer.Option("--clean", "-c", help="Empty the archive first (asks).")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    stop_on_error: Annotated[
        bool, typer.Option("--stop-on-error/--continue-on-error", help="Stop at the first product that fails.")
    ] = False,
    ecc_path: Annotated[
        Path | None,
        typer.Option(
            envvar="BROKER_TELEMETRY__ENERGY_CALIBRATION",
            help="Folder of the energy-calibration programs Bkg, ECC, STX_Calib; without it no CAL is made.",
        ),
    ] = None,
    aspect_command: Annotated[
        str | None,
        typer.Option(help="Program that computes the aspect solution, the bridge to IDL; without it ANC has none."),
    ] = None,
    idl_enabled: Annotated[
        bool | None,
        typer.Option("--idl-enabled/--idl-disabled", help="Run the aspect program; default: if one is named."),
    ] = None,
    idl_gsw_path: Annotated[
        Path | None, typer.Option(help="Checkout of STX-GSW; the aspect program gets it as STX_GSW_PATH.")
    ] = None,
    idl_batchsize: Annotated[
        int, typer.Option(min=1, help="Accepted for compatibility; the aspect program runs once per day.")
    ] = 1,
    processing_version: Annotated[
        list[str] | None,
        typer.Option(metavar="LEVEL/KIND=N", help="Override a processing version (L1/ql-lightcurve=3); repeatable."),
    ] = None,
    log_file: Annotated[Path | None, typer.Option("--log-file", "-l", help="Write the log to this file.")] = None,
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
) -> None:
    """Make products from telemetry: LB (raw packets), L0 (decoded), L1 (engineering values, UTC), CAL, ANC and LL03.

    Packets go into the packet store; every file they touch is rebuilt in full from it and replaced atomically. Files
    may therefore arrive in any order and any number of times, and levels after LB start from the store. To take over
    an archive without its packet store, use `-b L0`: its LB files are read into the store first.

    Example:

        broker-assets telemetry process -t incoming -f archive --idb idb --configuration STIX-CONF -s kernels -e L1

    Exit code 0: all made; 1: some products or packets failed (listed; everything else is made); 2: invalid options.
    """
    _log(log_file, log_level)
    first = "TM" if start_level is Level.ALL else start_level.value
    last = "L2" if end_level is Level.ALL else end_level.value
    if ORDER.index(last) < ORDER.index(first):
        raise typer.BadParameter(f"end level {last} is before start level {first}")
    named = bool(files) or tm_dir is not None
    if first == "TM" and not named and input_files is None:
        raise typer.BadParameter("give telemetry files, --tm-dir or --input-files")
    if named and first not in ("TM", "LB"):
        raise typer.BadParameter(f"telemetry files require start level TM or LB, not {first}")
    store = store or fits_dir.parent / "packets"
    for folder, option in ((fits_dir, "--fits-dir"), (store, "--store")):
        if folder.exists() and not folder.is_dir():
            raise typer.BadParameter(f"{folder} is not a folder", param_hint=option)
    programs = find_programs(ecc_path, aspect_command, idl_enabled, idl_gsw_path)
    if idl_batchsize > 1:
        logger.info("the aspect program runs once per day; --idl-batchsize %d has no effect", idl_batchsize)

    from broker_assets.telemetry.archive.product_archive import LEVELS as WRITTEN
    from broker_assets.telemetry.archive.product_archive import Archive
    from broker_assets.telemetry.archive.units import Touched
    from broker_assets.telemetry.reception.packet_store import PacketStore

    if update_rid_lut:
        _update_requests(rid_lut_file, rid_lut_url)
    inputs = read_inputs(
        idb,
        idb_version,
        configuration,
        spice_dir,
        spice_file,
        soop_dir,
        rid_lut_file,
        processing_versions(processing_version),
    )
    listed = _listed(input_files)
    if clean:
        needed = [*(files or ()), *(listed or ()), *(spice_file or ())]
        needed += filter(None, (tm_dir, store, idb, configuration, spice_dir, soop_dir, rid_lut_file, input_files))
        _keep_inputs(fits_dir, needed)
    accepted = _accepted(filter_, regular=listed is not None)
    levels = [level for level in WRITTEN if ORDER.index(first) <= ORDER.index(level) <= ORDER.index(last)]
    failed = 0
    with PacketStore(store) as packets:
        if clean:
            if first != "TM" and not named and not packets.kinds() and not any(path.is_file() for path in listed or ()):
                raise typer.BadParameter(
                    f"it would remove the files of level LB in {fits_dir}, and {store} has no packets",
                    param_hint="--clean",
                )
            _empty(fits_dir, yes)
        if first == "TM" or (first == "LB" and named):
            touched, failed = _receive(_telemetry(files, tm_dir, listed, accepted), packets, inputs)
        else:
            source = fits_dir / MADE_FROM[first]
            taken, read = Touched(), frozenset[str]()
            if MADE_FROM[first] == "LB":
                taken, failed, read = _take_over(source, listed, accepted, packets, inputs)
            selected, unknown = _from_store(packets, source, listed, accepted, read)
            touched = taken | selected | _decode_again(packets, inputs)
            failed += unknown
        archive = Archive(fits_dir, packets, inputs, programs=programs)
        outcome = _rebuild(archive, touched, levels, stop_on_error)
    _report(outcome, out_file)
    raise typer.Exit(1 if failed or outcome.problems else 0)


def _update_requests(table: Path | None, url: str | None) -> None:
    """Update the table of requests; without a table or a URL it stays as it is, as when the service does not answer."""
    from broker_assets.telemetry.inputs.requests_update import update

    if table is None or url is None:
        logger.warning("--update-rid-lut needs --rid-lut-file and --rid-lut-url: no table of requests is updated")
    else:
        echo(f"{update(table, url)} rows in {table}", err=True)


def _log(log_file: Path | None, level: str) -> None:
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise typer.BadParameter(f"log level {level} is not one of DEBUG, INFO, WARNING, ERROR")
    handler: logging.Handler = logging.StreamHandler() if log_file is None else logging.FileHandler(log_file)
    handler.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(message)s"))
    handler.setLevel(max(number, logging.WARNING) if log_file is None else number)
    package = logging.getLogger("broker_assets")
    package.addHandler(handler)
    package.setLevel(number)


def _keep_inputs(folder: Path, needed: Iterable[Path]) -> None:
    """Refuse to empty an archive that contains what it would be made from."""
    archive = folder.resolve()
    for path in needed:
        if path.exists() and path.resolve().is_relative_to(archive):
            raise typer.BadParameter(f"it would remove {path}, which is needed", param_hint="--clean")


def _empty(folder: Path, yes: bool) -> None:
    """Remove everything in the archive."""
    if folder.is_dir() and (yes or typer.confirm(f"Remove everything in {folder}?", err=True)):
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _listed(path: Path | None) -> list[Path] | None:
    if path is None:
        return None
    try:
        # Names may contain characters that Python treats as line ends, and bytes that are not UTF-8.
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be read: {error.strerror}", param_hint="--input-files") from error
    listed = [Path(line) for line in (line.strip(" \t\r") for line in lines) if line]
    if not listed:
        echo(f"{path} lists no files", err=True)
    return listed


def _accepted(pattern: str | None, *, regular: bool) -> Callable[[PurePosixPath], bool] | None:
    if pattern is None:
        return None
    if regular:
        try:
            expression = re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            raise typer.BadParameter(f"not a regular expression: {error}", param_hint="--filter") from error
        return lambda path: expression.search(str(path)) is not None
    return lambda path: fnmatch.fnmatch(path.name, pattern)


def _telemetry(
    files: list[Path] | None,
    folder: Path | None,
    listed: list[Path] | None,
    accepted: Callable[[PurePosixPath], bool] | None,
) -> dict[Path, bool]:
    """Telemetry files given by the options, each once, ordered by name; true for those that must be telemetry."""
    found = dict.fromkeys(listed or (), True)
    for path in [*(files or ()), *([folder] if folder else ())]:
        if path.is_dir():
            below = sorted(file for file in path.rglob("*") if _named_like(file, TELEMETRY_FILES) and not file.is_dir())
            if not below:
                echo(f"no file in {path} is named like telemetry: {', '.join(TELEMETRY_FILES)}", err=True)
            for file in below:
                found.setdefault(file, _named_like(file, SURELY_TELEMETRY))
        else:
            found[path] = True
    chosen = {
        path: sure for path, sure in found.items() if accepted is None or accepted(PurePosixPath(path.as_posix()))
    }
    if found and not chosen:
        echo(f"--filter matches none of {len(found)} files", err=True)
    return chosen


def _named_like(path: Path, patterns: Iterable[str]) -> bool:
    """Whether a name matches a pattern, ignoring case."""
    return any(fnmatch.fnmatchcase(path.name.lower(), pattern.lower()) for pattern in patterns)


def _receive(paths: Mapping[Path, bool], packets: PacketStore, inputs: Inputs) -> tuple[Touched, int]:
    """Receive files into the store; return what they touch, and how many failures there were.

    Files that need not be telemetry (false) are skipped if they are not.
    """
    from rich.progress import track

    from broker_assets.telemetry.archive.units import Touched
    from broker_assets.telemetry.packets.files import FileLimits, FileTooLarge, UnknownFile
    from broker_assets.telemetry.reception.storing import receive

    touched = Touched()
    failed = 0
    limits = FileLimits(**load_settings().telemetry.input_limits.model_dump())
    console = _console()
    hidden = not console.is_terminal  # elsewhere, a bar that is removed leaves an empty line
    for path, sure in track(
        list(paths.items()), description="receive", console=console, transient=True, disable=hidden
    ):
        # Names come from outside: a line break in one must not look like another message.
        shown = repr(str(path))[1:-1]
        try:
            received = receive(path, packets, inputs.databases, limits)
        except (UnknownFile, OSError) as error:
            if not sure and isinstance(error, UnknownFile) and not isinstance(error, FileTooLarge):
                logger.info("%s is skipped: %s", shown, error)
                continue
            failed += 1
            logger.error("%s: %s", shown, error)
            continue
        failed += len(received.bad)
        for bad in received.bad:
            logger.warning("%s, packet %s, byte %d: %s", shown, bad.number, bad.position, bad.reason)
        logger.info("%s: %d packets, %d new, %d bad", shown, received.packets, received.new, len(received.bad))
        touched |= received.touched
    return touched, failed


def _take_over(
    folder: Path,
    listed: list[Path] | None,
    accepted: Callable[[PurePosixPath], bool] | None,
    packets: PacketStore,
    inputs: Inputs,
) -> tuple[Touched, int, frozenset[str]]:
    """Read LB files that the store does not have: those listed, or all if it is empty.

    Listed telemetry files are read as well: the original's start level LB is made from them. Returns what is touched,
    how many failures there were, and the names of the files that exist.
    """
    from broker_assets.telemetry.archive.units import Touched

    if listed is None and packets.kinds():
        return Touched(), 0, frozenset()
    found = [path for path in (sorted(folder.rglob("*.fits")) if listed is None else listed) if path.is_file()]
    chosen = [path for path in found if accepted is None or accepted(PurePosixPath(path.as_posix()))]
    names = frozenset(path.name for path in chosen)
    # A name of level LB selects its packets even if they are known; that of a telemetry file does not.
    others = set(Touched.everything(packets).unknown(names))
    todo = {path: True for path in chosen if path.name in others or not packets.has_file(path.name, _digest(path))}
    touched, failed = _receive(todo, packets, inputs)
    return touched, failed, names


def _decode_again(packets: PacketStore, inputs: Inputs) -> Touched:
    """Decode packets that could not be decoded when they were stored; return what they touch."""
    from broker_assets.telemetry.reception.storing import receive_again

    received = receive_again(packets, inputs.databases)
    if received.new:
        logger.info("%d stored packets can be decoded now", received.new)
    return received.touched


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _from_store(
    packets: PacketStore,
    folder: Path,
    listed: list[Path] | None,
    accepted: Callable[[PurePosixPath], bool] | None,
    read: frozenset[str],
) -> tuple[Touched, int]:
    """What to rebuild: everything, or the units of the selected files of the previous level.

    Also how many files of the list have no packets in the store; those of `read` have just been read.
    """
    from broker_assets.telemetry.archive.units import Touched

    everything = Touched.everything(packets)
    if listed is None and accepted is None:
        return everything, 0
    found = sorted(folder.rglob("*.fits")) if listed is None else listed
    chosen = [path.name for path in found if accepted is None or accepted(PurePosixPath(path.as_posix()))]
    if found and not chosen:
        echo(f"--filter matches none of {len(found)} files", err=True)
    # Files of the archive may be older than its packet store; those of a list are what the caller wants rebuilt.
    unknown = [] if listed is None else everything.unknown(name for name in chosen if name not in read)
    for name in unknown:
        logger.error("%s: the packet store has no packets of it", repr(name)[1:-1])
    return everything.only(chosen), len(unknown)


def _rebuild(archive: Any, touched: Touched, levels: list[str], stop_on_error: bool) -> Outcome:
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn())
    console = _console()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("products", total=None)

        def report(path: Path) -> None:
            progress.update(task, advance=1, description=path.name)

        archive.tree.report = report
        try:
            return archive.rebuild(touched, levels, stop_on_error=stop_on_error)  # type: ignore[no-any-return]
        except RuntimeError as error:
            logger.error("%s", error)
            return archive.outcome  # type: ignore[no-any-return]


def _console() -> Any:
    return terminal(stderr=True)


def _report(outcome: Outcome, out_file: Path | None) -> None:
    """Print the files written; problems and deliberate omissions go to standard error."""
    lines = "".join(f"{path}\n" for path in outcome.written)
    if out_file is None:
        echo(lines, nl=False)
    else:
        write_output(out_file, lines)
    for problem in outcome.problems:
        logger.warning("%s: %s", problem.what, problem.reason)
        echo(f"{problem.what}: {problem.reason}", err=True)
    for problem in outcome.skipped:
        logger.info("not made, %s: %s", problem.what, problem.reason)
    for reason, number in Counter(problem.reason for problem in outcome.skipped).items():
        echo(f"not made ({number}): {reason}", err=True)
    echo(
        f"{len(outcome.written)} files written, {len(outcome.unchanged)} unchanged, {len(outcome.removed)} removed, "
        f"{len(outcome.problems)} problems",
        err=True,
    )
