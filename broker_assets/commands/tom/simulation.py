"""Simulations: loading them into the tables of the survey, and writing archives of their alerts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from broker_assets.commands.status import connected_or_given, database
from broker_assets.commands.terminal import terminal
from broker_assets.settings import load_settings


def database_url() -> str:
    """SQLAlchemy URL of the broker's database, from the settings or the platform running here.

    Raises
    ------
    ValueError
        If there is none.
    """
    found = connected_or_given(load_settings()).database.url
    if found is None:
        raise ValueError("no database is configured: set BROKER_DATABASE__URL, or start one with `broker-assets up`")
    return found.get_secret_value()


def load_snana_fits(
    directories: Annotated[
        list[Path], typer.Option("-d", "--directories", metavar="FOLDER…", help="Folders of simulations.")
    ],
    files: Annotated[
        list[str] | None, typer.Option("-f", "--files", help="Names of header files in them; all unless given.")
    ] = None,
    nprocs: Annotated[int, typer.Option("-n", "--nprocs", min=1, help="Files that are loaded at the same time.")] = 5,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print a line for each file.")] = False,
    simversion: Annotated[str, typer.Option("-s", "--simversion", help="Version, stored with each object.")] = (
        "2023-04-01"
    ),
    max_sources_per_object: Annotated[
        int, typer.Option("-m", "--max-sources-per-object", help="A file with more points of an object fails.")
    ] = 100_000,
    photflag_detect: Annotated[
        int, typer.Option("-p", "--photflag-detect", help="Bits of PHOTFLAG of a detection.")
    ] = 4096,
    snana_zeropoint: Annotated[float, typer.Option("-z", "--snana-zeropoint", help="Zero point of FLUXCAL.")] = 27.5,
    alert_zeropoint: Annotated[
        float, typer.Option("-a", "--alert-zeropoint", help="Zero point of stored fluxes.")
    ] = 31.4,
    ppdb: Annotated[bool, typer.Option("--ppdb", help="Load the survey.")] = False,
    train: Annotated[bool, typer.Option("--train", help="Load a training set.")] = False,
    dont_disable_indexes_fks: Annotated[
        bool, typer.Option("--dont-disable-indexes-fks", help="No effect: indices and keys are always kept.")
    ] = False,
    do: Annotated[bool, typer.Option("--do", help="Write; otherwise the files are read and counted.")] = False,
) -> None:
    """Load simulations of SNANA (HEAD and PHOT files, and the truth).

    Each pair of files is a transaction. A file that was loaded is skipped; one that fails is reported, the others are
    loaded, and the exit code is 1.

    Example: `broker-assets tom load-snana-fits -d SIMULATIONS/* --ppdb --do`
    """
    from broker_assets.tom.survey.loading import FileLoaded, load_simulations
    from broker_assets.tom.survey.snana import Reading

    if ppdb == train:
        raise typer.BadParameter("give either --ppdb or --train")
    reading = Reading(simversion, max_sources_per_object, photflag_detect, snana_zeropoint, alert_zeropoint)

    def show(one: FileLoaded) -> None:
        if one.failure is not None:
            terminal(stderr=True).print(f"[red]failed[/red] {escape(one.failure)}", highlight=False)
        elif verbose:
            counts = ", ".join(f"{number:,} {name}" for name, number in one.rows.items())
            terminal().print(f"{one.outcome} {escape(str(one.path))}: {counts}", highlight=False)

    report = load_simulations(
        database_url(), directories, "ppdb" if ppdb else "training", files=files or (), reading=reading,
        at_once=nprocs, write=do, done=show,
    )  # fmt: skip
    counts = ", ".join(
        f"{report.rows(name):,} {text}"
        for name, text in (
            ("objects", "objects"), ("sources", "detections"), ("forced", "forced measurements"), ("alerts", "alerts"),
            ("truth", "rows of truth"),
        )
    )  # fmt: skip
    outcomes = ", ".join(
        f"{report.count(one)} {one}" for one in ("loaded", "known", "read", "failed") if report.count(one)
    )  # fmt: skip
    what = "new" if do else "in the files; --do loads them"
    terminal().print(f"{outcomes or 'no files'}: {counts} {what}", highlight=False)
    if report.failed:
        raise typer.Exit(1)


def dump_alert_tars(
    start_day: Annotated[float, typer.Option("--start-day", help="First day, MJD.")],
    through_day: Annotated[float, typer.Option("-d", "--through-day", help="Last day, MJD.")],
    alert_schema: Annotated[str, typer.Option("-s", "--alert-schema", help="Schema: 0.9.1, or its file.")] = "0.9.1",
    log_every: Annotated[int, typer.Option("-l", "--log-every", help="Without effect.")] = 1000,
    processes: Annotated[int, typer.Option("-n", "--num-reconstruct-processes", help="Without effect.")] = 3,
    outdir: Annotated[Path, typer.Option("-o", "--outdir", help="Where the archives are written.")] = Path(),
    clobber: Annotated[bool, typer.Option("-c", "--clobber", help="Overwrite archives.")] = False,
    do: Annotated[bool, typer.Option("--do", help="Write; otherwise the alerts are counted.")] = False,
) -> None:
    """Write the alerts of days as `<mjd>.tar`, one member for each alert.

    Example: `broker-assets tom dump-elasticc2-alert-tars --start-day 60278 -d 60286 -o ARCHIVE --do`
    """
    from broker_assets.tom.survey.archives import write_archives
    from broker_assets.tom.survey.schemas import schema_version

    version = schema_version(alert_schema)
    if do and not outdir.is_dir():
        raise FileNotFoundError(2, "No such folder", str(outdir))
    with database(load_settings()) as connection:
        written = write_archives(
            connection, start_day, through_day, outdir, version=version, clobber=clobber, write=do,
            done=lambda day, alerts: terminal().print(f"{day}: {alerts:,} alerts", highlight=False),
        )  # fmt: skip
    terminal().print(
        f"{sum(written.values()):,} alerts of {len(written)} days{'' if do else '; --do writes them'}", highlight=False
    )


def clock() -> None:
    """Show the time of the simulation: that of the latest detection whose alert was sent."""
    from broker_assets.tom.survey.nights import night_of
    from broker_assets.tom.survey.selection import simulation_clock

    with database(load_settings()) as connection:
        now = simulation_clock(connection)
    if now is None:
        terminal().print("No alert was sent.")
    else:
        terminal().print(f"MJD {now:.4f}, in the night of {night_of(now)}", highlight=False)


def schemas(
    folder: Annotated[Path, typer.Argument(help="Where they are written.")],
    version: Annotated[str, typer.Option(help="Version of the schema.")] = "0.9.1",
) -> None:
    """Write the Avro schemas of alerts and of brokers' messages as files."""
    from broker_assets.tom.survey.schemas import write_schemas

    folder.mkdir(parents=True, exist_ok=True)
    for path in write_schemas(folder, version):
        terminal().print(str(path), highlight=False)
