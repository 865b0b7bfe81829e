"""`broker-assets filter`: users' filters, from a file to their matches."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from broker_assets.commands.filters import check, expiry, trying
from broker_assets.commands.filters.definitions import (
    File,
    Limit,
    Number,
    checked,
    open_reader,
    open_trials,
    over,
    read_form,
    refuse_unreadable,
)
from broker_assets.commands.lists import definition_files, options
from broker_assets.commands.lists.change import new_owner, open_database, say
from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import load_settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Filters: conditions on alerts, and what they pass.",
)
definition_files.add_to(app, "filter")
app.add_typer(expiry.app, name="expiry")
app.command()(check.check)
app.command("try")(trying.try_)
app.command()(trying.compare)
app.command()(trying.explain)


@app.command()
def add(
    file: File,
    name: Annotated[str, typer.Option(help="Name, unique among yours.", show_default=False)],
    description: options.Description = None,
    public: options.Public = False,
    owner: options.Owner = None,
    expire: options.Expire = None,
) -> None:
    """Add a filter; it does not run until it is enabled.

    Example: `broker-assets filter add bright.sql --name bright`
    """
    from broker_assets.filters.store import create_filter

    account, when, form = new_owner(owner), options.expiry_of_new(options.expiry(expire)), read_form(file)
    with open_database() as connection:
        number = create_filter(
            connection, account, name, form, description=description or "", public=bool(public), expire=when
        )
    say(f"Filter {number} is saved. `broker-assets filter try` shows what it passes;")
    say(f" `broker-assets filter enable {number}` lets it run.")


@app.command()
def save(number: Number, file: File, owner: options.Owner = None, expire: options.Expire = None) -> None:
    """Save another definition of a filter as its next version, and renew it.

    If the filter is active, the version runs from now on. Versions are kept for ever.
    """
    from broker_assets.filters.expiry import renewed
    from broker_assets.filters.store import save_filter

    account, form = new_owner(owner), read_form(file)
    until = options.expiry(expire) or renewed(load_settings().filters.expire_days)
    with open_database() as connection:
        version = save_filter(connection, account, number, form, expire=until)
    say(f"Version {version} of filter {number} is saved. `broker-assets filter compare {number}` shows what changes.")


@app.command("list")
def list_(
    owner: Annotated[str | None, typer.Option(help="Only those of this account.", show_default=False)] = None,
    as_json: options.AsJson = False,
) -> None:
    """List filters, with their state and what they passed in the last night."""
    from broker_assets.filters.registry import list_filters
    from broker_assets.filters.yields import newest_yield

    with open_database() as connection:
        found = list_filters(connection, owner=owner)
        yields = newest_yield(connection)
    if as_json:
        echo(json.dumps([vars(item) for item in found], default=str, indent=1))
        return
    if not found:
        say("There is no filter yet; `broker-assets filter add --help` shows how to add one.")
        return
    table = Table("filter", "owner", "name", "version", "state", "matches of the newest night", "expires")
    for item in found:
        table.add_row(
            str(item.filterid), item.owner, item.name, str(item.version), item.state,
            str(yields.get(item.filterid, 0)), f"{item.date_expire:%Y-%m-%d}" if item.date_expire else "never",
        )  # fmt: skip
    terminal().print(table)


@app.command()
def show(number: Number, version: Annotated[int | None, typer.Option(help="Another version.")] = None) -> None:
    """Show a filter: its definition, its SQL, and how it ran."""
    from broker_assets.filters.registry import get_filter, version_of
    from broker_assets.filters.yields import recent_nights

    with open_database() as connection:
        item = get_filter(connection, number)
        saved = version_of(connection, number, version)
        nights = recent_nights(connection, number, 10)
    say(f"Filter {number}, {item.name}, of {item.owner}: {item.state}. Version {saved.version} of {item.version}.")
    if item.description:
        say(item.description)
    echo(saved.definition)
    if nights:
        table = Table("night", "matches", "beyond the limit of a batch", "batches with a problem", "last problem")
        for night in nights:
            table.add_row(night.night, str(night.matches), str(night.over), str(night.problems), night.message or "")
        terminal().print(table)


@app.command()
def enable(
    number: Number,
    owner: options.Owner = None,
    quota: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of matches per night, if not the default.")
    ] = None,
    limit: Limit = None,
) -> None:
    """Enable a filter, after trying it on the newest night.

    It is refused if it passes more than its quota of a reference night.
    """
    from broker_assets.filters.registry import get_filter, version_of
    from broker_assets.filters.store import FilterChanges, change_filter
    from broker_assets.stream.filter_trials import require_quota

    account, settings = new_owner(owner), load_settings().filters
    trials = open_trials(limit=limit)
    with open_database() as connection:
        item = get_filter(connection, number)
        version = version_of(connection, number)
    allowed = quota or item.matches_per_night or settings.matches_per_night
    found = [over(trials, night, [version]) for night in trials.newest(settings.reference_nights)]
    for trial in found:
        require_quota(number, trial, allowed)
    with open_database() as connection:
        change_filter(connection, account, number, FilterChanges(active=True, matches_per_night=quota))
    if found:
        passed = ", ".join(f"{len(trial.passed[0].alerts)} alerts of {trial.night}" for trial in found)
        say(f"Filter {number} runs. It passes {passed}; its quota is {allowed:,} a night.")
    else:
        say(f"Filter {number} runs. There is no night in the archive that it could be tried on.")


@app.command()
def disable(number: Number, owner: options.Owner = None) -> None:
    """Stop a filter; it can be enabled again."""
    from broker_assets.filters.store import FilterChanges, change_filter

    with open_database() as connection:
        change_filter(connection, new_owner(owner), number, FilterChanges(active=False))
    say(f"Filter {number} no longer runs.")


@app.command()
def change(
    number: Number,
    owner: options.Owner = None,
    name: options.NewName = None,
    description: options.Description = None,
    public: options.Public = None,
    alerts: Annotated[bool | None, typer.Option(help="Whether alerts trigger it.", show_default=False)] = None,
    annotations: Annotated[
        bool | None, typer.Option(help="Whether annotations trigger it.", show_default=False)
    ] = None,
    expire: options.Expire = None,
) -> None:
    """Change the name of a filter, who sees it, what triggers it, and when it expires."""
    from broker_assets.filters.store import FilterChanges, change_filter

    changes = FilterChanges(
        name=name, description=description, public=public, on_alerts=alerts, on_annotations=annotations,
        expire=options.expiry(expire),
    )  # fmt: skip
    with open_database() as connection:
        change_filter(connection, new_owner(owner), number, changes)
    say(f"Filter {number} is changed.")


@app.command()
def run(
    file: File,
    limit: Annotated[int, typer.Option(min=1, help="Rows.")] = 1000,
    owner: options.Owner = None,
) -> None:
    """Run a filter over all objects as they are now, and print the rows as lines of JSON."""
    from broker_assets.filters.interactive import run as run_query
    from broker_assets.filters.registry import unreadable

    query, account, settings = checked(read_form(file)), new_owner(owner), load_settings().filters
    with open_database() as connection:
        refuse_unreadable(unreadable(connection, account, query), account)
    most = min(limit, settings.interactive_rows)
    with open_reader() as connection:
        found = run_query(connection, query, limit=most, seconds=settings.interactive_seconds, viewer=account)
    for row in found.rows:
        echo(json.dumps(row, ensure_ascii=False))
    if found.more:
        echo(f"There are more than {most} rows.", err=True)


@app.command()
def remove(number: Number, owner: options.Owner = None, yes: options.Yes = False) -> None:
    """Remove a filter; its versions and matches stay known."""
    from broker_assets.filters.store import remove_filter

    if not yes:
        typer.confirm(f"Remove filter {number}?", abort=True)
    with open_database() as connection:
        remove_filter(connection, new_owner(owner), number)
    say(f"Filter {number} is removed.")
