"""`broker-assets users`: accounts, and the tokens of their programs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from broker_assets.access import accounts, changes, identities, tokens, transfer
from broker_assets.access.accounts import ROLES, BadAccount, UnknownAccount
from broker_assets.access.dumps import read_accounts
from broker_assets.access.passwords import BadPassword, new_password
from broker_assets.access.refusals import NameTaken
from broker_assets.access.tokens import BadToken
from broker_assets.commands.output import write_output
from broker_assets.commands.status import database
from broker_assets.commands.terminal import echo, printable, terminal
from broker_assets.settings import load_settings

if TYPE_CHECKING:
    from broker_assets.access.accounts import User

app = typer.Typer(no_args_is_help=True, help="Accounts, and the tokens of their programs.")
token = typer.Typer(no_args_is_help=True, help="Tokens of programs: create, list, revoke.")
app.add_typer(token, name="token")

Name = Annotated[str, typer.Argument(metavar="USER", help="Name of the account; upper and lower case do not matter.")]
Role = Annotated[
    list[str] | None,
    typer.Option("--role", help=f"May be given several times: {', '.join(ROLES)}. `none` for none of them."),
]
Group = Annotated[list[str] | None, typer.Option("--group", help="Group to join; may be given several times.")]
PASSWORD = "BROKER_NEW_PASSWORD"  # noqa: S105
"""Environment variable with the password: every user of the machine could read one on the command line."""


@contextmanager
def _connection() -> Iterator[Any]:
    with database(load_settings()) as connection:
        connection.autocommit = True
        try:
            yield connection
        except (BadAccount, BadPassword, BadToken, NameTaken, UnknownAccount) as error:
            raise typer.BadParameter(str(error)) from error


def _password(ask: bool) -> str | None:
    """The password from the environment or the terminal; None if a random one should be generated."""
    given = os.environ.get(PASSWORD)
    if given is not None or not ask:
        return given
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _roles(roles: list[str] | None) -> list[str] | None:
    return None if roles is None else [role.replace("-", "_") for role in roles if role != "none"]


@app.command()
def add(
    name: Name,
    email: Annotated[str, typer.Option(help="Address for messages.")] = "",
    role: Role = None,
    group: Group = None,
    ask: Annotated[bool, typer.Option("--ask", help="Ask for the password at the terminal.")] = False,
) -> None:
    """Create an account.

    The password is that of the variable BROKER_NEW_PASSWORD, or asked for with `--ask`; otherwise a random one is
    generated and shown once.
    """
    given = _password(ask)
    password = given if given is not None else new_password()
    with _connection() as connection:
        user = accounts.add(connection, name, password, email=email, roles=_roles(role) or [])
        accounts.join(connection, user.userid, group or [])
    echo(f"{user.username} has an account" + (f" ({', '.join(sorted(user.roles))})" if user.roles else ""))
    if given is None:
        echo(f"Password: {password}  (shown only now)")


@app.command(name="list")
def list_() -> None:
    """All accounts."""
    with _connection() as connection:
        found = [(user, accounts.groups_of(connection, user.userid)) for user in accounts.every(connection)]
    if not found:
        echo("There are no accounts; make the first: `broker-assets users add NAME --role administrator`.")
        return
    table = Table("user", "roles", "groups", "address", "active", "last log-in (UTC)")
    for user, groups in found:
        table.add_row(
            user.username, ", ".join(sorted(user.roles)), printable(", ".join(groups)), printable(user.email),
            "yes" if user.active else "no", f"{user.last_login:%Y-%m-%d %H:%M}" if user.last_login else "",
        )  # fmt: skip
    terminal().print(table)


@app.command()
def update(
    name: Name,
    email: Annotated[str | None, typer.Option(help="Address for messages.")] = None,
    role: Role = None,
    group: Group = None,
    leave: Annotated[list[str] | None, typer.Option("--leave", help="Group to leave.")] = None,
    active: Annotated[bool | None, typer.Option(help="Whether the account can be used.")] = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for a new password at the terminal.")] = False,
) -> None:
    """Change an account; the given roles replace those it has."""
    with _connection() as connection:
        user = accounts.update(
            connection, name, password=_password(password), email=email, roles=_roles(role), active=active
        )
        accounts.join(connection, user.userid, group or [])
        accounts.leave(connection, user.userid, leave or [])
    echo(f"{user.username} is changed")


@app.command()
def remove(name: Name) -> None:
    """Remove an account with its filters, lists and private annotators.

    Its public annotators are kept but deactivated, as is the record of its changes; both without its name.
    """
    from broker_assets.ownership.removal import remove_account

    with _connection() as connection:
        remove_account(connection, accounts.get(connection, name))
    echo(f"{name} is removed")


@app.command()
def bind(
    name: Name,
    issuer: Annotated[str, typer.Argument(help="Address of the OpenID Connect provider, as in the settings.")],
    subject: Annotated[str, typer.Argument(help="Identifier of the user there.")],
) -> None:
    """Allow a user of an OpenID Connect provider to log in to an account."""
    with _connection() as connection:
        identities.bind(connection, name, issuer, subject)
    echo(f"{subject} logs in as {name}")


@app.command(name="export")
def export_(
    path: Annotated[Path, typer.Argument(help="File to write, `-` for standard output.")] = Path("-"),
) -> None:
    """Write all accounts, with the hashes of their passwords and without tokens, as JSON. Keep the file secret."""
    with _connection() as connection:
        document = transfer.export(connection)
    write_output(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    if str(path) != "-":
        path.chmod(0o600)


@app.command(name="import")
def import_(
    path: Annotated[
        Path,
        typer.Argument(help="File of `export`, or of Django's auth_user: JSON, CSV, or SQL of pg_dump or mysqldump."),
    ],
) -> None:
    """Create the accounts in a file, with their identifiers and passwords; those that cannot be created are listed."""
    try:
        document = read_accounts(path)
    except BadAccount as error:
        raise typer.BadParameter(str(error)) from error
    with _connection() as connection:
        done = transfer.take_over(connection, document)
    echo(f"{len(done.added)} accounts made, {len(done.refused)} refused")
    for name, reason in done.refused.items():
        echo(f"  {name}: {reason}")
    if done.refused:
        raise typer.Exit(1)


@app.command(name="changes")
def changes_(most: Annotated[int, typer.Option(min=1, help="How many.")] = 50) -> None:
    """Who changed what, newest first."""
    with _connection() as connection:
        found = changes.newest(connection, most)
    table = Table("when (UTC)", "who", "what", "subject", "details")
    for change in found:
        table.add_row(
            f"{change.at:%Y-%m-%d %H:%M:%S}", change.username, change.action, printable(change.subject),
            printable(change.details),
        )  # fmt: skip
    terminal().print(table)


@token.command(name="create")
def create(
    name: Name,
    label: Annotated[str, typer.Argument(metavar="NAME", help="What the token is for.")],
    write: Annotated[bool, typer.Option("--write", help="Allow it to make changes, too.")] = False,
    days: Annotated[float | None, typer.Option(help="Days until it expires; default: never.")] = None,
) -> None:
    """Create a token; it is shown once."""
    with _connection() as connection:
        user = accounts.get(connection, name)
        made = tokens.create(connection, user, label, "write" if write else "read", days=days)
    echo(made)


@token.command(name="list")
def list_tokens(name: Name) -> None:
    """The tokens of an account."""
    with _connection() as connection:
        found = tokens.of_user(connection, accounts.get(connection, name))
    table = Table("name", "may", "made (UTC)", "ends (UTC)", "last used (UTC)")
    for item in found:
        ends, used = item.date_expires, item.last_used
        table.add_row(
            printable(item.name), item.scope, f"{item.date_created:%Y-%m-%d %H:%M}",
            f"{ends:%Y-%m-%d %H:%M}" if ends else "never", f"{used:%Y-%m-%d %H:%M}" if used else "never",
        )  # fmt: skip
    terminal().print(table)


@token.command()
def revoke(name: Name, label: Annotated[str, typer.Argument(metavar="NAME", help="Name of the token.")]) -> None:
    """Revoke a token."""
    with _connection() as connection:
        user: User = accounts.get(connection, name)
        tokens.revoke(connection, user, label)
    echo(f"the token {label} of {user.username} is no longer valid")
