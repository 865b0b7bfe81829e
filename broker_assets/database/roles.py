"""Log-in roles of the server, which a migration of one database should not create on its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from broker_assets.database.engine import connect


def grant(owner: str | URL, role: str | URL, setting: str, statements: Iterable[str]) -> None:
    """Create the role of a URL, or give an existing one the password and the rights that it should have.

    Parameters
    ----------
    owner : str or URL
        URL of the owner of the tables, who may create roles.
    role : str or URL
        URL with the name of the role and its password.
    setting : str
        Name of the setting with the second URL.
    statements : iterable of str
        Its rights, with `{role}` and `{database}`.

    Raises
    ------
    ValueError
        If the second URL names no user, or the owner.
    DatabaseUnavailableError
        If the database does not answer.
    psycopg.Error
        If the owner may not create roles.
    """
    wanted = make_url(role)
    if not wanted.username or wanted.username == make_url(owner).username:
        raise ValueError(f"{setting} must name a user other than that of BROKER_DATABASE__URL")
    with connect(owner, application="broker-assets prepare") as connection, connection.transaction():
        names = {"role": create_role(connection, wanted), "database": sql.Identifier(connection.info.dbname)}
        for statement in statements:
            connection.execute(sql.SQL(statement).format(**names))


def create_role(connection: psycopg.Connection[Any], wanted: URL) -> sql.Identifier:
    """Create the role that a URL names, without any right, or give an existing one the password of the URL.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction, of a user who may create roles.
    wanted : URL
        With user and password.

    Returns
    -------
    psycopg.sql.Identifier
        Its name.
    """
    role = sql.Identifier(str(wanted.username))
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (wanted.username,)).fetchone()
    verb = sql.SQL("ALTER" if known else "CREATE")
    connection.execute(sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE").format(verb, role))
    if wanted.password:
        # Encrypted here, since statements may appear in the server's log.
        secret = connection.pgconn.encrypt_password(
            str(wanted.password).encode(), str(wanted.username).encode(), b"scram-sha-256"
        ).decode()
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(secret)))
    return role
