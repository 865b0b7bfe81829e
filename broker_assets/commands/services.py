"""`broker-assets up`, `down` and `doctor`."""

from __future__ import annotations

import threading
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.terminal import terminal
from broker_assets.local import demo_settings, telemetry_demo
from broker_assets.local import doctor as examination
from broker_assets.local.demo import Demonstration
from broker_assets.local.processes import LocalPlatformError
from broker_assets.local.supervisor import Supervisor, end_platform
from broker_assets.monitoring.state_file import Addresses
from broker_assets.settings import load_settings


def _report(message: str) -> None:
    terminal().print(escape(message), highlight=False, soft_wrap=True)


def _fail(error: LocalPlatformError) -> typer.Exit:
    terminal().print(f"[bold red]{escape(str(error))}[/bold red]", highlight=False, soft_wrap=True)
    return typer.Exit(1)


def up(
    demo: Annotated[
        bool,
        typer.Option(
            "--demo", help="Once everything runs, replay a sample stream and a day of telemetry, and show the results."
        ),
    ] = False,
    alerts: Annotated[int, typer.Option(min=1, help="Number of alerts in the sample stream.")] = 8000,
) -> None:
    """Start the platform on this machine and keep it running until Ctrl-C.

    Starts PostgreSQL, Kafka, the database schema, Dagster's code server, webserver and daemon, and the API. Servers
    named in the settings (BROKER_DATABASE__URL, BROKER_KAFKA__BOOTSTRAP_SERVERS) are used instead of embedded ones.
    State is kept in BROKER_HOME (.broker); the next start continues from there.
    """
    if demo:
        try:
            telemetry_demo.prepare(load_settings(), _report)
        except OSError as error:
            _report(f"The telemetry demonstration is skipped: {error}")
        demo_settings.adopt()
    settings = load_settings()

    def ready(addresses: Addresses, ending: threading.Event) -> None:
        console = terminal()
        telemetry = telemetry_demo.TelemetryDemonstration(settings, addresses, console)
        dropped = False
        if demo:
            try:
                # Its sensor waits for complete files meanwhile.
                dropped = telemetry.drop()
                Demonstration(settings, addresses, console, alerts=alerts).run(ending)
            except Exception:  # noqa: BLE001 - the platform runs on, whatever becomes of its demonstration
                console.print_exception()
        if not ending.is_set():
            _show(addresses)
        if dropped and not ending.is_set():
            try:
                telemetry.follow(ending)
            except Exception:  # noqa: BLE001 - as above
                console.print_exception()

    try:
        Supervisor(settings, _report).run(ready)
    except LocalPlatformError as error:
        raise _fail(error) from None
    _report("Stopped. The state is kept; `make run` or `broker-assets up` continues from there.")


def down() -> None:
    """Stop the platform of this folder (BROKER_HOME), and anything that a killed one left behind."""
    try:
        ended = end_platform(load_settings())
    except LocalPlatformError as error:
        raise _fail(error) from None
    _report("Stopped." if ended else "Nothing was running.")


def doctor() -> None:
    """Show what this machine has and lacks for the platform, and how to install it; exit code 1 if `up` cannot work."""
    findings = examination.examine(load_settings())
    colours = {"ok": "green", "weaker": "yellow", "missing": "bold red"}
    table = Table(box=None, pad_edge=False)
    for heading in ("", "what", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        verdict = f"[{colours[finding.verdict]}]{finding.verdict}[/]"
        table.add_row(verdict, finding.subject, escape(finding.found), escape(finding.remedy))
    terminal().print(table)
    if not examination.ready(findings):
        raise typer.Exit(1)


def _show(addresses: Addresses) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("Dagster (assets, runs, sensors)", addresses.webserver_url)
    table.add_row("Status page and API", addresses.api_url)
    table.add_row("Kafka", f"{addresses.bootstrap_servers} ({addresses.broker})")
    table.add_row("PostgreSQL", addresses.database_url.replace("+psycopg", ""))
    table.add_row("State and logs", addresses.home)
    terminal().print()
    terminal().print(table)
    _report("\nEverything is running. Press Ctrl-C to stop.")
