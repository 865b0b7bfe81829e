"""Users, their groups and roles: creating, changing and removing accounts, and recognising them by password."""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from broker_assets.access import changes, guesses, key_pairs
from broker_assets.access.passwords import SHORTEST, hash_password, is_correct, is_outdated
from broker_assets.access.refusals import NameTaken

Connection = psycopg.Connection[Any]

ROLES: Final[dict[str, str]] = {
    "guest": "may read what is public and change nothing, not even its own account",
    "power_user": "higher limits of requests and rows",
    "annotator_owner": "may own annotators",
    "operator": "may see everything of the platform and start runs",
    "administrator": "may change accounts, and whatever an operator may",
}
"""What an account with the role may do in addition to what every account may."""
EVERYBODY: Final = "Public"
"""Group that every account joins."""
RESERVED: Final = frozenset({"system", "operator", "removed", EVERYBODY.lower()})
"""Names used for owners of the platform's own lists and in the record of changes, which no account may have."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9@.+_-]{0,149}", re.ASCII)
"""Names of accounts: as in Django, restricted to characters that are safe in names of topics and files."""
_ADDRESS: Final = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,189}")

_OF_AN_ACCOUNT: Final = (
    "tokens", "sessions", "memberships", "requests", "identities", "mailed_links", "uploads", "trials",
    "annotator_requests", "tap_jobs", "key_pairs", "login_challenges",
)  # fmt: skip
"""Tables whose rows are deleted with their account."""

USER_COLUMNS: Final = "userid, username, email, roles, active, date_joined, last_login"
"""Columns of `access.users` that `user_of` takes."""


class BadAccount(ValueError):
    """An account cannot be as requested; the message says why."""


class UnknownAccount(LookupError):
    """No account has this name."""


class WrongPassword(PermissionError):
    """Name or password is wrong, or the account is not active; the message does not say which."""


@dataclass(frozen=True)
class User:
    """An account."""

    userid: int
    username: str
    email: str
    roles: frozenset[str]
    active: bool
    date_joined: datetime.datetime
    last_login: datetime.datetime | None

    @property
    def administers(self) -> bool:
        """Whether it may change accounts."""
        return "administrator" in self.roles

    @property
    def is_guest(self) -> bool:
        """Whether it may only read: its password may be known to many."""
        return "guest" in self.roles

    @property
    def has_more(self) -> bool:
        """Whether its limits are those of power users: every role but that of guests has them."""
        return bool(self.roles - {"guest"})

    @property
    def operates(self) -> bool:
        """Whether it may see all of the platform."""
        return bool(self.roles & {"administrator", "operator"})


def user_of(row: Sequence[Any]) -> User:
    """The account of a row of `USER_COLUMNS`."""
    userid, username, email, roles, active, joined, login = row
    return User(userid, username, email, frozenset(roles), active, joined, login)


def add(
    connection: Connection,
    username: str,
    password: str | None,
    *,
    email: str = "",
    roles: Collection[str] = (),
    by: int | None = None,
) -> User:
    """Create an account, which joins the group `Public`.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    username : str
        Letters, digits and `@.+-_`, unique regardless of case.
    password : str or None
        None for an account that cannot log in by password.
    email, roles : str, collection of str
        Address, and some of `ROLES`.
    by : int, optional
        Account that creates it; None for the command line.

    Raises
    ------
    BadAccount, BadPassword
        If name, address, role or password is not allowed.
    NameTaken
        If an account of that name exists.
    """
    hashed = "" if password is None else hash_password(password, username)
    _check(username, email, roles)
    pair = None if password is None else key_pairs.make_pair(password)
    with connection.transaction():
        user = add_with_hash(connection, username, hashed, email=email, roles=roles, by=by)
        if pair is not None:
            key_pairs.keep(connection, user.userid, hashed, pair)
    return user


def add_with_hash(
    connection: Connection,
    username: str,
    hashed: str,
    *,
    email: str = "",
    roles: Collection[str] = (),
    userid: int | None = None,
    active: bool = True,
    joined: datetime.datetime | None = None,
    by: int | None = None,
) -> User:
    """Create an account from the hash of its password, such as one that is taken over from elsewhere; see `add`.

    `joined` is when it was made; default: now.
    """
    _check(username, email, roles)
    with connection.transaction():
        taken = connection.execute("SELECT FROM access.users WHERE userid = %s", (userid,)).fetchone()
        if userid is not None and taken is not None:
            raise BadAccount(f"another account has the identifier {userid}")
        row = connection.execute(
            "INSERT INTO access.users (userid, username, email, password, roles, active, date_joined) VALUES"
            " (coalesce(%s, nextval(pg_get_serial_sequence('access.users', 'userid'))), %s, %s, %s, %s, %s,"
            " coalesce(%s, now()))"
            " ON CONFLICT DO NOTHING RETURNING " + USER_COLUMNS,
            (userid, username, email, hashed, sorted(roles), active, joined),
        ).fetchone()
        if row is None:
            raise NameTaken(f"an account named {username} exists")
        if userid is not None:
            connection.execute(
                "SELECT setval(pg_get_serial_sequence('access.users', 'userid'),"
                " greatest((SELECT max(userid) FROM access.users),"
                " nextval(pg_get_serial_sequence('access.users', 'userid'))))"
            )
        join(connection, row[0], [EVERYBODY])
        changes.record(connection, by, "user added", username, ", ".join(sorted(roles)))
    return user_of(row)


def update(
    connection: Connection,
    username: str,
    *,
    password: str | None = None,
    email: str | None = None,
    roles: Collection[str] | None = None,
    active: bool | None = None,
    by: int | None = None,
) -> User:
    """Change an account; None leaves a property unchanged. See `add`.

    A new password ends the sessions of the account. Tokens stay; those of an account that is not active are refused.

    Raises
    ------
    UnknownAccount
        If there is no account of that name.
    BadAccount, BadPassword
        If a value is not allowed, or if no administrator would be left.
    """
    pair = None if password is None else key_pairs.make_pair(password)
    with connection.transaction():
        user = get(connection, username, lock=True)
        _check(user.username, email if email is not None else user.email, roles if roles is not None else user.roles)
        hashed = hash_password(password, user.username) if password is not None else None
        connection.execute(
            "UPDATE access.users SET password = coalesce(%s, password), email = coalesce(%s, email),"
            " roles = coalesce(%s, roles), active = coalesce(%s, active) WHERE userid = %s",
            (hashed, email, None if roles is None else sorted(roles), active, user.userid),
        )
        if hashed is not None and pair is not None:
            connection.execute("DELETE FROM access.sessions WHERE userid = %s", (user.userid,))
            key_pairs.keep(connection, user.userid, hashed, pair)
        if user.administers and user.active:
            _keep_an_administrator(connection)
        changed = [
            name
            for name, value in (("password", password), ("email", email), ("roles", roles), ("active", active))
            if value is not None
        ]
        changes.record(connection, by, "user changed", user.username, ", ".join(changed))
        return get(connection, user.username)


def remove(connection: Connection, username: str, *, by: int | None = None) -> None:
    """Remove an account with its name, address, password and tokens; its changes stay on record without its name.

    Raises
    ------
    UnknownAccount
        If there is no account of that name.
    BadAccount
        If it is the last administrator.
    """
    with connection.transaction():
        user = get(connection, username, lock=True)
        for table in _OF_AN_ACCOUNT:
            connection.execute(f"DELETE FROM access.{table} WHERE userid = %s", (user.userid,))  # noqa: S608
        connection.execute(
            "UPDATE access.users SET username = 'removed-' || userid, email = '', password = '', roles = '{}',"
            " active = false, last_login = NULL, date_removed = now() WHERE userid = %s",
            (user.userid,),
        )
        connection.execute(
            "UPDATE access.changes SET subject = %s WHERE subject = %s", (f"removed-{user.userid}", user.username)
        )
        if user.administers:
            _keep_an_administrator(connection)
        changes.record(connection, by, "user removed", f"removed-{user.userid}")


def get(connection: Connection, username: str, *, lock: bool = False) -> User:
    """Return the account of a name, ignoring case.

    Raises
    ------
    UnknownAccount
        If there is none.
    """
    row = connection.execute(
        f"SELECT {USER_COLUMNS} FROM access.users WHERE lower(username) = lower(%s) AND date_removed IS NULL"  # noqa: S608
        + (" FOR UPDATE" if lock else ""),
        (username,),
    ).fetchone()
    if row is None:
        raise UnknownAccount(f"no account is named {username}")
    return user_of(row)


def every(connection: Connection) -> list[User]:
    """All accounts by name."""
    rows = connection.execute(
        f"SELECT {USER_COLUMNS} FROM access.users WHERE date_removed IS NULL ORDER BY lower(username)"  # noqa: S608
    )
    return [user_of(row) for row in rows]


def join(connection: Connection, userid: int, names: Iterable[str]) -> None:
    """Add an account to groups, which are created if they do not exist."""
    for name in names:
        check_group(name)
        connection.execute("INSERT INTO access.groups (name) VALUES (%s) ON CONFLICT DO NOTHING", (name,))
        connection.execute(
            "INSERT INTO access.memberships SELECT %s, groupid FROM access.groups WHERE lower(name) = lower(%s)"
            " ON CONFLICT DO NOTHING",
            (userid, name),
        )


def check_group(name: str) -> None:
    """Raise `BadAccount` if no group can have this name."""
    if not _NAME.fullmatch(name.replace(" ", "")) or name != name.strip():
        raise BadAccount(f"a group cannot be named {name!r}: letters, digits, blanks and @.+-_, at most 150")


def leave(connection: Connection, userid: int, names: Iterable[str]) -> None:
    """Take an account out of groups; nobody leaves `Public`."""
    wanted = [name.lower() for name in names]
    if EVERYBODY.lower() in wanted:
        raise BadAccount(f"every account is in the group {EVERYBODY}")
    connection.execute(
        "DELETE FROM access.memberships WHERE userid = %s AND groupid IN"
        " (SELECT groupid FROM access.groups WHERE lower(name) = ANY(%s))",
        (userid, wanted),
    )


def groups_of(connection: Connection, userid: int) -> list[str]:
    """Names of the groups of an account."""
    return [
        row[0]
        for row in connection.execute(
            "SELECT name FROM access.groups JOIN access.memberships USING (groupid) WHERE userid = %s ORDER BY name",
            (userid,),
        )
    ]


def log_in(connection: Connection, username: str, password: str, address: str) -> User:
    """Recognise an account by its password.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection outside a transaction, so that a wrong guess is remembered.
    username, password : str
        As they were given.
    address : str
        Network address of the request.

    Raises
    ------
    guesses.TooManyGuesses
        If there were too many wrong guesses for this account or from this address; the password is then not examined.
    WrongPassword
        If they do not belong together.
    """
    if "\0" in username:  # no text in the database can contain it
        raise WrongPassword("name or password are wrong")
    guesses.check(connection, username, address)
    row = connection.execute(
        f"SELECT {USER_COLUMNS}, password FROM access.users WHERE lower(username) = lower(%s) AND date_removed IS NULL",  # noqa: S608
        (username,),
    ).fetchone()
    if not is_correct(password, row[-1] if row else None) or row is None or not row[4]:
        guesses.remember(connection, username, address)
        raise WrongPassword("the name or the password is wrong")
    with connection.transaction():
        guesses.forget(connection, username)
        connection.execute("UPDATE access.users SET last_login = now() WHERE userid = %s", (row[0],))
        hashed = row[-1]
        if is_outdated(hashed) and len(password) >= SHORTEST:
            hashed = hash_password(password)
            connection.execute("UPDATE access.users SET password = %s WHERE userid = %s", (hashed, row[0]))
    key_pairs.keep_missing(connection, row[0], hashed, password)
    return user_of(row[:-1])


def check_address(email: str) -> None:
    """Raise `BadAccount` if this is not an e-mail address; an empty text means that the account has none."""
    if email and not _ADDRESS.fullmatch(email):
        raise BadAccount(f"{email!r} is not an address of electronic mail")


def _check(username: str, email: str, roles: Collection[str]) -> None:
    if not _NAME.fullmatch(username):
        raise BadAccount(
            f"an account cannot be named {username!r}: letters, digits and @.+-_, at most 150, the first one a letter"
            " or digit"
        )
    if username.lower() in RESERVED:
        raise BadAccount(f"{username} is a name of the platform; choose another one")
    if username.lower().startswith("removed-"):
        raise BadAccount("names that begin with removed- are reserved for removed accounts")
    check_address(email)
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise BadAccount(f"there is no role {unknown[0]!r}; roles are {', '.join(ROLES)}")


def _keep_an_administrator(connection: Connection) -> None:
    left = connection.execute(
        "SELECT FROM access.users WHERE active AND 'administrator' = ANY(roles) AND date_removed IS NULL LIMIT 1"
    ).fetchone()
    if left is None:
        raise BadAccount("this is the last administrator: appoint another one first")
