"""`broker-assets up`, `down` and `doctor`."""

from __future__ import annotations

import datetime
import os
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.terminal import terminal
from broker_assets.local import demo_settings, first_accounts, kafka_readers, mailbox
from broker_assets.local.default_catalogues import DefaultCatalogues
from broker_assets.local.processes import LocalPlatformError
from broker_assets.local.supervisor import Supervisor, end_platform
from broker_assets.monitoring.state_file import Addresses
from broker_assets.settings import Settings, load_settings

CANARY_TOPIC = "broker-canary"
"""Topic of the canary on the Kafka that `up` starts."""


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
    kafka_readers.prepare(load_settings())
    if demo:
        from broker_assets.local import telemetry_demo

        demo_settings.remember_beginning(load_settings(), datetime.datetime.now(datetime.UTC).date())
        try:
            telemetry_demo.prepare(load_settings(), _report)
        except OSError as error:
            _report(f"The telemetry demonstration is skipped: {error}")
        # Alerts of the sample stream should have classes.
        os.environ.setdefault("BROKER_CLASSIFIERS__TRAIN_DEFAULT", "true")
    mailbox.forget(load_settings())
    load_settings.cache_clear()
    if demo or mailbox.folder_of(load_settings()).is_dir():
        mailbox.prepare(load_settings())
    demo_settings.adopt()
    load_settings.cache_clear()
    first_accounts.adopt_signing_key(load_settings())
    load_settings.cache_clear()
    settings = load_settings()
    if settings.needs_embedded_kafka:
        # For the services: they may write to this Kafka.
        os.environ.setdefault("BROKER_CANARY__TOPIC", CANARY_TOPIC)

    catalogues = DefaultCatalogues(settings, _report)
    if demo:
        catalogues.start()

    def ready(addresses: Addresses, ending: threading.Event) -> None:
        passwords = first_accounts.make_first_accounts(addresses.database_url, settings)
        if not demo:
            if not ending.is_set():
                _show(addresses, passwords)
            return
        _show_accounts(addresses, passwords)  # users need not wait for the end of the demonstration
        # Loaded only for a demonstration: 160 MB, which this process keeps.
        from broker_assets.local.demo import Demonstration
        from broker_assets.local.telemetry_demo import TelemetryDemonstration

        console = terminal()
        telemetry = TelemetryDemonstration(settings, addresses, console)
        dropped = False
        try:
            # Its sensor waits for complete files meanwhile.
            dropped = telemetry.drop()
            catalogues.wait(ending)
            Demonstration(settings, addresses, console, alerts=alerts).run(ending)
        except Exception:  # noqa: BLE001 - the platform runs on, whatever becomes of its demonstration
            console.print_exception()
        if not ending.is_set():
            _show(addresses, passwords)
        if dropped and not ending.is_set():
            try:
                telemetry.follow(ending)
            except Exception:  # noqa: BLE001 - as above
                console.print_exception()

    try:
        with _mailbox(settings):
            Supervisor(settings, _report).run(ready)
    except LocalPlatformError as error:
        raise _fail(error) from None
    finally:
        catalogues.end()
    _report("Stopped. The state is kept; `make run` or `broker-assets up` continues from there.")


def _mailbox(settings: Settings) -> AbstractContextManager[object]:
    """The mailbox of the demonstration, if e-mail is sent to it."""
    if not mailbox.is_used(settings):
        return nullcontext()
    _report(f"E-mail of filters is written to {mailbox.folder_of(settings)}: `broker-assets delivery mailbox`")
    return mailbox.Mailbox(mailbox.folder_of(settings), settings.delivery.mail.port)


def down() -> None:
    """Stop the platform of this folder (BROKER_HOME), and anything that a killed one left behind."""
    try:
        ended = end_platform(load_settings())
    except LocalPlatformError as error:
        raise _fail(error) from None
    _report("Stopped." if ended else "Nothing was running.")


def doctor() -> None:
    """Show what this machine has and lacks for the platform, and how to install it; exit code 1 if `up` cannot work."""
    from broker_assets.local import doctor as examination

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


def _show_accounts(addresses: Addresses, passwords: dict[str, str]) -> None:
    """Show accounts that were created by this start; their passwords are not stored anywhere."""
    for name, password in passwords.items():
        reads = ", who only reads," if name == first_accounts.GUEST else ""
        _report(f"Log in at {addresses.api_url} as {name}{reads} with {password}  (shown only in this start)")


def _show(addresses: Addresses, passwords: dict[str, str]) -> None:
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
    _show_accounts(addresses, passwords)
    _report("\nEverything is running. Press Ctrl-C to stop.")
