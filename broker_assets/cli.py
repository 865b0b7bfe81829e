"""The `broker-assets` command.

Subcommands are imported when they are called: `--help` needs none of them, and an offline command does not load numba
or Dagster unnecessarily. An error is printed as one readable line; `--debug` shows the traceback.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import math
import os
import select
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from broker_assets.commands.terminal import echo, printable

PLATFORM, STREAM, SKY, OFFLINE = "Platform", "Alert stream", "Sky", "Offline (no service needed)"


class _Command(NamedTuple):
    """Location of a command, and its text in the list of commands."""

    target: str
    """`module:name` of a function or a Typer application."""
    panel: str
    help: str


COMMANDS = {
    "up": _Command("broker_assets.commands.services:up", PLATFORM, "Start everything on this machine."),
    "down": _Command("broker_assets.commands.services:down", PLATFORM, "Stop what `up` started."),
    "status": _Command(
        "broker_assets.commands.status:status", PLATFORM, "Services, lag, latest batches, quarantine, stale assets."
    ),
    "doctor": _Command(
        "broker_assets.commands.services:doctor", PLATFORM, "What this machine lacks and how to install it."
    ),
    "replay": _Command("broker_assets.commands.stream:replay", STREAM, "Send alert packets from files to a topic."),
    "simulate": _Command(
        "broker_assets.commands.stream:simulate", STREAM, "Generate the alerts of a simulated survey."
    ),
    "reprocess": _Command("broker_assets.commands.reprocess:reprocess", STREAM, "Reprocess nights from the archive."),
    "quarantine": _Command(
        "broker_assets.commands.quarantine:app", STREAM, "Packets that could not be read: list, show, retry, dismiss."
    ),
    "delivery": _Command(
        "broker_assets.commands.delivery.application:app",
        STREAM,
        "Where the matches of filters go: sinks, backlog, dead letters, …",
    ),
    "watchlists": _Command(
        "broker_assets.commands.lists.watchlists:app", SKY, "Cones that alerts are matched with: add, list, update, …"
    ),
    "areas": _Command(
        "broker_assets.commands.lists.areas:app", SKY, "Regions that alerts are matched with: add, list, update, …"
    ),
    "catalogues": _Command(
        "broker_assets.commands.catalogues:app", SKY, "Catalogues that positions are associated with: add, list, …"
    ),
    "notices": _Command(
        "broker_assets.commands.notices:app", SKY, "Events with an error circle (GRBs, neutrinos): list, show, apply."
    ),
    "tns": _Command("broker_assets.commands.tns:app", SKY, "Ask the Transient Name Server: an object, a position."),
    "linked": _Command(
        "broker_assets.commands.linked:linked", SKY, "A source in all surveys: its objects and joint light curve."
    ),
    "solar-system": _Command(
        "broker_assets.commands.solar_system:solar_system", SKY, "A known solar-system object and its track."
    ),
    "query": _Command("broker_assets.commands.query:app", PLATFORM, "Ask a broker over its REST interface."),
    "why": _Command("broker_assets.commands.why:why", PLATFORM, "Where a row, a product file or an asset comes from."),
    "classifiers": _Command(
        "broker_assets.commands.classifiers:app", STREAM, "Models that score alerts: add, list, show, activate, …"
    ),
    "filter": _Command(
        "broker_assets.commands.filters.application:app", STREAM, "Conditions on alerts: check, try, enable, explain, …"
    ),
    "annotator": _Command(
        "broker_assets.commands.annotators:app", STREAM, "Programs and brokers that annotate objects: add, list, …"
    ),
    "annotation": _Command(
        "broker_assets.commands.annotations:app", STREAM, "What annotators say about an object: add, show."
    ),
    "alerts": _Command(
        "broker_assets.commands.alerts:app", PLATFORM, "What is wrong at the moment: list, show, close."
    ),
    "tom": _Command(
        "broker_assets.commands.tom.application:app",
        PLATFORM,
        "Target and observation manager: load and send a simulated survey, read brokers, …",
    ),
    "targets": _Command(
        "broker_assets.commands.targets:app", PLATFORM, "Targets of accounts: add, list, show, import, export, …"
    ),
    "users": _Command(
        "broker_assets.commands.users:app", PLATFORM, "Accounts and their tokens: add, list, update, remove, …"
    ),
    "database": _Command(
        "broker_assets.commands.database:app", PLATFORM, "Tables of the database: check them, upgrade them."
    ),
    "backup": _Command("broker_assets.commands.backup:app", PLATFORM, "Backups: run, list, check, restore, …"),
    "snapshots": _Command(
        "broker_assets.commands.snapshots:app", PLATFORM, "Tables as versioned files for other nodes: write, install."
    ),
    "packets": _Command("broker_assets.commands.packets:app", OFFLINE, "Show or export alert packets in files."),
    "match": _Command(
        "broker_assets.commands.sky:match", OFFLINE, "Match positions against a watchlist, an area or a sky map."
    ),
    "context": _Command("broker_assets.commands.context:app", OFFLINE, "Catalogue sources near a position, as JSON."),
    "features": _Command(
        "broker_assets.commands.features:features", OFFLINE, "Features of the light curves in alerts, as JSON."
    ),
    "moc": _Command("broker_assets.commands.sky:moc_app", OFFLINE, "Build sky coverage maps (MOC)."),
    "publish": _Command(
        "broker_assets.commands.publish.application:app",
        PLATFORM,
        "Deliver product files to archives: run, status, agree, sync.",
    ),
    "telemetry": _Command(
        "broker_assets.commands.telemetry.application:app", OFFLINE, "Process instrument telemetry into products."
    ),
}


class LazyGroup(TyperGroup):
    """The commands of the table above, imported when they run."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the commands whose module exists."""
        return [name for name, command in COMMANDS.items() if importlib.util.find_spec(command.target.split(":")[0])]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A placeholder that only has the help text of the command."""
        command = COMMANDS.get(cmd_name)
        if command is None or cmd_name not in self.list_commands(ctx):
            return None
        return TyperCommand(name=cmd_name, help=command.help, rich_help_panel=command.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command itself."""
        name, stand_in, rest = super().resolve_command(ctx, args)
        return (name, _load(name), rest) if stand_in is not None and name is not None else (name, stand_in, rest)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an exception becomes one line and exit code 1."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            # The command-line library uses exceptions to exit and to report wrong usage, and prints their messages.
            if type(error).__module__.split(".")[0] in ("typer", "click"):
                if isinstance(message := getattr(error, "message", None), str):
                    error.message = printable(message)  # type: ignore[attr-defined]
                raise
            if os.environ.get("BROKER_DEBUG") or _output_closed(error):
                raise  # the command-line library exits without a message if the reader of the output is gone
            echo(f"Error: {explain(error)}", fg=typer.colors.RED, err=True)
            if not _explained(error):
                echo("`broker-assets --debug …` shows where this came from.", err=True)
            raise typer.Exit(1) from None


def _load(name: str) -> Any:
    module, _, attribute = COMMANDS[name].target.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        application = typer.Typer(rich_markup_mode="markdown", add_completion=False)
        application.command(name)(found)
        found = application
    command = typer.main.get_command(found)
    command.name = name
    _refuse_odd_numbers(command)
    return command


def _refuse_odd_numbers(command: Any) -> None:
    """Refuse infinite and NaN values in all options and arguments of a command and of its subcommands."""
    for parameter in command.params:
        parameter.callback = _finite(parameter.callback)
    for below in getattr(command, "commands", {}).values():
        _refuse_odd_numbers(below)


def _finite(callback: Any) -> Any:
    def checked(ctx: Any, parameter: Any, value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            raise typer.BadParameter(f"{value} is not a finite number", ctx=ctx, param=parameter)
        return value if callback is None else callback(ctx, parameter, value)

    return checked


def _output_closed(error: BaseException) -> bool:
    """Whether the reader of standard output, such as `head`, has ended; a connection may break, too."""
    if not isinstance(error, BrokenPipeError):
        return False
    try:
        sys.stdout.flush()
        poll = select.poll()
        poll.register(sys.stdout.fileno(), select.POLLOUT)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except OSError as closed:
        return isinstance(closed, BrokenPipeError)


def _explained(error: BaseException) -> bool:
    """Whether the error message is meant for users: one of our errors, or of the file system."""
    return isinstance(error, OSError) or type(error).__module__.startswith("broker_assets.")


def explain(error: BaseException) -> str:
    """Describe an error in one line.

    Examples
    --------
    >>> explain(FileNotFoundError(2, "No such file or directory", "alerts.avro"))
    'alerts.avro: No such file or directory'
    >>> explain(KeyError("x"))
    "KeyError: 'x'"
    """
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    text = " ".join(str(error.args[0] if isinstance(error, KeyError) and _is_sentence(error) else error).split())
    if not text:
        return type(error).__name__
    plain = _explained(error) or isinstance(error, ValueError) or _is_sentence(error)
    return text if plain else f"{type(error).__name__}: {text}"


def _is_sentence(error: BaseException) -> bool:
    return bool(error.args) and isinstance(error.args[0], str) and " " in error.args[0]


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        echo(f"broker-assets {metadata.version('broker_assets')}")
        raise typer.Exit


@app.callback()
def main(
    settings: Annotated[
        Path | None, typer.Option(help="TOML file of settings; default: $BROKER_SETTINGS or broker.toml.")
    ] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of the one-machine platform; default: .broker.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Alert broker as versioned Dagster assets: packets on Kafka become archived packets, sources and objects.

    To get started on one machine:

    `broker-assets doctor` · check what is missing

    `broker-assets up` · start everything

    `broker-assets simulate --nights 2` · send the alerts of a simulated survey

    `broker-assets status` · see what was ingested
    """
    if settings is not None:
        if not settings.is_file():
            raise typer.BadParameter(f"{settings} is not a file", param_hint="--settings")
        os.environ["BROKER_SETTINGS"] = str(settings)
    if home is not None:
        os.environ["BROKER_HOME"] = str(home)
    if debug:
        os.environ["BROKER_DEBUG"] = "1"
        logging.basicConfig(level=logging.INFO)
    else:
        # The commands report what users need; librdkafka's warnings about a missing broker would only add noise.
        logging.getLogger("broker_assets").addHandler(logging.NullHandler())
    folder = Path(os.environ.get("BROKER_HOME", ".broker"))
    if any((folder / name).exists() for name in ("telemetry-demo", "demo-partitions.json", "mailbox", "kafka")):
        from broker_assets.commands.demonstration import adopt

        adopt()


def pipeline() -> None:
    """`stix-pipeline-cli`, the original's name of `broker-assets telemetry process`."""
    app(["telemetry", "process", *sys.argv[1:]])


def publisher() -> None:
    """`stix-publish`, the original's name of `broker-assets publish run`."""
    app(["publish", "run", *sys.argv[1:]])


if __name__ == "__main__":
    app()
