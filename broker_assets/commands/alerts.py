"""`broker-assets alerts`: open alerts, and closing those that no run or check will end."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from broker_assets.commands.status import alert_table, connected_or_given, database
from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Open alerts: list, show, close.")

Numbers = Annotated[list[str], typer.Argument(help="Alerts, as `list` shows them.")]


@app.command("list")
def list_alerts(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document per line.")] = False,
) -> None:
    """List what is wrong: failed checks, runs, backfills and sensors, overdue assets, streams that do not move.

    An alert ends by itself when the check passes or the partition is materialised. The exit code is 1 if there are
    errors.

    Example: `broker-assets alerts list`
    """
    import datetime

    from broker_assets.monitoring.alerts import open_alerts

    with database(connected_or_given(load_settings())) as connection:
        found = open_alerts(connection)
    if as_json:
        for alert in found:
            echo(alert.model_dump_json())
    elif not found:
        terminal().print("No alert is open.")
    else:
        terminal().print(alert_table(found, datetime.datetime.now(datetime.UTC)))
    if any(alert.severity == "error" for alert in found):
        raise typer.Exit(1)


@app.command()
def show(alert: Annotated[str, typer.Argument(help="Alert, as `list` shows it.")]) -> None:
    """Show what was found, the next step, and the page that shows it.

    Example: `broker-assets alerts show 1f0c2b7d`
    """
    from broker_assets.monitoring.alerts import open_alerts

    with database(connected_or_given(load_settings())) as connection:
        found = [one for one in open_alerts(connection) if one.number == alert]
    if not found:
        raise LookupError(f"no open alert has the number {alert}")
    (one,) = found
    terminal().print(f"[bold]{escape(one.subject)}[/bold]", highlight=False)
    seen = "once" if one.count == 1 else f"{one.count} times"
    terminal().print(f"seen {seen} since {one.first_at:%Y-%m-%d %H:%M} UTC", highlight=False)
    terminal().print(escape(one.body), highlight=False)


@app.command()
def close(
    alert: Numbers,
    note: Annotated[str, typer.Option(help="Reason, included in the message that the alert has ended.")],
) -> None:
    """Close alerts that no check or run will end, such as one for a night that will not be rebuilt.

    If the same failure is seen again, it is a new alert.

    Example: `broker-assets alerts close 1f0c2b7d --note "the file is lost, the survey knows"`
    """
    from broker_assets.monitoring.alerts import close as close_alerts

    with database(connected_or_given(load_settings())) as connection, connection.transaction():
        number = close_alerts(connection, alert, note)
    terminal().print(f"{number} closed.")
