"""Shows what a filter would have passed: on past nights, in another version, clause by clause."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from broker_assets.commands.filters.definitions import (
    File,
    LastNights,
    Limit,
    Nights,
    Number,
    checked,
    open_trials,
    over,
    parse_range,
    present,
    read_form,
    refuse_unreadable,
)
from broker_assets.commands.lists import options
from broker_assets.commands.lists.change import new_owner, open_database, say
from broker_assets.commands.terminal import echo, terminal

if TYPE_CHECKING:
    from broker_assets.filters.explaining import ExplainedClause
    from broker_assets.stream.filter_trials import NightTrial, Survivors


def try_(
    file: File,
    nights: Nights,
    lists: Annotated[
        str, typer.Option(help="Lists as they were when the alerts arrived (then), or as they are (now).")
    ] = "then",
    limit: Limit = None,
    owner: options.Owner = None,
    as_json: options.AsJson = False,
) -> None:
    """Try a filter on past nights: show what it would have passed, without writing anything.

    The packets are read from the archive again, and computed as of their batches: no later light curve, annotation,
    list or context.

    Examples:

    `broker-assets filter try bright.sql --nights 2025-10-01:2025-10-03`

    `broker-assets filter try mine.sql --nights 2025-10-01 --lists now`
    """
    from broker_assets.filters.registry import FilterVersion, unreadable, write_definition
    from broker_assets.stream.filter_trials import later_lists

    if lists not in ("then", "now"):
        raise typer.BadParameter("then or now", param_hint="--lists")
    form, account = read_form(file), new_owner(owner)
    query = checked(form)
    trials = open_trials(limit=limit, lists_now=lists == "now")
    chosen = present(trials, nights)
    with open_database() as connection:
        refuse_unreadable(unreadable(connection, account, query), account)
        later = later_lists(connection, query, chosen)
    version = FilterVersion(0, 0, write_definition(form), account, str(file))
    found = [over(trials, night, [version]) for night in chosen]
    if as_json:
        echo(json.dumps([_as_json(trial) for trial in found], indent=1))
        return
    _show_trials(found)
    if later and lists == "now":
        say(f"{', '.join(later)}: applied as it is now, although it did not exist, or changed, in these nights.")
    elif later:
        say(f"{', '.join(later)}: did not exist, or changed, in these nights; --lists now applies it as it is now.")


def compare(
    number: Number,
    nights: LastNights = 1,
    version: Annotated[int | None, typer.Option(help="The later version; the newest unless given.")] = None,
    limit: Limit = None,
) -> None:
    """Compare a version of a filter with the one before it: what is gained and lost over the last nights."""
    from broker_assets.filters.registry import version_of

    with open_database() as connection:
        later = version_of(connection, number, version)
        if later.version == 1:
            raise typer.BadParameter(f"filter {number} has no version before 1", param_hint="--version")
        earlier = version_of(connection, number, later.version - 1)
    trials = open_trials(limit=limit)
    table = Table("night", "alerts", f"version {earlier.version}", f"version {later.version}", "gained", "lost")
    for night in trials.newest(nights):
        trial = over(trials, night, [earlier, later])
        before, after = (passed.alerts for passed in trial.passed)
        counts = (trial.alerts, len(before), len(after), len(after - before), len(before - after))
        table.add_row(night, *(f"{count:,}" for count in counts))
        for word, alerts in (("gained", after - before), ("lost", before - after)):
            for diaobjectid, diasourceid in sorted(alerts)[:5]:
                echo(f"{night} {word}: object {diaobjectid}, source {diasourceid}")
    terminal().print(table)


def explain(
    number: Number,
    object_: Annotated[
        int | None, typer.Option("--object", help="Show each clause for this object, as it is now.", show_default=False)
    ] = None,
    night: Annotated[
        str | None, typer.Option(help="Show how many alerts of this night are left after each clause.")
    ] = None,
    limit: Limit = None,
) -> None:
    """Explain where a filter loses an alert: each clause with the values it saw, or with how many alerts remain.

    Examples:

    `broker-assets filter explain 3 --object 170000000000000001`

    `broker-assets filter explain 3 --night 2025-10-01`
    """
    from broker_assets.filters.explaining import explain_object, explain_parts
    from broker_assets.filters.registry import version_of

    if (object_ is None) == (night is None):
        raise typer.BadParameter("give either --object or --night")
    with open_database() as connection:
        version = version_of(connection, number)
        if object_ is not None:
            explained = explain_object(connection, version.query(), object_)
            parts = explain_parts(connection, version.query(), object_)
    if object_ is not None:
        if not explained:
            raise LookupError(f"there is no object {object_}")
        _show_clauses(explained)
        for name, rows in parts.items():
            say(f"The query {name} within it:")
            _show_clauses(rows)
        return
    trials = open_trials(limit=limit)
    first, last = parse_range(night or "")
    if first != last:
        raise typer.BadParameter("give one night", param_hint="--night")
    (only,) = present(trials, first)
    left = trials.survivors(only, version)
    _show_survivors(left)
    for name, part in left.parts.items():
        say(f"The query {name} within it:")
        _show_survivors(part)


def _show_clauses(explained: list[tuple[ExplainedClause, ...]]) -> None:
    if not any(explained):
        say("It has no clauses: every object passes.")
        return
    for place, candidate in enumerate(explained):
        table = Table("clause", "met", "values")
        for clause in candidate:
            values = ", ".join(f"{key} = {value}" for key, value in clause.values.items())
            table.add_row(clause.text, "yes" if clause.met else "no", values)
        if len(explained) > 1:
            say(f"Row {place + 1} of the tables that are joined:")
        terminal().print(table)


def _show_survivors(left: Survivors) -> None:
    table = Table("clause", "alerts that meet it", "left after it")
    table.add_row("(alerts of the night)", "", f"{left.alerts:,}")
    for term, alone, rest in zip(left.clauses, left.alone, left.left, strict=True):
        table.add_row(term.text, f"{alone:,}", f"{rest:,}")
    terminal().print(table)


def _show_trials(found: list[NightTrial]) -> None:
    table = Table("night", "alerts", "matches", "bytes", "seconds")
    for trial in found:
        passed = trial.passed[0]
        alerts = f"{trial.alerts:,}" + ("" if trial.complete else " (not all)")
        table.add_row(trial.night, alerts, f"{len(passed.alerts):,}", f"{passed.bytes:,}", f"{trial.seconds:.1f}")
    terminal().print(table)
    for trial in found:
        for line in trial.passed[0].samples:
            echo(f"{trial.night} {line}")
        for problem in trial.passed[0].problems:
            echo(f"{trial.night}: {problem}", err=True)


def _as_json(trial: NightTrial) -> dict[str, Any]:
    passed = trial.passed[0]
    return {
        "night": trial.night, "alerts": trial.alerts, "complete": trial.complete, "matches": len(passed.alerts),
        "bytes": passed.bytes, "samples": [json.loads(line) for line in passed.samples], "problems": passed.problems,
    }  # fmt: skip
