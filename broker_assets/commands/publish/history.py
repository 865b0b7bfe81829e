"""`broker-assets publish status`, `agree`, `history` and `verify`: what was delivered, what is waiting, and why."""

from __future__ import annotations

import datetime
import getpass
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.publish.targets import chosen, open_database
from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import PublicationTarget, load_settings

Target = Annotated[str | None, typer.Option("--target", "-T", help="Only this archive.")]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_style="bold", title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, header_style="dim", overflow="fold")
    return table


def _when(time: datetime.datetime | None) -> str:
    return "" if time is None else f"{time:%Y-%m-%d %H:%M}"


def show_status(
    target: Target = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as one JSON document.")] = False,
) -> None:
    """Show what each archive has, what waits for an operator, what will be retried, and the last runs.

    The exit code is 1 if a file waits for an operator or could not be delivered.
    """
    import json

    from broker_assets.publication.questions import counts, held, pending, runs

    with open_database() as connection:
        totals = {name: found for name, found in counts(connection).items() if target in (None, name)}
        waiting, again, last = held(connection, target), pending(connection, target), runs(connection, target, 5)
    if as_json:
        document = {
            "counts": totals,
            "held": [entry.model_dump(mode="json", exclude={"facts"}) for entry in waiting],
            "pending": [entry.model_dump(mode="json", exclude={"facts"}) for entry in again],
            "runs": [item.model_dump(mode="json") for item in last],
        }
        echo(json.dumps(document, indent=1))
        raise typer.Exit(1 if waiting or again else 0)
    if not totals and not last:
        terminal().print("Nothing has been delivered yet.")
        return
    for name, found in totals.items():
        text = ", ".join(f"{count:,} {status}" for status, count in found.items())
        terminal().print(f"[bold]{escape(name)}[/bold]: {text}", highlight=False)
    if waiting:
        table = _table("\nWaiting for an operator (`publish agree NAME --why …`)", "archive", "file", "since", "why")
        for entry in waiting:
            table.add_row(escape(entry.target), entry.name, _when(entry.decided_at), escape(entry.reason))
        terminal().print(table)
    if again:
        table = _table("\nTo be retried by the next run", "archive", "file", "since", "why")
        for entry in again:
            reason = f"{entry.agreed_by} agreed: {entry.agreed_why}" if entry.agreed else entry.reason
            table.add_row(escape(entry.target), entry.name, _when(entry.decided_at), escape(reason))
        terminal().print(table)
    if last:
        table = _table("\nLast runs", "archive", "started", "finished", "files", "failure")
        for item in last:
            files = ", ".join(f"{count} {status}" for status, count in item.counts.items()) or "nothing new"
            row = (escape(item.target), _when(item.started_at), _when(item.finished_at) or "unfinished")
            table.add_row(*row, files, escape(item.failure or ""))
        terminal().print(table)
    raise typer.Exit(1 if waiting or again else 0)


def agree(
    names: Annotated[list[str], typer.Argument(help="Waiting files, as listed by `status`.")],
    why: Annotated[str, typer.Option("--why", help="Recorded with the file.", prompt="Why")],
    who: Annotated[str | None, typer.Option("--who", help="Recorded with the file; default: you.")] = None,
    target: Target = None,
    refuse: Annotated[bool, typer.Option("--refuse", help="Do not deliver the file.")] = False,
) -> None:
    """Approve the delivery of files that the rules hold back, or refuse it.

    The next run then delivers a file that looks worse than the version before, delivers a supplement beyond the usual
    limit, or replaces a delivered file by one that has changed since.

    Example: `broker-assets publish agree solo_L1_stix-ql-lightcurve_20210116_V03.fits --why "packets lost on board"`
    """
    from broker_assets.publication.questions import agree as answer

    with open_database() as connection:
        for name in names:
            for entry in answer(
                connection,
                name,
                who=who or getpass.getuser(),
                why=why,
                target=target,
                answer="refuse" if refuse else "deliver",
            ):
                said = "will not be delivered" if refuse else "will be delivered by the next run"
                terminal().print(
                    f"{entry.name} {said} ({escape(entry.target)}: {escape(entry.reason)})", highlight=False
                )


def show_history(
    name: Annotated[str | None, typer.Argument(help="Part of a name; default: all files.")] = None,
    target: Target = None,
    status: Annotated[list[str] | None, typer.Option("--status", help="Only these decisions.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of entries.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document per line, with receipts.")] = False,
) -> None:
    """Show the decisions on files and their reasons, newest first.

    Example: `broker-assets publish history 20210116 --status held`
    """
    from broker_assets.publication.questions import complete_name, entries, receipts

    statuses: Any = status or None
    with open_database() as connection:
        part = None if name is None else complete_name(name)
        found = entries(connection, target=target, statuses=statuses, name=part, limit=limit)
        proofs: dict[int, list[Any]] = {}
        if as_json:
            for receipt in receipts(connection, target=target):
                proofs.setdefault(receipt.publicationid, []).append(receipt.model_dump(mode="json"))
    if as_json:
        import json

        for entry in found:
            document = entry.model_dump(mode="json") | {"receipts": proofs.get(entry.publicationid, [])}
            echo(json.dumps(document))
        return
    if not found:
        terminal().print("The history has no such entries.")
        return
    table = _table("", "decided", "archive", "file", "decision", "why")
    for entry in found:
        reason = entry.reason
        if entry.agreed_by is not None:
            reason = f"{reason} ({entry.agreed_by}: {entry.agreed_why})"
        table.add_row(_when(entry.decided_at), escape(entry.target), entry.name, entry.status, escape(reason))
    terminal().print(table)


def verify(
    target: Annotated[list[str] | None, typer.Option("--target", "-T", help="Archive named in the settings.")] = None,
    target_dir: Annotated[str | None, typer.Option("--target-dir", "-t", help="As passed to `run`.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of --target-dir in the history.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Let the next run deliver lost files again.")] = False,
) -> None:
    """Read back everything that the archives should have, and compare it with the receipts.

    Exit code 1 if a file is missing or damaged.
    """
    from broker_assets.publication.targets import Target as Far
    from broker_assets.publication.verification import verify as read_back

    if target_dir is not None:
        goals = [PublicationTarget(name=name or target_dir, url=target_dir)]
    else:
        goals = chosen(load_settings(), target, mirror=False)
    bad = False
    with open_database() as connection:
        for goal in goals:
            with Far.of(goal) as far:
                found = read_back(connection, far, repair=repair)
            for loss in found:
                terminal().print(
                    f"[red]{loss.state}[/red] {loss.name} [dim]{escape(loss.detail)}[/dim]", highlight=False
                )
            if not found:
                terminal().print(f"{escape(goal.name)} has all files as they were delivered.", highlight=False)
            bad |= bool(found)
    raise typer.Exit(1 if bad else 0)
