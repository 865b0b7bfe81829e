"""`broker-assets publish`: deliver product files to archives and other stores, without Dagster."""

from __future__ import annotations

import contextlib
import datetime
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from broker_assets.commands.original_options import NORMALISED, OptionalValue, original
from broker_assets.commands.output import write_output
from broker_assets.commands.publish.history import agree, show_history, show_status, verify
from broker_assets.commands.publish.targets import chosen, open_database
from broker_assets.commands.terminal import PrintableFormatter, echo, terminal
from broker_assets.settings import PublicationTarget, Settings, load_settings

if TYPE_CHECKING:
    import psycopg

    from broker_assets.publication.report import Report
    from broker_assets.publication.selection import Candidate, Rules

app = typer.Typer(no_args_is_help=True, help="Deliver product files: run, status, agree, history, verify, sync.")
app.command("status")(show_status)
app.command("agree")(agree)
app.command("history")(show_history)
app.command("verify")(verify)

UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Sort(StrEnum):
    """Order of files."""

    NAME = "name"
    MADE = "made"


def waiting_period(text: str) -> datetime.timedelta:
    """Read a time span.

    Examples
    --------
    >>> waiting_period("14d"), waiting_period("1 min")
    (datetime.timedelta(days=14), datetime.timedelta(seconds=60))
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|d|w)\s*", text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a time span such as 14d, 6h, 1min or 30s")
    return datetime.timedelta(**{UNITS[found.group(2)]: float(found.group(1))})


def listed(text: str) -> frozenset[str]:
    """Split a comma-separated list.

    Examples
    --------
    >>> sorted(listed("L0, L1"))
    ['L0', 'L1']
    """
    return frozenset(word.strip() for word in text.split(",") if word.strip())


@app.command(
    cls=original({"--sort-files": OptionalValue("name|made", ("--sort-files", "name"), ("--sort-files",))}),
    context_settings=NORMALISED,
)
def run(
    target: Annotated[list[str] | None, typer.Option("--target", help="Archive named in the settings.")] = None,
    target_dir: Annotated[str | None, typer.Option("--target-dir", "-t", help="Folder, sftp:// or s3:// URL.")] = None,
    target_host: Annotated[
        list[str] | None,
        typer.Option(
            "--target-host",
            "-T",
            help="Host of --target-dir, reached by SSH; localhost is this machine. Without --target-dir: as --target.",
        ),
    ] = None,
    db_file: Annotated[
        Path | None,
        typer.Option(
            "--db-file", "-d", help="History of the original publisher (SQLite): files that it delivered are skipped."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of --target-dir in history and headers.")] = None,
    fits_dir: Annotated[Path | None, typer.Option("--fits-dir", "-f", help="Local archive of products.")] = None,
    same_esa_name_dir: Annotated[
        str | None, typer.Option("--same-esa-name-dir", "-s", help="Folder for files beyond the last supplement.")
    ] = None,
    include_levels: Annotated[
        str | None, typer.Option("--include-levels", "-l", help="L0,L1,…; * selects all.")
    ] = None,
    include_products: Annotated[
        str | None, typer.Option("--include-products", "-p", help="ql,hk,sci,… or ql-lightcurve; * selects all.")
    ] = None,
    include_versions: Annotated[
        str | None, typer.Option("--include-versions", "-v", help="2,03,02U; * selects all.")
    ] = None,
    waiting: Annotated[
        str | None, typer.Option("--waiting-period", "-w", help="Minimum age: 14d, 6h, 1min, 0s.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", "-n", min=-1, help="Maximum number of files; -1: no limit.")
    ] = None,
    sort: Annotated[
        Sort, typer.Option("--sort-files", help="Order: path, or creation time; as a flag, by path.")
    ] = Sort.NAME,
    blacklist: Annotated[
        Path | None, typer.Option("--blacklist-files", help="File of names that are never delivered.")
    ] = None,
    supplements: Annotated[
        Path | None, typer.Option("--supplement-report", help="Write all supplements here, tab-separated.")
    ] = None,
    rid_lut_file: Annotated[Path | None, typer.Option("--rid-lut-file", "-r", help="Table of requests, CSV.")] = None,
    update_rid_lut: Annotated[
        bool, typer.Option("--update-rid-lut", help="Update the table of requests first.")
    ] = False,
    spice_dir: Annotated[
        Path | None,
        typer.Option("--spice-dir", "--spice-file", "-S", help="Folder of SPICE kernels, or a single kernel."),
    ] = None,
    log_dir: Annotated[Path | None, typer.Option("--log-dir", "-o", help="Append to pub_YYYYMMDD.log here.")] = None,
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
    prepare: Annotated[bool, typer.Option("--prepare", help="Create or migrate the database tables first.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document per target, one per line.")] = False,
) -> None:
    """Deliver the files that are due.

    Files of the local archive are not changed; a copy is delivered and read back from the target. An interrupted run
    continues where it stopped.

    Examples:

    `broker-assets publish run --dry-run`

    `broker-assets publish run -t /exchange/soar --name "ESA SOAR" -f products -w 14d -l L1,L2`

    Exit code 0: success; 1: a file could not be delivered, or a target is unavailable.
    """
    from broker_assets.publication.run import publish
    from broker_assets.publication.selection import Rules, files_below
    from broker_assets.publication.targets import Target

    settings = load_settings()
    _log(log_dir, log_level)
    if target_dir is not None:
        url = on_host(target_dir, target_host)
        goals = [PublicationTarget(name=name or url, url=url, conflicts_url=same_esa_name_dir)]
    else:
        goals = chosen(settings, [*(target or ()), *(target_host or ())], mirror=False)
        if same_esa_name_dir is not None:
            goals = [goal.model_copy(update={"conflicts_url": same_esa_name_dir}) for goal in goals]
    folder = fits_dir or settings.telemetry_folder / "products"
    if not folder.is_dir():
        raise FileNotFoundError(2, "the archive of products does not exist", str(folder))
    for option, words in (("-l", include_levels), ("-p", include_products), ("-v", include_versions)):
        _check_words(option, words)
    reason, refresh = _functions(settings, rid_lut_file, spice_dir, update=update_rid_lut)
    found = files_below(folder)
    for warning in _selecting_nothing(found, include_levels, include_products, include_versions):
        terminal(stderr=True).print(f"warning: {escape(warning)} in {escape(str(folder))}", highlight=False)
    files = _not_delivered(found, db_file)
    bad = False
    with open_database(prepare=prepare) as connection:
        for goal in goals:
            rules = _overridden(
                Rules.of(goal, settings.publication),
                levels=include_levels,
                products=include_products,
                versions=include_versions,
                waiting=waiting,
                batch_size=batch_size,
                blacklist=blacklist,
                order=sort.value,
            )
            with Target.of(goal) as far:
                report = publish(
                    connection,
                    files,
                    far,
                    rules,
                    reason=reason,
                    refresh=refresh,
                    conflicts=Target.conflicts_of(goal),
                    dry_run=dry_run,
                    notify=None if as_json else lambda outcome: terminal().print(_line(outcome), highlight=False),
                )
            if as_json:
                echo(report.model_dump_json())
            else:
                _show(report)
            bad |= report.failure is not None or bool(report.of("error"))
            if supplements is not None and not dry_run:
                _write_supplements(connection, goal.name, supplements)
    raise typer.Exit(1 if bad else 0)


def on_host(folder: str, hosts: list[str] | None) -> str:
    """URL of a folder on a host, as the original publisher names both.

    Examples
    --------
    >>> on_host("/exchange/soar", ["soar.esa.int"]), on_host("/exchange/soar", ["localhost"])
    ('sftp://soar.esa.int/exchange/soar', '/exchange/soar')

    Raises
    ------
    typer.BadParameter
        If there are several hosts, or the folder is already a URL of another host.
    """
    host = (hosts or ["localhost"])[0]
    if len(hosts or ()) > 1:
        raise typer.BadParameter("one folder is on one host", param_hint="--target-host")
    if host == "localhost":
        return folder
    if "://" in folder or not folder.startswith("/") or re.fullmatch(r"[A-Za-z0-9._@:\[\]-]+", host) is None:
        raise typer.BadParameter(f"{folder!r} on host {host!r} is not an absolute folder", param_hint="--target-host")
    return f"sftp://{host}{folder}"


def _check_words(option: str, text: str | None) -> None:
    """Refuse a list that cannot select anything."""
    if text is None:
        return
    if not listed(text):
        raise typer.BadParameter("the list is empty; * selects all", param_hint=option)
    for word in sorted(listed(text)) if option == "-v" else ():
        if re.fullmatch(r"\*|[Vv]?\d+[Uu]?", word, re.ASCII) is None:
            raise typer.BadParameter(f"{word!r} is not a version such as 2, 03 or 02U", param_hint=option)


def _selecting_nothing(
    files: list[Candidate], levels: str | None, products: str | None, versions: str | None
) -> Iterator[str]:
    """What is wrong with each word of the options that no file of the archive has: it may be misspelt."""
    from broker_assets.publication.names import NotAProductName, ProductName
    from broker_assets.publication.selection import version_wanted

    names = []
    for file in files:
        with contextlib.suppress(NotAProductName):
            names.append(ProductName.parse(file.path.name))
    if not names:
        return
    for word in sorted(listed(levels or "") - {name.level for name in names} - {"*"}):
        known = ", ".join(sorted({name.level for name in names}))
        yield f"no file is of level {word}; there are {known}"
    kinds = {name.family for name in names} | {name.kind for name in names}
    for word in sorted(listed(products or "") - kinds - {"*"}):
        yield f"no file is of product {word}; there are {', '.join(sorted(kinds))}"
    for word in sorted(listed(versions or "")):
        if not any(version_wanted(name, [word]) for name in names):
            yield f"no file is of version {word}"


def _not_delivered(files: list[Candidate], history: Path | None) -> list[Candidate]:
    """Files that the history of the original publisher does not name as delivered."""
    if history is None:
        return files
    if not history.exists():
        # The original creates it; a misspelt path would deliver everything a second time.
        terminal(stderr=True).print(
            f"warning: there is no {escape(str(history))}; no file counts as delivered before", highlight=False
        )
        return files
    from broker_assets.commands.publish.earlier_history import delivered_names
    from broker_assets.telemetry.products.product import complete

    names = delivered_names(history)
    kept = [file for file in files if complete(file.path.name) not in names]
    terminal(stderr=True).print(
        f"{len(files) - len(kept)} files were delivered before, according to {escape(str(history))}", highlight=False
    )
    return kept


def _overridden(rules: Rules, *, order: str, **options: Any) -> Rules:
    """Selection rules with the options of the command line."""
    from broker_assets.publication.selection import read_blacklist

    given: dict[str, Any] = {"order": order}
    for key in ("levels", "products", "versions"):
        if options[key] is not None:
            given[key] = listed(options[key])
    if options["waiting"] is not None:
        given["waiting"] = waiting_period(options["waiting"])
    if options["batch_size"] is not None:
        given["batch_size"] = options["batch_size"]
    if options["blacklist"] is not None:
        given["blacklist"] = rules.blacklist | read_blacklist(options["blacklist"])
    return replace(rules, **given)


def _functions(settings: Settings, table: Path | None, spice: Path | None, *, update: bool) -> tuple[Any, Any]:
    """Reasons of requests and updated ephemeris cards, if there are tables and kernels."""
    from broker_assets.resources.ephemeris_cards import ephemeris_refresh, request_reason
    from broker_assets.telemetry.inputs.kernels import Kernels

    table = table or settings.telemetry.requests
    if update:
        from broker_assets.telemetry.inputs.requests_update import update as update_requests

        if table is None or settings.telemetry.requests_url is None:
            # The same as when the service does not answer: the table stays as it is.
            text = "warning: --update-rid-lut needs a table and BROKER_TELEMETRY__REQUESTS_URL; nothing is updated"
            echo(text, err=True)
        else:
            rows = update_requests(table, settings.telemetry.requests_url)
            terminal(stderr=True).print(f"{rows:,} rows in {table}", highlight=False)
    folder = spice or settings.telemetry.kernels
    if folder is None:
        return request_reason(table), ephemeris_refresh(None)
    kernels = Kernels.of_files([folder]) if folder.is_file() else Kernels.of_folder(folder)
    # Without a clock and leap seconds nothing can be updated; each file would be delivered with its old cards.
    _ = kernels.clock
    return request_reason(table), ephemeris_refresh(kernels)


def _log(folder: Path | None, level: str) -> None:
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise typer.BadParameter(f"log level {level} is not one of DEBUG, INFO, WARNING, ERROR")
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / f"pub_{datetime.datetime.now(datetime.UTC):%Y%m%d}.log", encoding="utf-8")
    handler.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(message)s"))
    handler.setLevel(number)
    package = logging.getLogger("broker_assets.publication")
    package.addHandler(handler)
    package.setLevel(number)


def _line(outcome: Any) -> str:
    colour = {"error": "red", "held": "yellow", "published": "green", "supplement": "green"}.get(outcome.status, "dim")
    reason = f" [dim]{escape(outcome.reason)}[/dim]" if outcome.reason else ""
    return f"[{colour}]{outcome.status:<11}[/{colour}] {escape(outcome.name)}{reason}"


def _show(report: Report) -> None:
    counts = ", ".join(f"{count} {status}" for status, count in report.counts.items()) or "nothing new"
    terminal().print(
        f"[bold]{escape(report.target)}[/bold]: {counts}; {len(report.unchanged)} unchanged since the last decision, "
        f"{len(report.waiting)} too recent, {len(report.left)} left for later",
        highlight=False,
    )
    if report.held:
        files = "1 file waits" if len(report.held) == 1 else f"{len(report.held)} files wait"
        terminal().print(f"{files} for an operator: see `broker-assets publish status`", highlight=False)
    if report.failure is not None:
        terminal().print(f"[red]{escape(report.failure)}[/red]", highlight=False)


def _write_supplements(connection: psycopg.Connection[Any], target: str, path: Path) -> None:
    from broker_assets.publication.questions import supplement_report

    write_output(path, supplement_report(connection, target))


@app.command(context_settings=NORMALISED)
def sync(
    target: Annotated[list[str] | None, typer.Option("--target", "-T", help="Mirror named in the settings.")] = None,
    target_dir: Annotated[str | None, typer.Option("--target-dir", "-t", help="Folder, sftp:// or s3:// URL.")] = None,
    fits_dir: Annotated[Path | None, typer.Option("--fits-dir", "-f", help="Local archive of products.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove copied files that no longer exist here.")] = False,
    verify_all: Annotated[bool, typer.Option("--verify", help="Read everything back, not only new files.")] = False,
    prepare: Annotated[bool, typer.Option("--prepare", help="Create or migrate the database tables first.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document per store, one per line.")] = False,
) -> None:
    """Update a copy of the local archive in another store, under the same names and paths.

    Example: `broker-assets publish sync -t s3://bucket/stix --dry-run`
    """
    from broker_assets.publication.mirror import sync as bring
    from broker_assets.publication.targets import Target

    settings = load_settings()
    goals = chosen(settings, target, mirror=True) if target_dir is None else []
    if target_dir is not None:
        goals = [PublicationTarget(name=target_dir, url=target_dir, mirror=True)]
    folder = fits_dir or settings.telemetry_folder / "products"
    if not folder.is_dir():
        # An archive that is not mounted must not empty its copies.
        raise FileNotFoundError(2, "the archive of products does not exist", str(folder))
    bad = False
    with open_database(prepare=prepare) as connection:
        for goal in goals:
            with Target.of(goal) as far:
                report = bring(connection, folder, far, remove=remove, verify=verify_all, dry_run=dry_run)
            bad |= report.failure is not None or bool(report.failed)
            if as_json:
                echo(report.model_dump_json())
                continue
            terminal().print(
                f"[bold]{escape(goal.name)}[/bold]: {len(report.copied)} copied, {report.unchanged} unchanged, "
                f"{len(report.removed)} removed, {len(report.surplus)} only there",
                highlight=False,
            )
            for path, reason in report.failed.items():
                terminal().print(f"[red]{escape(path)}: {escape(reason)}[/red]", highlight=False)
            if report.failure is not None:
                terminal().print(f"[red]{escape(report.failure)}[/red]", highlight=False)
    raise typer.Exit(1 if bad else 0)
