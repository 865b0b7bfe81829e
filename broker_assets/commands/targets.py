"""`broker-assets targets`: targets of accounts: add, list, show, change, share, comment, import, export, remove."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from broker_assets.access import accounts, sharing
from broker_assets.access.accounts import UnknownAccount
from broker_assets.access.sharing import CannotShare
from broker_assets.commands.lists.options import account
from broker_assets.commands.output import write_output
from broker_assets.commands.status import database
from broker_assets.commands.terminal import echo, printable, terminal
from broker_assets.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Targets of accounts, their lists, and files of them.")

Number = Annotated[int, typer.Argument(metavar="TARGET", min=1, help="Number of the target.")]
Owner = Annotated[str | None, typer.Option(help="Account; your user name on this machine unless given.")]
Tag = Annotated[list[str] | None, typer.Option("--tag", help="Tag; may be given several times.")]
AsJson = Annotated[bool, typer.Option("--json", help="As one JSON document.")]


@contextmanager
def _connection() -> Iterator[Any]:
    from broker_assets.access.refusals import NameTaken, NotTheOwner
    from broker_assets.tom.targets.csv_files import BadFile
    from broker_assets.tom.targets.fields import BadTarget
    from broker_assets.tom.targets.lists import UnknownList
    from broker_assets.tom.targets.store import UnknownTarget

    known = (BadFile, BadTarget, UnknownList, NameTaken, NotTheOwner, UnknownTarget, UnknownAccount, CannotShare)
    with database(load_settings()) as connection:
        connection.autocommit = True
        try:
            yield connection
        except known as error:
            raise typer.BadParameter(str(error)) from error


def _plain(target: Any) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in vars(target).items()}


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Name, unique for the owner.")] = "",
    ra: Annotated[str, typer.Option(help="Right ascension: degrees, or hours as 10:00:00.")] = "",
    dec: Annotated[str, typer.Option(help="Declination: degrees, or as -05:30:00.")] = "",
    object: Annotated[int | None, typer.Option("--object", min=1, help="Object of the broker.")] = None,  # noqa: A002
    tag: Tag = None,
    alias: Annotated[list[str] | None, typer.Option("--alias", help="Another name; repeatable.")] = None,
    public: Annotated[bool, typer.Option("--public", help="Everybody may see it.")] = False,
    owner: Owner = None,
) -> None:
    """Create a target at a position, or for an object of the broker.

    Examples:

    `broker-assets targets add "M 1" --ra 83.633 --dec 22.0145 --tag SNR`

    `broker-assets targets add --object 313853499600420864`
    """
    from broker_assets.sky.angles import parse_angle
    from broker_assets.tom.targets.fields import checked
    from broker_assets.tom.targets.readers import OPERATOR
    from broker_assets.tom.targets.store import change, get, make, of_object

    with _connection() as connection:
        who = accounts.get(connection, account(owner)).username
        if object is not None and not ra and not dec:
            number = of_object(connection, who, object, name=name, public=public)
            if tag or alias:
                before = get(connection, OPERATOR, number)
                more = {"tags": [*before.tags, *(tag or [])], "aliases": [*before.aliases, *(alias or [])]}
                change(connection, OPERATOR, number, more)
        else:
            given: dict[str, Any] = {"name": name, "tags": tag, "aliases": alias, "diaobjectid": object}
            for key, text, hours in (("ra", ra, True), ("dec", dec, False)):
                try:
                    given[key] = parse_angle(text, hours=hours) if text else None
                except ValueError as error:
                    raise typer.BadParameter(str(error), param_hint=f"--{key}") from None
            number = make(connection, who, checked(given | {"public": public}))
        found = get(connection, OPERATOR, number)
    echo(f"target {number}: {printable(found.name)}")


@app.command("list")
def list_targets(
    text: Annotated[str, typer.Option(help="Part of the name or of an alias.")] = "",
    tag: Annotated[str, typer.Option(help="Only those with this tag.")] = "",
    owner: Annotated[str, typer.Option(help="Only those of this account.")] = "",
    listid: Annotated[int | None, typer.Option("--list", min=1, help="Only those in this list.")] = None,
    as_json: AsJson = False,
) -> None:
    """List targets of all accounts."""
    from broker_assets.tom.targets.readers import OPERATOR
    from broker_assets.tom.targets.store import Choice, search

    with _connection() as connection:
        found = search(connection, OPERATOR, Choice(text=text, tag=tag, owner=owner, listid=listid), limit=100_000)
    if as_json:
        echo(json.dumps([_plain(one) for one in found], indent=1))
        return
    if not found:
        echo("There is no such target; `broker-assets targets add --help` shows how to make one.")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("number", "name", "RA", "Dec", "object", "tags", "owner"):
        table.add_column(title, justify="right" if title in ("number", "RA", "Dec") else "left")
    for one in found:
        place = ("moves", "") if one.ra is None or one.dec is None else (f"{one.ra:.6f}", f"{one.dec:+.6f}")
        cells = (str(one.targetid), one.name, *place, str(one.diaobjectid or ""), ", ".join(one.tags), one.owner)
        table.add_row(*map(printable, cells))
    terminal().print(table)


@app.command()
def show(number: Number) -> None:
    """Show a target with its comments, as JSON."""
    from broker_assets.tom.targets.comments import of_target
    from broker_assets.tom.targets.readers import OPERATOR
    from broker_assets.tom.targets.store import get

    with _connection() as connection:
        found = _plain(get(connection, OPERATOR, number))
        found["comments"] = [_plain(one) for one in of_target(connection, number)]
        found["groups"] = sharing.groups_of(connection, "target", str(number))
    echo(json.dumps(found, indent=1, ensure_ascii=False))


@app.command()
def change(
    number: Number,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    tag: Tag = None,
    public: Annotated[bool | None, typer.Option("--public/--private", help="Whether everybody may see it.")] = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", help="Share with this group; `none` ends the sharing.")
    ] = None,
) -> None:
    """Change name, tags, and who sees a target."""
    from broker_assets.tom.targets.readers import OPERATOR
    from broker_assets.tom.targets.store import change as store_change
    from broker_assets.tom.targets.store import get

    changes = {"name": name, "tags": tag, "public": public}
    with _connection() as connection, connection.transaction():
        given = {key: value for key, value in changes.items() if value is not None}
        if given:
            store_change(connection, OPERATOR, number, given)
        if group is not None:
            user = accounts.get(connection, get(connection, OPERATOR, number).owner)
            sharing.share(connection, user, "target", str(number), [one for one in group if one != "none"])
    echo(f"target {number} is changed")


@app.command()
def comment(
    number: Number, body: Annotated[str, typer.Argument(help="Text of the comment.")], owner: Owner = None
) -> None:
    """Comment on a target that the account may see."""
    from broker_assets.tom.targets.comments import write
    from broker_assets.tom.targets.readers import Reader

    with _connection() as connection:
        write(connection, Reader.of(accounts.get(connection, account(owner))), number, body)
    echo(f"target {number} has the comment")


@app.command()
def remove(number: Number, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Remove a target with its comments."""
    from broker_assets.tom.targets import store
    from broker_assets.tom.targets.readers import OPERATOR

    with _connection() as connection:
        found = store.get(connection, OPERATOR, number)
        if not yes:
            typer.confirm(f"Remove target {number}, {printable(found.name)} of {found.owner}?", abort=True)
        store.remove(connection, OPERATOR, number)
    echo(f"target {number} is removed")


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV as TOM Toolkit exports it.")],
    owner: Owner = None,
    listid: Annotated[int | None, typer.Option("--list", min=1, help="List of the account to add them to.")] = None,
    rest: Annotated[Path | None, typer.Option(help="Write the rows that were refused to this file.")] = None,
) -> None:
    """Create the targets of a CSV file; rows that cannot be read are listed, and the others created (exit code 1).

    Example: `broker-assets targets import targets.csv --owner ann --rest refused.csv`
    """
    from broker_assets.tom.targets.importing import import_targets

    with _connection() as connection:
        found = import_targets(connection, accounts.get(connection, account(owner)), file.read_bytes(), listid=listid)
    echo(f"{len(found.made)} targets are made, {len(found.refused)} rows were refused")
    for one in found.refused:
        echo(f"line {one.line}: {printable(one.reason)}")
    if rest is not None and found.refused:
        write_output(rest, found.rest)
    if found.refused:
        raise typer.Exit(1)


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="File; - is standard output.")] = Path("-"),
    tag: Annotated[str, typer.Option(help="Only those with this tag.")] = "",
    owner: Annotated[str, typer.Option(help="Only those of this account.")] = "",
    listid: Annotated[int | None, typer.Option("--list", min=1, help="Only those in this list.")] = None,
) -> None:
    """Write targets as CSV, which `import` and TOM Toolkit read."""
    from broker_assets.tom.targets.csv_files import write_targets
    from broker_assets.tom.targets.readers import OPERATOR
    from broker_assets.tom.targets.store import Choice, search

    with _connection() as connection:
        found = search(connection, OPERATOR, Choice(tag=tag, owner=owner, listid=listid), limit=1_000_000)
    write_output(out, "".join(write_targets(found)))
